// Sparse vectors of UINT64: what reductions of a matrix give.
import type { Engine, Pointer } from "./engine.js";
import { GrBError } from "./errors.js";
import { opCode, REDUCE_OPS, type ReduceOp } from "./types.js";

export class Vector implements Disposable {
  readonly type = "UINT64";
  /** Dimension, up to 2^60. */
  readonly size: bigint;
  readonly nvals: number;
  readonly #engine: Engine;
  #at: Pointer;

  /** Takes ownership of a vector in linear memory. @internal */
  constructor(engine: Engine, at: Pointer) {
    this.#engine = engine;
    this.#at = at;
    engine.value("gb_vector_describe", at);
    this.size = engine.result(0);
    this.nvals = engine.resultNumber(1);
    engine.adopt(this, "vector", at);
  }

  get #pointer(): Pointer {
    if (!this.#at) throw new GrBError("GrB_UNINITIALIZED_OBJECT", "this vector was disposed of");
    return this.#at;
  }

  /** Indices (strictly increasing) and values, nvals of each, copied. */
  extractTuples(): { I: BigUint64Array; X: BigUint64Array } {
    this.#engine.value("gb_vector_describe", this.#pointer);
    const [index, value] = [this.#engine.resultNumber(2), this.#engine.resultNumber(3)];
    return {
      I: this.#engine.longs(index, this.nvals).slice(),
      X: this.#engine.longs(value, this.nvals).slice(),
    };
  }

  /** All values to one. UINT64: "plus" wraps. Empty: 0 ("min": 2^64 - 1), the operator's identity. */
  reduce(op: ReduceOp): bigint {
    this.#engine.value("gb_vector_reduce", this.#pointer, opCode(op, REDUCE_OPS));
    return this.#engine.result(0);
  }

  /** The n largest entries, largest first; equal values by smaller index. */
  top(n: number): { indices: BigUint64Array; values: BigUint64Array } {
    const engine = this.#engine;
    const most = Math.min(Math.max(0, Math.floor(n)), this.nvals);
    const at = engine.allocate(most * 16);
    try {
      engine.call("gb_vector_top", this.#pointer, most, at, at + most * 8);
      return { indices: engine.longs(at, most).slice(), values: engine.longs(at + most * 8, most).slice() };
    } finally {
      engine.free(at);
    }
  }

  /** Frees the vector's memory. Doing so twice is no error. */
  dispose(): void {
    if (!this.#at) return;
    this.#engine.disown(this, "vector", this.#at);
    this.#at = 0;
  }

  [Symbol.dispose](): void {
    this.dispose();
  }
}
