/** One aggregator per store. The lock names its process and when that began, so a lock of the dead never holds. */
import { linkSync, readFileSync, unlinkSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { EXIT, SparsewireError } from "../../lib/errors.js";

/** Takes the store at `path`; returns what gives it back. Throws STORE_LOCKED when a living process has it. */
export function lockStore(path: string): () => void {
  const lock = join(path, "lock");
  const mine = `${process.pid} ${startOf(process.pid) ?? ""}\n`;
  const proposal = `${lock}.${process.pid}`;
  writeFileSync(proposal, mine);
  try {
    if (!linked(proposal, lock)) {
      const held = read(lock);
      const [pid, start] = (held ?? "").trim().split(" ");
      // Two aggregators in one process (tests) are told apart by nothing but the lock itself.
      if (held === mine || (start !== undefined && startOf(Number(pid)) === start)) {
        throw new SparsewireError("STORE_LOCKED", `the store ${path} is in use by process ${pid}`, {
          exit: EXIT.failure,
          mend: "stop that aggregator, or give this one another store.path",
        });
      }
      if (read(lock) === held) unlinkSync(lock);
      if (!linked(proposal, lock)) return lockStore(path);
    }
  } finally {
    unlinkSync(proposal);
  }
  return () => {
    if (read(lock) === mine) unlinkSync(lock);
  };
}

function linked(from: string, to: string): boolean {
  try {
    linkSync(from, to);
    return true;
  } catch (error) {
    if ((error as NodeJS.ErrnoException).code !== "EEXIST") throw error;
    return false;
  }
}

function read(path: string): string | undefined {
  try {
    return readFileSync(path, "utf8");
  } catch {
    return undefined;
  }
}

/** Start time of a process in clock ticks since boot (field 22 of /proc/PID/stat), or undefined when there is none. */
function startOf(pid: number): string | undefined {
  const stat = read(`/proc/${pid}/stat`);
  return stat?.slice(stat.lastIndexOf(")") + 2).split(" ")[19];
}
