/** Tars of matrices, and tars of such tars, read where they lie: a file of any size costs the memory of one matrix. */
import { closeSync, fstatSync, openSync, readSync } from "node:fs";
import { naturalOrder } from "../../lib/challenge.js";
import { EXIT, SparsewireError } from "../../lib/errors.js";
import { type TarEntry, type TarSource, tarEntries } from "../../lib/tar.js";

/** A larger blob is no window of packets, and larger than the memory for matrices. */
const BLOB_BYTES_MAX = 2 ** 31 - 1;
/** Tars inside one another: the challenge has two levels. */
const DEPTH_MAX = 4;
const MANIFEST = "manifest.json";

/** Matrices that lie in one tar, or an interval archive inside of a tar. */
export type TarNode =
  | { kind: "matrices"; name: string; entries: TarEntry[]; read(entry: TarEntry): Uint8Array }
  | { kind: "archive"; name: string; read(): Uint8Array };

/** A tar file, opened; what read() gives is valid until the next call. */
export class TarFile implements TarSource, Disposable {
  readonly size: number;
  readonly #file: number;
  #buffer = new Uint8Array(1 << 16);

  /** Throws NodeJS.ErrnoException. */
  constructor(path: string) {
    this.#file = openSync(path, "r");
    this.size = fstatSync(this.#file).size;
  }

  read(offset: number, length: number): Uint8Array {
    if (length > this.#buffer.length) this.#buffer = new Uint8Array(length);
    let held = 0;
    while (held < length) {
      const bytes = readSync(this.#file, this.#buffer, held, length - held, offset + held);
      if (bytes === 0) throw bad("it became shorter while it was read");
      held += bytes;
    }
    return this.#buffer.subarray(0, length);
  }

  [Symbol.dispose](): void {
    closeSync(this.#file);
  }
}

/** Whether it is an interval archive of ours: the first member is its manifest. Throws BAD_TAR. */
export function hasManifest(source: TarSource): boolean {
  const first = tarEntries(source, { unmarked: true }).next();
  return first.done !== true && first.value.name === MANIFEST;
}

/**
 * What a tar without a manifest holds, in the order of the names' numbers, which is that of time: its own matrices
 * (*.grb) first, then those of the tars in it. Other members are passed over.
 *
 * @throws SparsewireError BAD_TAR, and BAD_ARCHIVE for a tar too deep, a blob too large, or no matrix at all
 */
export function* tarTree(source: TarSource, name: string): Generator<TarNode> {
  let found = 0;
  for (const node of below(source, name, 0)) {
    found++;
    yield node;
  }
  if (found === 0) throw bad("it holds no manifest and no matrix (*.grb)");
}

function* below(source: TarSource, name: string, depth: number): Generator<TarNode> {
  const entries = [...tarEntries(source, { unmarked: true })].sort((a, b) => naturalOrder(a.name, b.name));
  const matrices = entries.filter((entry) => entry.name.endsWith(".grb"));
  if (matrices.length > 0) {
    yield { kind: "matrices", name, entries: matrices, read: (entry) => readWhole(source, entry) };
  }
  for (const entry of entries) {
    if (!entry.name.endsWith(".tar")) continue;
    if (depth === DEPTH_MAX) throw bad(`tars lie more than ${DEPTH_MAX} deep in one another`);
    const inner = {
      size: entry.size,
      read: (offset: number, length: number) => source.read(entry.offset + offset, length),
    };
    if (hasManifest(inner)) {
      yield { kind: "archive", name: entry.name, read: () => readWhole(source, entry).slice() };
    } else yield* below(inner, entry.name, depth + 1);
  }
}

function readWhole(source: TarSource, { name, offset, size }: TarEntry): Uint8Array {
  if (size > BLOB_BYTES_MAX) throw bad(`${name} is larger than 2 GiB`);
  return source.read(offset, size);
}

const bad = (what: string): SparsewireError =>
  new SparsewireError("BAD_ARCHIVE", `not a sound archive: ${what}`, {
    exit: EXIT.badInput,
    mend: "fetch or write the archive again",
  });
