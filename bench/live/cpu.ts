import { readdirSync, readFileSync } from "node:fs";

/** CPU time of a process and its children so far, in ns: user and system, from each thread's schedstat. */
export function processCpuNs(pid: number): number {
  return [pid, ...childrenOf(pid)].reduce((sum, id) => sum + ownCpuNs(id), 0);
}

/** sysconf(_SC_CLK_TCK): 100 on every Linux that Node runs on. */
const TICKS_PER_SECOND = 100;

/** CPU time of the children this process has waited for, in seconds, to 10 ms (cutime + cstime of proc(5)). */
export function waitedChildrenCpuSeconds(): number {
  const stat = readFileSync("/proc/self/stat", "utf8");
  // The second field is the name in parentheses, which may hold spaces; cutime is the 16th field.
  const fields = stat.slice(stat.lastIndexOf(")") + 2).split(" ");
  return (Number(fields[13]) + Number(fields[14])) / TICKS_PER_SECOND;
}

function ownCpuNs(pid: number): number {
  const threads = listing(`/proc/${pid}/task`);
  return threads.reduce((sum, thread) => sum + threadNs(`/proc/${pid}/task/${thread}/schedstat`), 0);
}

/** A process may end between two looks: then it has used nothing more. */
function threadNs(path: string): number {
  try {
    return Number(readFileSync(path, "utf8").split(" ")[0]);
  } catch {
    return 0;
  }
}

function childrenOf(pid: number): number[] {
  return listing(`/proc/${pid}/task`).flatMap((thread) => {
    try {
      const list = readFileSync(`/proc/${pid}/task/${thread}/children`, "utf8");
      return list
        .split(" ")
        .filter((id) => id !== "")
        .map(Number);
    } catch {
      return [];
    }
  });
}

function listing(path: string): string[] {
  try {
    return readdirSync(path);
  } catch {
    return [];
  }
}
