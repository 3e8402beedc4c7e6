/** One process per store or spool. The lock names its process and when that began, so a lock of the dead never holds. */
import { linkSync, readFileSync, rmSync, unlinkSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import type { SparsewireError } from "../lib/errors.js";

/**
 * Takes the folder at `path`; returns what gives it back. Throws what `busy` makes of the number of the living process
 * that has it, and the errors of the file system.
 */
export function lockFolder(path: string, busy: (pid: string) => SparsewireError): () => void {
  const lock = join(path, "lock");
  const mine = `${process.pid} ${BEGAN}\n`;
  const proposal = `${lock}.${process.pid}`;
  try {
    writeFileSync(proposal, mine);
    if (!linked(proposal, lock)) {
      const held = read(lock);
      const [pid = "", start = ""] = (held ?? "").trim().split(" ");
      // Two holders in one process (tests) are told apart by nothing but the lock itself.
      if (held === mine || (start !== "" && startOf(pid) === start)) throw busy(pid);
      if (read(lock) === held) unlinkSync(lock);
      if (!linked(proposal, lock)) return lockFolder(path, busy);
    }
  } finally {
    rmSync(proposal, { force: true });
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

/**
 * When a process began, in clock ticks since boot (field 22 of /proc/PID/stat); undefined when there is none, or only
 * what its parent has not yet taken notice of.
 */
function startOf(pid: string): string | undefined {
  if (!/^\d+$/.test(pid)) return undefined;
  const stat = read(`/proc/${pid}/stat`);
  const [state, ...fields] = stat?.slice(stat.lastIndexOf(")") + 2).split(" ") ?? [];
  return state === "Z" || state === "X" ? undefined : fields[18];
}

/** Of this process; asked at once, because a confined one may not look into /proc. */
const BEGAN = startOf(String(process.pid)) ?? "";
