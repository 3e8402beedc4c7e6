/** Locks that the kernel keeps: flock(2). Node.js has none. */
import { constants } from "node:os";
import { guard } from "./errors.js";
import { native } from "./native.js";

/** What came of it: "unsupported" is a file system without such locks (some network file systems). */
export type FileLock = "locked" | "busy" | "unsupported";

/**
 * Takes the exclusive lock of an open file, without waiting. It belongs to the descriptor: it ends when that is closed, by
 * whatever way, and holds against every other descriptor of the same file, in all processes, containers and threads.
 * A network file system may want the descriptor to be open for writing.
 *
 * @throws XdpError XDP_BAD_ARGUMENT for what is no descriptor
 */
export function lockFile(fd: number): FileLock {
  const errno = guard("lock a file", () => native.lockFile(fd));
  if (errno === 0) return "locked";
  return errno === constants.errno.EWOULDBLOCK ? "busy" : "unsupported";
}
