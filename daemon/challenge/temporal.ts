/** Quantities over windows of 2^k packets, for every k at once: two windows of one level make one of the next. */
import type { Matrix } from "graphblas-wasm";
import { type Quantities, quantitiesOfMatrix } from "../../lib/traffic.js";
import { addAndFree } from "./packet-sum.js";

export interface TemporalRow {
  /** Packets of a whole window of this level. */
  window_packets: number;
  /** Position among the windows of its level, from 0. */
  window: number;
  /** First windows (of the lowest level) that it is made of. */
  matrices: number;
  /** It has fewer packets than a window of its level: the traffic ended, or a capture did. */
  partial: boolean;
  quantities: Quantities;
}

interface Part {
  matrix: Matrix;
  packets: number;
  matrices: number;
}

/** Holds at most one matrix a level, whatever the length. Owns what it is given. */
export class TemporalQuantities implements Disposable {
  readonly #base: number;
  readonly #levels: number;
  readonly #emit: (row: TemporalRow) => void;
  readonly #pending: (Part | undefined)[] = [];
  readonly #windows: number[] = [];

  /** Windows of `base` packets up to `largest`, which is base times a power of two; `emit` gets each as it is complete. */
  constructor(base: number, largest: number, emit: (row: TemporalRow) => void) {
    this.#base = base;
    this.#levels = Math.log2(largest / base);
    this.#emit = emit;
  }

  /** The next window of `base` packets, or fewer. */
  add(matrix: Matrix): void {
    let part: Part = { matrix, packets: Number(matrix.reduce("plus")), matrices: 1 };
    for (let level = 0; ; level++) {
      this.#tell(level, part);
      const before = this.#pending[level];
      if (level === this.#levels) part.matrix.dispose();
      else if (before === undefined) this.#pending[level] = part;
      if (level === this.#levels || before === undefined) return;
      this.#pending[level] = undefined;
      part = joined(before, part);
    }
  }

  /** What is left over, level by level, up to the one whose first window is all there was. */
  finish(): void {
    let rest: Part | undefined;
    for (let level = 0; level < this.#levels && (this.#windows[level] ?? 0) > 1; level++) {
      const before = this.#pending[level];
      this.#pending[level] = undefined;
      rest = before === undefined ? rest : rest === undefined ? before : joined(before, rest);
      if (rest !== undefined) this.#tell(level + 1, rest);
    }
    rest?.matrix.dispose();
    this[Symbol.dispose]();
  }

  [Symbol.dispose](): void {
    for (const part of this.#pending.splice(0)) part?.matrix.dispose();
  }

  #tell(level: number, { matrix, packets, matrices }: Part): void {
    const window = this.#windows[level] ?? 0;
    this.#windows[level] = window + 1;
    const windowPackets = this.#base * 2 ** level;
    this.#emit({
      window_packets: windowPackets,
      window,
      matrices,
      partial: packets < windowPackets,
      quantities: quantitiesOfMatrix(matrix),
    });
  }
}

const joined = (a: Part, b: Part): Part => ({
  matrix: addAndFree(a.matrix, b.matrix),
  packets: a.packets + b.packets,
  matrices: a.matrices + b.matrices,
});
