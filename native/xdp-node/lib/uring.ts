/**
 * A process that has no io_uring and can make none. By such a ring a process can ask the kernel for what its seccomp
 * filter refuses; and libuv, which makes one at its start, aborts when a filter takes it away again.
 */
import { readdirSync, readFileSync, readlinkSync } from "node:fs";
import { constants } from "node:os";
import { guard } from "./errors.js";
import { native } from "./native.js";

/** An open descriptor of this process, as /proc tells of it. */
export interface Descriptor {
  fd: number;
  /** "pipe:[4026]", "anon_inode:[io_uring]", or a path. */
  target: string;
  /** As open(2) takes them. */
  flags: number;
}

/** Whether the kernel would let this process make a ring. */
export function canMakeUring(): boolean {
  // The call is made wrongly on purpose; one that is refused is refused before anybody looks at its arguments.
  return native.uringErrno() === constants.errno.EFAULT;
}

/** Descriptors of io_uring that are open here. Empty as well where /proc does not tell. */
export function openUrings(): number[] {
  return openDescriptors()
    .filter(({ target }) => target === "anon_inode:[io_uring]")
    .map(({ fd }) => fd);
}

/**
 * Starts a program in this process's place: the same process id, environment, working folder and descriptors, but
 * no io_uring can be made any more, in no thread. Without CAP_SYS_ADMIN it sets no_new_privs.
 * @param argv with the program's own name first
 * @throws XdpError where the filter or the program is refused; it does not return otherwise
 */
export function restartWithoutUring(path: string, argv: readonly string[]): never {
  const kept = inherited(openDescriptors()).map(({ fd }) => fd);
  return guard("start anew without io_uring", () => native.restartWithoutUring(path, [...argv], kept));
}

/**
 * Those that the process was given, as far as can be told: Node marks all of them to be closed at an exec, its own and
 * others alike. Its own are polls, events, rings, and pipes of which it has both ends; one more pipe does no harm.
 */
export function inherited(open: readonly Descriptor[]): Descriptor[] {
  const ends = (target: string): Set<number> =>
    new Set(open.filter((each) => each.target === target).map(({ flags }) => flags & ACCESS));
  return open.filter(({ fd, target }) => {
    if (fd <= STDERR) return true;
    if (target.startsWith("anon_inode:")) return false;
    return !(target.startsWith("pipe:") && ends(target).size > 1);
  });
}

const STDERR = 2;
/** O_ACCMODE: whether a descriptor reads, writes or both. */
const ACCESS = 3;

function openDescriptors(): Descriptor[] {
  try {
    return readdirSync("/proc/self/fd").flatMap(describe);
  } catch {
    return [0, 1, STDERR].map((fd) => ({ fd, target: "", flags: 0 }));
  }
}

/** None for the descriptor that the list was read with. */
function describe(name: string): Descriptor[] {
  try {
    const flags = /^flags:\s+([0-7]+)$/m.exec(readFileSync(`/proc/self/fdinfo/${name}`, "latin1"))?.[1];
    return [
      { fd: Number(name), target: readlinkSync(`/proc/self/fd/${name}`), flags: parseInt(flags ?? "0", 8) },
    ];
  } catch {
    return [];
  }
}
