/** What SRC arguments name: interval archives, folders of them, capture files; told apart by their first bytes. */
import { closeSync, openSync, readdirSync, readFileSync, readSync, statSync } from "node:fs";
import { join } from "node:path";
import { naturalOrder } from "../../lib/challenge.js";
import { EXIT, SparsewireError } from "../../lib/errors.js";

export type Source = { kind: "archive" | "capture"; path: string };

/** A larger archive does not come from this software, and would not fit memory anyway. */
const ARCHIVE_BYTES_MAX = 2 ** 31 - 1;
/** Folders inside one another: dated stores have five. */
const DEPTH_MAX = 32;
const TAR_MAGIC_AT = 257;

/** Magic numbers of pcap (both byte orders; microseconds, nanoseconds, modified), pcapng, gzip, zstd. */
const CAPTURE_MAGICS = [
  "d4c3b2a1",
  "a1b2c3d4",
  "4d3cb2a1",
  "a1b23c4d",
  "34cdb2a1",
  "a1b2cd34",
  "0a0d0d0a",
  "1f8b",
  "28b52ffd",
];

/**
 * The archives and captures that a list of paths names, in order; folders give their archives, below them too,
 * sorted by path. Lazily, so that a folder of a million archives costs no list of them.
 *
 * @throws SparsewireError NO_SUCH_FILE (usage), NOT_READABLE (notPermitted), UNKNOWN_FORMAT (badInput)
 */
export function* sourcesOf(paths: readonly string[]): Generator<Source> {
  for (const path of paths) {
    if (path === "-") yield { kind: "capture", path };
    else if (attempt(path, () => statSync(path)).isDirectory()) yield* archivesBelow(path);
    else yield { kind: kindOf(path), path };
  }
}

function* archivesBelow(folder: string): Generator<Source> {
  let found = 0;
  for (const path of tarsBelow(folder, 0)) {
    found++;
    yield { kind: "archive", path };
  }
  if (found === 0) {
    throw new SparsewireError("NO_ARCHIVES", `${folder} holds no .tar archive`, {
      exit: EXIT.badInput,
      mend: "give a folder that a sensor or an aggregator writes to",
    });
  }
}

function* tarsBelow(folder: string, depth: number): Generator<string> {
  if (depth > DEPTH_MAX) return;
  const entries = attempt(folder, () => readdirSync(folder, { withFileTypes: true }));
  entries.sort((a, b) => naturalOrder(a.name, b.name));
  for (const entry of entries) {
    const path = join(folder, entry.name);
    if (entry.isDirectory()) yield* tarsBelow(path, depth + 1);
    else if (entry.name.endsWith(".tar")) yield path;
  }
}

function kindOf(path: string): Source["kind"] {
  const head = Buffer.alloc(512);
  const length = attempt(path, () => {
    const file = openSync(path, "r");
    try {
      return readSync(file, head, 0, head.length, 0);
    } catch (error) {
      // A pipe cannot be looked into without taking from it: archives are files, so it is a capture.
      if ((error as NodeJS.ErrnoException).code === "ESPIPE") return -1;
      throw error;
    } finally {
      closeSync(file);
    }
  });
  if (length === -1) return "capture";
  if (head.toString("latin1", TAR_MAGIC_AT, TAR_MAGIC_AT + 5) === "ustar") return "archive";
  const magic = head.toString("hex", 0, Math.min(4, length));
  if (CAPTURE_MAGICS.some((known) => magic.startsWith(known))) return "capture";
  const what =
    length === 0 ? "is empty" : "is neither an archive (.tar) nor a capture (pcap, pcapng, gzip, zstd)";
  throw new SparsewireError("UNKNOWN_FORMAT", `${path} ${what}`, {
    exit: EXIT.badInput,
    mend: "give a file that Sparsewire, tcpdump or Wireshark wrote",
  });
}

/** The bytes of an archive. */
export function readArchiveFile(path: string): Uint8Array {
  const { size } = attempt(path, () => statSync(path));
  if (size > ARCHIVE_BYTES_MAX) {
    throw new SparsewireError("TOO_LARGE", `${path} is larger than 2 GiB`, { exit: EXIT.badInput });
  }
  return attempt(path, () => readFileSync(path));
}

/** Runs a file operation; its errors become one line that names the file. */
export function attempt<T>(path: string, action: () => T): T {
  try {
    return action();
  } catch (error) {
    const { code, message } = error as NodeJS.ErrnoException;
    if (code === "EACCES" || code === "EPERM") {
      throw new SparsewireError("NOT_READABLE", `cannot read ${path}: permission denied`, {
        exit: EXIT.notPermitted,
        mend: "run as a user that may read it",
        cause: error,
      });
    }
    if (code === "ENOENT" || code === "ENOTDIR") {
      throw new SparsewireError("NO_SUCH_FILE", `cannot read ${path}: there is no such file`, {
        exit: EXIT.usage,
        mend: "check the path",
        cause: error,
      });
    }
    const isFolder = code === "EISDIR";
    throw new SparsewireError(
      "NOT_READABLE",
      `cannot read ${path}: ${isFolder ? "it is a directory" : message}`,
      {
        exit: isFolder ? EXIT.usage : EXIT.failure,
        mend: "name a file that can be read",
        cause: error,
      },
    );
  }
}
