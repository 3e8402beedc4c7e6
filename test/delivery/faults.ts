/** Failing system calls of a child process, one kind with one errno at a time: faults.c, compiled and controlled. */
import { execFileSync, spawnSync } from "node:child_process";
import { closeSync, openSync, readSync, writeFileSync, writeSync } from "node:fs";
import { constants } from "node:os";
import { join } from "node:path";
import { ROOT } from "../cli/command.js";

/** Calls by the numbers of faults.c. */
const CALLS = [
  "none",
  "open",
  "read",
  "write",
  "fsync",
  "rename",
  "unlink",
  "mkdir",
  "rmdir",
  "stat",
  "close",
  "list",
  "link",
  "statfs",
  "socket",
  "connect",
  "receive",
  "send",
  "close_socket",
  "accept",
] as const;
export type Call = (typeof CALLS)[number];
/** What is done with files below the folder, and with internet sockets. */
export const FILE_CALLS = CALLS.slice(1, 14);
export const SOCKET_CALLS = CALLS.slice(14);

/** Errors that a call may give; "short": half of the bytes, without an error. */
export const ERRORS = [
  "EMFILE",
  "ENFILE",
  "EIO",
  "ENOMEM",
  "EACCES",
  "EPERM",
  "EINTR",
  "ENOSPC",
  "EDQUOT",
  "EROFS",
  "ETIMEDOUT",
  "ESTALE",
  "EBUSY",
  "ENOTCONN",
  "ECONNRESET",
  "short",
] as const;
export type Fault = (typeof ERRORS)[number];

const SHORTENED: readonly Call[] = ["read", "write", "receive", "send"];

/** Whether a call can end this way. */
export const isPossible = (call: Call, error: Fault): boolean =>
  error !== "short" || SHORTENED.includes(call);

/** Why this machine cannot make the library, or false: what node:test takes as `skip`. */
export const faultsMissing: string | false =
  process.platform === "linux" && spawnSync("cc", ["--version"]).status === 0 ? false : "needs cc on Linux";

/** Compiles the library into a folder; its path. */
export function compileFaults(folder: string): string {
  const library = join(folder, "faults.so");
  const source = join(ROOT, "test/delivery/faults.c");
  const options = ["-std=gnu11", "-Wall", "-Wextra", "-Werror", "-O2", "-shared", "-fPIC"];
  execFileSync("cc", [...options, "-o", library, source, "-ldl"], { stdio: "pipe" });
  return library;
}

/** One child's faults. */
export class Faults {
  readonly env: NodeJS.ProcessEnv;
  readonly #fd: number;

  /** For a child that is started with `env`: calls on files below the folder `below`, and on internet sockets. */
  constructor(library: string, file: string, below: string) {
    writeFileSync(file, new Uint8Array(24));
    this.#fd = openSync(file, "r+");
    this.env = { LD_PRELOAD: library, SPARSEWIRE_FAULTS: file, SPARSEWIRE_FAULTS_BELOW: below };
  }

  /** From now on, after `skip` calls of the kind, `times` of them fail. */
  arm(call: Call, error: Fault, { skip = 0, times = 1 } = {}): void {
    const number = error === "short" ? 0 : constants.errno[error as keyof typeof constants.errno];
    // The number of times goes last: it is what makes the others count.
    this.#write(3, [0, 0]);
    this.#write(0, [CALLS.indexOf(call), number, skip]);
    this.#write(3, [times]);
  }

  disarm(): void {
    this.#write(3, [0]);
  }

  /** How often it has failed since it was armed. */
  get hits(): number {
    return this.#words()[4]!;
  }

  get isUsedUp(): boolean {
    return this.#words()[3]! <= 0;
  }

  /** Calls that have been made at all. */
  get seen(): Call[] {
    return CALLS.filter((_, bit) => (this.#words()[5]! >> bit) & 1);
  }

  close(): void {
    closeSync(this.#fd);
  }

  #words(): Int32Array {
    const bytes = new Uint8Array(24);
    readSync(this.#fd, bytes, 0, bytes.length, 0);
    return new Int32Array(bytes.buffer);
  }

  #write(at: number, words: number[]): void {
    writeSync(this.#fd, new Uint8Array(Int32Array.from(words).buffer), 0, 4 * words.length, 4 * at);
  }
}
