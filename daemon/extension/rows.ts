/**
 * The rows of one interval: gathered as they come, folded to a matrix in large pieces, bounded by rows_max distinct entries.
 * And the labels: what hashed keys stand for.
 */
import type { GraphBLAS, Matrix } from "graphblas-wasm";
import type { Combine } from "../../lib/extension-abi.js";
import { LABEL_HEAD_BYTES, LABEL_KINDS, LABEL_LENGTHS } from "../../lib/extension-dict.js";
import { EXTENSION_DIMENSION } from "../../lib/extension-matrix.js";
import { Labels } from "./labels.js";
import type { Output } from "./program.js";

const PIECE = 1 << 16;
/** A key's high word from here on is beyond 2^60. */
const HIGH_MAX = 1 << 28;
const INDEX_MASK = (1n << 60n) - 1n;
const WORD_MASK = (1n << 64n) - 1n;

export interface SealedRows {
  blob: Uint8Array<ArrayBuffer>;
  dict: Uint8Array<ArrayBuffer>;
  rows: number;
  lost: number;
  labelsLost: number;
}

export class Rows {
  readonly #grb: GraphBLAS;
  readonly #combine: Combine;
  readonly #max: number;
  readonly #rows = new BigUint64Array(PIECE);
  readonly #columns = new BigUint64Array(PIECE);
  readonly #values = new BigUint64Array(PIECE);
  readonly #labels: Labels;
  #n = 0;
  #matrix: Matrix<"UINT64"> | undefined;
  /** Of this interval. */
  taken = 0;
  lost = 0;

  constructor(grb: GraphBLAS, combine: Combine, max: { rows: number; labelBytes: number }) {
    this.#grb = grb;
    this.#combine = combine;
    this.#max = max.rows;
    // As many as there can be keys of rows.
    this.#labels = new Labels(max.labelBytes, 2 * max.rows);
  }

  take({ rows, columns, values, rowsLost, labels }: Output): void {
    this.lost += rowsLost;
    if (labels.length > 0) this.#label(labels);
    if (rows.length === 0) return;
    if (this.#n + rows.length > PIECE) this.#fold();
    this.#rows.set(rows, this.#n);
    this.#columns.set(columns, this.#n);
    this.#values.set(values, this.#n);
    this.#n += rows.length;
    this.taken += rows.length;
  }

  /** The interval's matrix and dictionary as bytes; the next begins empty. */
  seal(): SealedRows {
    this.#fold();
    const matrix = this.#matrix ?? this.#grb.matrix("UINT64", EXTENSION_DIMENSION, EXTENSION_DIMENSION);
    const { dict, lost: labelsLost } = this.#labels.seal();
    const sealed = { blob: matrix.serialize(), dict, rows: this.taken, lost: this.lost, labelsLost };
    matrix.dispose();
    this.#matrix = undefined;
    this.taken = this.lost = 0;
    return sealed;
  }

  #fold(): void {
    const n = this.#n;
    if (n === 0) return;
    this.#n = 0;
    const [rows, columns] = [this.#rows.subarray(0, n), this.#columns.subarray(0, n)];
    this.#bring(rows);
    this.#bring(columns);
    const [size, op] = [EXTENSION_DIMENSION, this.#combine];
    const piece = this.#grb.build("UINT64", size, size, rows, columns, this.#values.subarray(0, n), op);
    const sum = this.#matrix === undefined ? piece : this.#matrix.eWiseAdd(piece, op, "UINT64");
    if (sum.nvals > this.#max) {
      // What would go beyond the bound is not taken; what was there before stays whole.
      this.lost += n;
      this.taken -= n;
      sum.dispose();
      if (sum !== piece) piece.dispose();
      return;
    }
    if (sum !== piece) {
      piece.dispose();
      this.#matrix!.dispose();
    }
    this.#matrix = sum as Matrix<"UINT64">;
  }

  /** Brings keys of 2^60 and more into the index space: by a hash, with a label. In place. */
  #bring(keys: BigUint64Array): void {
    const words = new Uint32Array(keys.buffer, keys.byteOffset, 2 * keys.length);
    for (let i = 0; i < keys.length; i++) {
      if (words[2 * i + 1]! < HIGH_MAX) continue;
      const key = keys[i]!;
      const index = mix(key) & INDEX_MASK;
      keys[i] = index;
      const bytes = new Uint8Array(BigUint64Array.of(key).buffer);
      this.#labels.add(Number(index & 0xffffffffn), Number(index >> 32n), "number", bytes);
    }
  }

  /** Records {u64 index, u8 kind, u8 length, bytes}; one that is odd ends the list. */
  #label(bytes: Uint8Array): void {
    const own = bytes.slice();
    const view = new DataView(own.buffer);
    for (let at = 0; own.length - at >= LABEL_HEAD_BYTES; ) {
      const [kind, length, from] = [own[at + 8]!, own[at + 9]!, at + LABEL_HEAD_BYTES];
      if (own.length - from < length || LABEL_KINDS[kind] === undefined) return;
      if ((LABEL_LENGTHS[kind] ?? length) !== length) return;
      const [low, high] = [view.getUint32(at, true), view.getUint32(at + 4, true)];
      this.#labels.add(low, high, LABEL_KINDS[kind]!, own.subarray(from, from + length));
      at = from + length;
    }
  }
}

/** The finaliser of MurmurHash3 (Appleby 2011): a permutation of 64 bits. */
function mix(key: bigint): bigint {
  let hash = ((key ^ (key >> 33n)) * 0xff51afd7ed558ccdn) & WORD_MASK;
  hash = ((hash ^ (hash >> 33n)) * 0xc4ceb9fe1a85ec53n) & WORD_MASK;
  return hash ^ (hash >> 33n);
}
