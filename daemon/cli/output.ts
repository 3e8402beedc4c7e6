/**
 * Where a command's result goes: stdout, or a file that appears whole or not at all. All text of a command passes
 * here, and no control character of a name that others chose passes with it.
 */

import { once } from "node:events";
import { closeSync, fsyncSync, openSync, renameSync, rmSync, statSync, writeSync } from "node:fs";
import { EXIT, SparsewireError } from "../../lib/errors.js";
import { printableText } from "../../lib/printable.js";
import { untilDone } from "./cleanup.js";

export interface Output {
  write(piece: string | Uint8Array): Promise<void>;
  /** Makes a file appear under its name. */
  finish(): Promise<void>;
  /** Leaves nothing behind; harmless after finish(). */
  abandon(): void;
}

/** Text on stdout, beside a result that went elsewhere. */
export function say(text: string): void {
  process.stdout.write(printableText(text));
}

/** Text on stderr: warnings, errors. */
export function sayAside(text: string): void {
  process.stderr.write(printableText(text));
}

interface EmitOptions {
  /** Text with colours; whoever painted it has made the rest printable. */
  isPainted?: boolean;
}

/** Writes the pieces of a result; a file is renamed into place only when all were written. Bytes go out as they are. */
export async function emit(
  path: string | undefined,
  pieces: Iterable<string | Uint8Array>,
  { isPainted = false }: EmitOptions = {},
): Promise<void> {
  const output = openOutput(path);
  try {
    for (const piece of pieces)
      await output.write(typeof piece === "string" && !isPainted ? printableText(piece) : piece);
    await output.finish();
  } finally {
    output.abandon();
  }
}

/** Names of stdout. /dev/stdout cannot be opened when stdout is a socket, as under some service managers. */
const STDOUT = new Set(["-", "/dev/stdout"]);

/** undefined is stdout, too. */
export function openOutput(path: string | undefined): Output {
  return path === undefined || STDOUT.has(path)
    ? standardOutput()
    : isSpecial(path)
      ? direct(path)
      : whole(path);
}

function standardOutput(): Output {
  return {
    async write(piece) {
      if (!process.stdout.write(piece)) await once(process.stdout, "drain");
    },
    async finish() {},
    abandon() {},
  };
}

/** Devices and pipes cannot be renamed over. */
function isSpecial(path: string): boolean {
  try {
    const stat = statSync(path);
    return !stat.isFile() && !stat.isDirectory();
  } catch {
    return false;
  }
}

function direct(path: string): Output {
  const file = attempt(path, () => openSync(path, "w"));
  let open = true;
  const close = () => {
    if (open) closeSync(file);
    open = false;
  };
  return {
    async write(piece) {
      attempt(path, () => writeAll(file, piece));
    },
    async finish() {
      close();
    },
    abandon: close,
  };
}

function whole(path: string): Output {
  const temporary = `${path}.${process.pid}.tmp`;
  const file = attempt(path, () => openSync(temporary, "wx", 0o666));
  let done = false;
  const remove = () => {
    if (done) return;
    done = true;
    closeSync(file);
    rmSync(temporary, { force: true });
  };
  const settled = untilDone(remove);
  return {
    async write(piece) {
      attempt(path, () => writeAll(file, piece));
    },
    async finish() {
      attempt(path, () => {
        fsyncSync(file);
        renameSync(temporary, path);
      });
      done = true;
      closeSync(file);
      settled();
    },
    abandon() {
      remove();
      settled();
    },
  };
}

function writeAll(file: number, piece: string | Uint8Array): void {
  const bytes = typeof piece === "string" ? Buffer.from(piece) : piece;
  for (let at = 0; at < bytes.length; ) at += writeSync(file, bytes, at);
}

function attempt<T>(path: string, action: () => T): T {
  try {
    return action();
  } catch (error) {
    if ((error as NodeJS.ErrnoException).code === "EPIPE") process.exit(EXIT.ok);
    throw writeError(path, error);
  }
}

/** What a failed write to `path` (or "standard output") is to the user. */
export function writeError(path: string, error: unknown): SparsewireError {
  const { code, message } = error as NodeJS.ErrnoException;
  const denied = code === "EACCES" || code === "EPERM";
  const why: Record<string, string> = {
    ENOENT: "its folder does not exist",
    EISDIR: "it is a directory",
    ENOSPC: "the disk is full",
    EACCES: "permission denied",
    EROFS: "the file system is read-only",
  };
  return new SparsewireError("OUTPUT", `cannot write ${path}: ${why[code ?? ""] ?? message}`, {
    exit: denied ? EXIT.notPermitted : EXIT.failure,
    mend: "give -o another place",
    cause: error,
  });
}
