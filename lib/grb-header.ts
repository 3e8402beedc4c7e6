/**
 * What a `.grb` blob claims to be, read from its header alone: what it would take to decode is known before a byte of it
 * is decoded. The layout is that of native/graphblas-wasm/src/blob.h.
 */
import { EXIT, SparsewireError } from "./errors.js";

const HEADER_BYTES = 160;
/** Type codes of SuiteSparse. */
const TYPES: Record<number, "UINT32" | "UINT64"> = { 7: "UINT32", 9: "UINT64" };
/** 4 * sparsity + 2 * (one value for all entries) + by column. */
const HYPERSPARSE_BY_ROW = 4;
const ISO = 2;

export interface BlobClaims {
  nrows: bigint;
  ncols: bigint;
  /** undefined: another type than the two that archives have. */
  type: "UINT32" | "UINT64" | undefined;
  /** Entries it decodes to. */
  entries: number;
  /** Rows it names; each costs as much as an entry. */
  rows: number;
  /** Hypersparse by row: how archives are written. */
  isCanonical: boolean;
}

/** Throws BAD_ARCHIVE when the blob is shorter than a header, or the header contradicts itself. */
export function readBlobClaims(blob: Uint8Array): BlobClaims {
  if (blob.length < HEADER_BYTES) throw bad("it is shorter than its header");
  const view = new DataView(blob.buffer, blob.byteOffset, HEADER_BYTES);
  const long = (at: number): bigint => view.getBigUint64(at, true);
  const [ap, ai] = [long(64), long(88)];
  const code = view.getUint32(8, true);
  const wide = (shift: number): bigint => (((code >> shift) & 1) === 0 ? 8n : 4n);
  const rows = Number(long(32));
  const entries = Number(ai / wide(4));
  if (long(0) !== BigInt(blob.length)) throw bad("its length is not the one in its header");
  if (BigInt(rows + 1) * wide(12) !== ap) throw bad("its rows are not those of its pointers");
  return {
    nrows: long(24),
    ncols: long(16),
    type: TYPES[code & 15],
    entries,
    rows,
    isCanonical: (view.getUint32(116, true) & ~ISO) === HYPERSPARSE_BY_ROW,
  };
}

const bad = (what: string): SparsewireError =>
  new SparsewireError("BAD_ARCHIVE", `not a sound archive: a matrix of it: ${what}`, {
    exit: EXIT.badInput,
    mend: "fetch or write the archive again",
  });
