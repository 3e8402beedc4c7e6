/**
 * One process per store or spool. The kernel keeps the lock (flock): it holds across containers that share a volume,
 * and ends with its holder. Where a file system has no such locks, the process number in the file has to do.
 */
import {
  closeSync,
  fstatSync,
  ftruncateSync,
  linkSync,
  openSync,
  readFileSync,
  readlinkSync,
  rmSync,
  statSync,
  unlinkSync,
  writeFileSync,
  writeSync,
} from "node:fs";
import { hostname } from "node:os";
import { join } from "node:path";
import type { SparsewireError } from "../lib/errors.js";

/** Where the addon cannot be loaded (a web service on a host without libbpf) there are no locks of the kernel. */
const kernel = await import("xdp-node").catch(() => undefined);

export interface LockOptions {
  /** Told why the kernel does not keep this lock: other containers and hosts are not held off then. */
  weak?(why: string): void;
  /** The kernel's lock; tests replace it. */
  lockFile?: ((fd: number) => "locked" | "busy" | "unsupported") | undefined;
}

/** What to say of a lock that the kernel does not keep. */
export const weakLock = (path: string, why: string): string =>
  `${path} is locked by process number only (${why}); see that no other container or host uses it`;

/** A lock file's line: process number, when that began, and for a lock of the kernel the host and PID namespace. */
interface Holder {
  pid: string;
  start: string;
  place: string | undefined;
}

/**
 * Takes the folder at `path`; returns what gives it back. Throws what `busy` makes of the holder ("process 17", or
 * "process 17 of host-a") and the errors of the file system.
 */
export function lockFolder(
  path: string,
  busy: (holder: string) => SparsewireError,
  { weak = () => undefined, lockFile = kernel?.lockFile }: LockOptions = {},
): () => void {
  const file = join(path, "lock");
  if (lockFile === undefined) {
    weak("the addon of xdp-node cannot be loaded");
    return lockByNumber(file, busy);
  }
  for (;;) {
    const fd = openSync(file, "a+", 0o640);
    let isKept = false;
    try {
      const verdict = lockFile(fd);
      if (verdict === "unsupported") {
        weak("its file system has no locks");
        return lockByNumber(file, busy);
      }
      if (verdict === "busy") throw busy(nameOf(holderIn(read(file))));
      // Whoever had it has removed the file before it let go: what is locked has no name any more.
      if (!isSameFile(fd, file)) continue;
      requireDead(read(file), busy);
      isKept = true;
      note(fd);
      return () => {
        try {
          try {
            if (isSameFile(fd, file)) unlinkSync(file);
          } finally {
            closeSync(fd);
          }
        } catch {
          // A lock file that stays holds nobody up, and whoever gives it back may have another error to tell.
        }
      };
    } finally {
      if (!isKept) closeSync(fd);
    }
  }
}

/** A version before this one has its number in the file and no lock of the kernel: it is asked for by that. */
function requireDead(text: string | undefined, busy: (holder: string) => SparsewireError): void {
  const holder = holderIn(text);
  if (holder.place !== undefined || holder.start === "") return;
  if (startOf(holder.pid) === holder.start) throw busy(nameOf(holder));
}

/** Says who has it. A disk without room for that does not matter: the lock is the kernel's. */
function note(fd: number): void {
  try {
    ftruncateSync(fd);
    writeSync(fd, MINE_BY_KERNEL);
  } catch {
    // The next one is told "another process".
  }
}

function isSameFile(fd: number, path: string): boolean {
  try {
    const [open, named] = [fstatSync(fd), statSync(path)];
    return open.ino === named.ino && open.dev === named.dev;
  } catch {
    return false;
  }
}

/** Takes the lock by linking a file of this process's number to its name. */
function lockByNumber(lock: string, busy: (holder: string) => SparsewireError): () => void {
  const proposal = `${lock}.${process.pid}`;
  try {
    writeFileSync(proposal, MINE);
    if (!linked(proposal, lock)) {
      const held = read(lock);
      const holder = holderIn(held);
      // Two holders in one process (tests) are told apart by nothing but the lock itself.
      const isAlive = holder.start !== "" && startOf(holder.pid) === holder.start;
      if (held === MINE || isAlive) throw busy(nameOf(holder));
      if (read(lock) === held) unlinkSync(lock);
      if (!linked(proposal, lock)) return lockByNumber(lock, busy);
    }
  } finally {
    rmSync(proposal, { force: true });
  }
  return () => {
    if (read(lock) === MINE) unlinkSync(lock);
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

function holderIn(text = ""): Holder {
  const [pid = "", start = "", ...place] = text.trim().split(" ");
  return { pid, start, place: place.length === 0 ? undefined : place.join(" ") };
}

/** A process number means something only where it was given. */
function nameOf({ pid, place }: Holder): string {
  if (!/^\d+$/.test(pid)) return "another process";
  if (place === undefined || place === PLACE) return `process ${pid}`;
  const host = place.split(" ")[0]!;
  return host === HOST ? `process ${pid} of another container` : `process ${pid} of ${host}`;
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

function namespaceOf(): string {
  try {
    return readlinkSync("/proc/self/ns/pid");
  } catch {
    return "pid:?";
  }
}

// All of this process is asked at once, because a confined one may not look into /proc. In a PID namespace without a
// /proc of its own the process's number there is another one: /proc/self knows.
const HOST = hostname().replaceAll(/[^\x21-\x7e]/g, "-");
const PLACE = `${HOST} ${namespaceOf()}`;
const BEGAN = startOf(String(process.pid)) ?? "";
const MINE = `${process.pid} ${BEGAN}\n`;
const MINE_BY_KERNEL = `${process.pid} ${BEGAN === "" ? "?" : BEGAN} ${PLACE}\n`;
