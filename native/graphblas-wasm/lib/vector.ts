// Sparse vectors: in linear memory, matrices of one row.
import { Container } from "./container.js";
import type { Engine, Pointer } from "./engine.js";
import { type IndexSet, withIndices } from "./indexset.js";
import { Matrix } from "./matrix.js";
import { assigned, boundApply, elementAt, intersected, multiplied, selected, united } from "./operations.js";
import type { Scalar } from "./scalar.js";
import {
  type AnyType,
  type ArrayOf,
  type BinaryOp,
  type Larger,
  type Product,
  type ScalarOf,
  type ScalarValue,
  type Semiring,
  type TopOf,
  typeCode,
  type UnaryOp,
  unaryCode,
  type ValueSelectOp,
} from "./types.js";
import { type TypedOptions, type WriteOptions, written } from "./write.js";

/** T is the type of the values; without it UINT64, as of reductions of traffic matrices. */
export class Vector<T extends AnyType = "UINT64"> extends Container<T> {
  /** Dimension, up to 2^60. */
  readonly size: bigint;

  /** Takes ownership of a vector in linear memory. @internal */
  constructor(engine: Engine, at: Pointer) {
    super(engine, at);
    this.size = engine.result(2); // the registers still have what describes it
  }

  #written<W extends AnyType>(options: WriteOptions<W>): Vector<W> {
    return new Vector<W>(this.engine, written(this, this.engine.resultNumber(0), options));
  }

  /** GrB_eWiseAdd: the union; where both have an entry, op of the two, in the larger type or a given one. */
  eWiseAdd<U extends AnyType, W extends AnyType = Larger<T, U>>(
    v: Vector<U>,
    op: BinaryOp = "plus",
    options: TypedOptions<W> = {},
  ): Vector<W> {
    return new Vector<W>(this.engine, united(this, v, op, options));
  }

  /** GrB_eWiseMult: the intersection, op of the two values. */
  eWiseMult<U extends AnyType, W extends AnyType = Larger<T, U>>(
    v: Vector<U>,
    op: BinaryOp = "times",
    options: TypedOptions<W> = {},
  ): Vector<W> {
    return new Vector<W>(this.engine, intersected(this, v, op, options));
  }

  /** GrB_apply: a unary operator on every value, in `type` (the vector's own by default). */
  apply<W extends AnyType = T>(op: UnaryOp, options: TypedOptions<W> = {}): Vector<W> {
    this.engine.call("gb_apply", this.pointer, unaryCode(op), typeCode(options.type ?? this.type));
    return this.#written(options);
  }

  /** op(scalar, x). */
  applyFirst<W extends AnyType = T>(
    op: BinaryOp,
    scalar: ScalarValue | Scalar,
    options: TypedOptions<W> = {},
  ): Vector<W> {
    return new Vector<W>(this.engine, boundApply(this, op, scalar, true, options));
  }

  /** op(x, scalar). */
  applySecond<W extends AnyType = T>(
    op: BinaryOp,
    scalar: ScalarValue | Scalar,
    options: TypedOptions<W> = {},
  ): Vector<W> {
    return new Vector<W>(this.engine, boundApply(this, op, scalar, false, options));
  }

  /** GrB_select by value, or by index with "rowle" and "rowgt". */
  select<W extends AnyType = T>(
    op: ValueSelectOp | "rowle" | "rowgt",
    k: ScalarValue | Scalar,
    options: WriteOptions<W> = {},
  ): Vector<W> {
    const byIndex = op === "rowle" ? "colle" : op === "rowgt" ? "colgt" : op; // a vector is one row in linear memory
    return new Vector<W>(this.engine, selected(this, byIndex, k, options));
  }

  /** GrB_vxm: this vector times a matrix; types as those of mxm. GrB_DIMENSION_MISMATCH. */
  vxm<U extends AnyType, S extends Semiring = "plus_times", W extends AnyType = Product<T, U, S>>(
    A: Matrix<U>,
    semiring: S = "plus_times" as S,
    options: TypedOptions<W> = {},
  ): Vector<W> {
    return new Vector<W>(this.engine, multiplied(this, this.sameEngine(A), A.type, semiring, options));
  }

  /** GrB_extract: w(i) = v(I[i]). */
  extract<W extends AnyType = T>(I: IndexSet, options: WriteOptions<W> = {}): Vector<W> {
    withIndices(this.engine, ["all", I], (row, i) => this.engine.call("gb_extract", this.pointer, row!, i!));
    return this.#written(options);
  }

  /** One entry's value; undefined if there is none. */
  extractElement(i: bigint | number): ScalarOf[T] | undefined {
    return elementAt(this, [0n], [i]);
  }

  /** GrB_assign: this vector with v, or one scalar everywhere (none: nothing), at I. */
  assign(
    v: Vector<AnyType> | ScalarValue | Scalar,
    I: IndexSet = "all",
    options: Omit<WriteOptions<T>, "into"> = {},
  ): Vector<T> {
    return new Vector<T>(this.engine, assigned(this, v, ["all", I], [1n, this.size], options));
  }

  /** GrB_Matrix_diag: a square matrix with this vector on diagonal k. GrB_INVALID_VALUE if it would be beyond 2^60. */
  diag(k: bigint | number = 0n): Matrix<T> {
    this.engine.call("gb_matrix_diag", this.pointer, BigInt(k));
    return new Matrix<T>(this.engine, this.engine.resultNumber(0));
  }

  /** The same entries in another type. */
  cast<W extends AnyType>(type: W): Vector<W> {
    this.engine.call("gb_matrix_cast", this.pointer, typeCode(type));
    return new Vector<W>(this.engine, this.engine.resultNumber(0));
  }

  /** Same type, size, entries and values. */
  isEqual(v: Vector<AnyType>): boolean {
    return this.engine.value("gb_matrix_is_equal", this.pointer, this.sameEngine(v)) === 1;
  }

  /** Indices (strictly increasing) and values, nvals of each, copied. */
  extractTuples(): { I: BigUint64Array; X: ArrayOf[T] } {
    const { wide, Aj } = this.arrays();
    return { I: this.indices(Aj, this.nvals, wide), X: this.values() };
  }

  /** Entries by increasing index, of a copy made at the start. */
  *entries(): Generator<[index: bigint, value: ArrayOf[T][number]]> {
    const { I, X } = this.extractTuples();
    for (let k = 0; k < I.length; k++) yield [I[k]!, X[k]!];
  }

  [Symbol.iterator](): Generator<[index: bigint, value: ArrayOf[T][number]]> {
    return this.entries();
  }

  /** The n largest entries, largest first; equal values by smaller index. */
  top(n: number): { indices: BigUint64Array; values: TopOf[T] } {
    const engine = this.engine;
    const most = Math.min(Math.max(0, Math.floor(n)), this.nvals);
    const at = engine.allocate(most * 24);
    try {
      engine.call("gb_matrix_top", this.pointer, most, at, at + most * 8, at + most * 16);
      const copy = (k: number) => engine.longs(at + k * most * 8, most).slice();
      return { indices: copy(1), values: this.topValues(copy(2)) };
    } finally {
      engine.free(at);
    }
  }
}
