// What matrices and vectors have in common: an object in linear memory, its type, its values, its end.
import type { Engine, Pointer } from "./engine.js";
import { GrBError } from "./errors.js";
import {
  type AnyType,
  type AnyValues,
  type ArrayOf,
  opCode,
  REDUCE_OPS,
  type Reduced,
  type ReduceOp,
  type ScalarOf,
  type TopOf,
  typeName,
} from "./types.js";
import { copyValues, scalarOf } from "./values.js";

export abstract class Container<T extends AnyType> implements Disposable {
  readonly type: T;
  /** Entries. */
  readonly nvals: number;
  /** @internal */
  readonly engine: Engine;
  #at: Pointer;

  /** Takes ownership of an object in linear memory. @internal */
  constructor(engine: Engine, at: Pointer) {
    this.engine = engine;
    this.#at = at;
    engine.value("gb_matrix_describe", at);
    this.type = typeName(engine.resultNumber(0)) as T;
    this.nvals = engine.resultNumber(3);
    engine.adopt(this, at);
  }

  /** Its address. GrB_UNINITIALIZED_OBJECT after dispose(). @internal */
  get pointer(): Pointer {
    if (!this.#at) throw new GrBError("GrB_UNINITIALIZED_OBJECT", "this object was disposed of");
    return this.#at;
  }

  /**
   * All values to one. Sums of unsigned values are UINT64 and wrap at 2^64, as in GraphBLAS; "lor" and "land" are BOOL.
   * Empty: the operator's identity (min: the type's largest value).
   */
  reduce<O extends ReduceOp>(op: O): ScalarOf[Reduced<T, O>] {
    this.engine.value("gb_matrix_reduce", this.pointer, opCode(op, REDUCE_OPS));
    const type = typeName(this.engine.resultNumber(1)) as Reduced<T, O>;
    return scalarOf(this.engine.result(0), type);
  }

  /** The object's address, if `other` is of the same instance. @internal */
  sameEngine(other: Container<AnyType>): Pointer {
    if (other.engine !== this.engine)
      throw new GrBError("GrB_INVALID_VALUE", "the objects are of different instances");
    return other.pointer;
  }

  /** Addresses of its arrays. @internal */
  protected arrays(): { wide: boolean; Ap: Pointer; Ah: Pointer; Aj: Pointer; Ax: Pointer } {
    const engine = this.engine;
    engine.value("gb_matrix_describe", this.pointer);
    const [Ap, Ah, Aj, Ax] = [7, 8, 9, 10].map((k) => engine.resultNumber(k)) as [
      number,
      number,
      number,
      number,
    ];
    return { wide: engine.result(5) === 1n, Ap, Ah, Aj, Ax };
  }

  /** @internal */
  protected values(): ArrayOf[T] {
    return copyValues(this.engine, this.arrays().Ax, this.nvals, this.type);
  }

  /** The values of top(): bits as UINT64 of unsigned types. @internal */
  protected topValues(words: BigUint64Array<ArrayBuffer>): TopOf[T] {
    const values = (): AnyValues => {
      if (this.type === "INT64") return new BigInt64Array(words.buffer);
      if (this.type === "FP64") return new Float64Array(words.buffer);
      return this.type === "BOOL" ? Uint8Array.from(words, Number) : words;
    };
    return values() as TopOf[T];
  }

  /** An index array of linear memory as 64-bit copies. @internal */
  protected indices(at: Pointer, length: number, wide: boolean): BigUint64Array {
    const engine = this.engine;
    if (wide) return engine.longs(at, length).slice();
    const widened = engine.allocate(length * 8);
    try {
      engine.value("gb_widen", at, widened, length);
      return engine.longs(widened, length).slice();
    } finally {
      engine.free(widened);
    }
  }

  /** Frees the object's memory. Doing so twice is no error. */
  dispose(): void {
    if (!this.#at) return;
    this.engine.disown(this, this.#at);
    this.#at = 0;
  }

  [Symbol.dispose](): void {
    this.dispose();
  }
}
