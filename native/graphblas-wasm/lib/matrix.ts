// Hypersparse matrices. A Matrix is immutable; its operations make new ones.
import { Container } from "./container.js";
import type { Engine, Pointer } from "./engine.js";
import { GrBError } from "./errors.js";
import { type IndexSet, withIndices } from "./indexset.js";
import { formatMarket } from "./market.js";
import {
  assigned,
  boundApply,
  elementAt,
  intersected,
  kroneckered,
  multiplied,
  selected,
  united,
} from "./operations.js";
import { quantitiesOfPlanes, type ResultType, serializeMatrices } from "./planes.js";
import type { Scalar } from "./scalar.js";
import {
  type AnyType,
  type AnyValues,
  type ArrayOf,
  type BinaryOp,
  type HyperCSR,
  type IndexSelectOp,
  isUnsigned,
  type Larger,
  opCode,
  type Product,
  type Quantities,
  REDUCE_OPS,
  type Reduced,
  type ReduceOp,
  type ScalarOf,
  type ScalarValue,
  type Semiring,
  type SerializeOptions,
  type TopOf,
  type Tuples,
  type TypeName,
  typeCode,
  type UnaryOp,
  unaryCode,
  type ValueSelectOp,
  type Widened,
} from "./types.js";
import { carried } from "./values.js";
import { Vector } from "./vector.js";
import { type TypedOptions, type WriteOptions, written } from "./write.js";

/** T is the type of the values; without it one of the unsigned ones. */
export class Matrix<T extends AnyType = TypeName> extends Container<T> {
  readonly nrows: bigint;
  readonly ncols: bigint;
  /** Rows that have entries. */
  readonly nvec: number;

  /** Takes ownership of a matrix in linear memory. @internal */
  constructor(engine: Engine, at: Pointer) {
    super(engine, at);
    this.nrows = engine.result(1); // the registers still have what describes it
    this.ncols = engine.result(2);
    this.nvec = engine.resultNumber(4);
  }

  /** The matrix that the last call left in result 0. */
  #result<U extends AnyType>(): Matrix<U> {
    return new Matrix<U>(this.engine, this.engine.resultNumber(0));
  }

  /** What the last call left in result 0, written as the options say. */
  #written<W extends AnyType>(options: WriteOptions<W>): Matrix<W> {
    return new Matrix<W>(this.engine, written(this, this.engine.resultNumber(0), options));
  }

  /**
   * GrB_eWiseAdd: the union; where both have an entry, op of the two. Type: the larger of the two (UINT32 sums wrap), a
   * given one, or "widen": UINT64 where a UINT32 sum might overflow. GrB_DIMENSION_MISMATCH, GrB_DOMAIN_MISMATCH.
   */
  eWiseAdd<U extends AnyType>(B: Matrix<U>, op?: BinaryOp, type?: "widen"): Matrix<Widened<T, U>>;
  eWiseAdd<U extends AnyType, W extends AnyType>(B: Matrix<U>, op: BinaryOp, type: W | "widen"): Matrix<W>;
  eWiseAdd<U extends AnyType, W extends AnyType = Larger<T, U>>(
    B: Matrix<U>,
    op: BinaryOp,
    options: TypedOptions<W>,
  ): Matrix<W>;
  eWiseAdd<U extends AnyType>(
    B: Matrix<U>,
    op: BinaryOp = "plus",
    how: ResultType | TypedOptions = {},
  ): Matrix<AnyType> {
    return new Matrix<AnyType>(
      this.engine,
      united(this, B, op, typeof how === "object" ? how : { type: how }),
    );
  }

  /** GrB_eWiseMult: the intersection, op of the two values. Type: the larger of the two, or a given one. */
  eWiseMult<U extends AnyType, W extends AnyType = Larger<T, U>>(
    B: Matrix<U>,
    op: BinaryOp = "times",
    options: TypedOptions<W> = {},
  ): Matrix<W> {
    return new Matrix<W>(this.engine, intersected(this, B, op, options));
  }

  /** GrB_apply: a unary operator on every value, in `type` (the matrix's own by default); the pattern is shared. */
  apply<W extends AnyType = T>(op: UnaryOp, options: TypedOptions<W> = {}): Matrix<W> {
    const type = typeCode(options.type ?? this.type);
    this.engine.call("gb_apply", this.pointer, unaryCode(op), type);
    return this.#written(options);
  }

  /** GrB_apply with the operator's first operand bound: op(scalar, x). GrB_DOMAIN_MISMATCH if it does not fit the type. */
  applyFirst<W extends AnyType = T>(
    op: BinaryOp,
    scalar: ScalarValue | Scalar,
    options: TypedOptions<W> = {},
  ): Matrix<W> {
    return new Matrix<W>(this.engine, boundApply(this, op, scalar, true, options));
  }

  /** GrB_apply with the operator's second operand bound: op(x, scalar). */
  applySecond<W extends AnyType = T>(
    op: BinaryOp,
    scalar: ScalarValue | Scalar,
    options: TypedOptions<W> = {},
  ): Matrix<W> {
    return new Matrix<W>(this.engine, boundApply(this, op, scalar, false, options));
  }

  /**
   * GrB_select: the entries for which the operator holds; dimensions stay. k: for tril, triu, diag and offdiag a diagonal
   * (j - i), for rowle to colgt a row or column, for valueeq to valuege a value.
   */
  select<W extends AnyType = T>(op: IndexSelectOp, k?: bigint | number, options?: WriteOptions<W>): Matrix<W>;
  select<W extends AnyType = T>(
    op: ValueSelectOp,
    k: ScalarValue | Scalar,
    options?: WriteOptions<W>,
  ): Matrix<W>;
  select<W extends AnyType = T>(
    op: IndexSelectOp | ValueSelectOp,
    k: ScalarValue | Scalar = 0n,
    options: WriteOptions<W> = {},
  ): Matrix<W> {
    return new Matrix<W>(this.engine, selected(this, op, k, options));
  }

  /** One value per row that has entries; sums of UINT32 do not wrap. */
  reduceRows<O extends ReduceOp>(op: O): Vector<Reduced<T, O>> {
    this.engine.call("gb_reduce_rows", this.pointer, opCode(op, REDUCE_OPS));
    return new Vector(this.engine, this.engine.resultNumber(0));
  }

  /** One value per column that has entries. */
  reduceColumns<O extends ReduceOp>(op: O): Vector<Reduced<T, O>> {
    this.engine.call("gb_reduce_columns", this.pointer, opCode(op, REDUCE_OPS));
    return new Vector(this.engine, this.engine.resultNumber(0));
  }

  /** GrB_transpose: one radix sort by column. */
  transpose<W extends AnyType = T>(options: WriteOptions<W> = {}): Matrix<W> {
    this.engine.call("gb_transpose", this.pointer);
    return this.#written(options);
  }

  /** Diagonal k (above the main one if positive) as a vector. GrB_INVALID_VALUE if there is no such diagonal. */
  diag(k: bigint | number = 0n): Vector<T> {
    this.engine.call("gb_vector_diag", this.pointer, BigInt(k));
    return new Vector(this.engine, this.engine.resultNumber(0));
  }

  /**
   * GrB_mxm over a semiring. Type: BOOL of any_pair and lor_land; else FP64 or INT64 if one of the two is, else UINT64; or
   * a given one. GrB_DIMENSION_MISMATCH.
   */
  mxm<U extends AnyType, S extends Semiring = "plus_times", W extends AnyType = Product<T, U, S>>(
    B: Matrix<U>,
    semiring: S = "plus_times" as S,
    options: TypedOptions<W> = {},
  ): Matrix<W> {
    return new Matrix<W>(this.engine, multiplied(this, this.sameEngine(B), B.type, semiring, options));
  }

  /** GrB_mxv: this matrix times a vector; types as those of mxm. */
  mxv<U extends AnyType, S extends Semiring = "plus_times", W extends AnyType = Product<T, U, S>>(
    u: Vector<U>,
    semiring: S = "plus_times" as S,
    options: TypedOptions<W> = {},
  ): Vector<W> {
    const engine = this.engine;
    engine.call("gb_as_column", this.sameEngine(u));
    const column = engine.resultNumber(0);
    try {
      const product = multiplied(this, column, u.type, semiring, options.type ? { type: options.type } : {});
      try {
        engine.call("gb_as_vector", product);
      } finally {
        engine.value("gb_matrix_free", product);
      }
    } finally {
      engine.value("gb_matrix_free", column);
    }
    return new Vector<W>(engine, written(this, engine.resultNumber(0), options));
  }

  /** GrB_extract: C(i, j) = A(I[i], J[j]); the dimensions are the lengths of the sets. GrB_INDEX_OUT_OF_BOUNDS. */
  extract<W extends AnyType = T>(I: IndexSet, J: IndexSet, options: WriteOptions<W> = {}): Matrix<W> {
    withIndices(this.engine, [I, J], (i, j) => this.engine.call("gb_extract", this.pointer, i!, j!));
    return this.#written(options);
  }

  /** One entry's value; undefined if there is none. */
  extractElement(i: bigint | number, j: bigint | number): ScalarOf[T] | undefined {
    return elementAt(this, [i], [j]);
  }

  /**
   * GrB_assign: this matrix with A, or one scalar everywhere (none: nothing), in rows I and columns J. With a mask, which has
   * this matrix's dimensions, only where it holds. GrB_INVALID_VALUE if an index is twice in a list.
   */
  assign(
    A: Matrix<AnyType> | ScalarValue | Scalar,
    I: IndexSet = "all",
    J: IndexSet = "all",
    options: Omit<WriteOptions<T>, "into"> = {},
  ): Matrix<T> {
    return new Matrix<T>(this.engine, assigned(this, A, [I, J], [this.nrows, this.ncols], options));
  }

  /** GrB_kronecker: op of every pair of entries. GrB_INVALID_VALUE if a dimension would be beyond 2^60. */
  kronecker<U extends AnyType, W extends AnyType = Larger<T, U>>(
    B: Matrix<U>,
    op: BinaryOp = "times",
    options: TypedOptions<W> = {},
  ): Matrix<W> {
    return new Matrix<W>(this.engine, kroneckered(this, B, op, options));
  }

  /** The same entries in another type; the pattern is shared. Integers wrap, FP64 is truncated and saturates, as in GraphBLAS. */
  cast<W extends AnyType>(type: W): Matrix<W> {
    this.engine.call("gb_matrix_cast", this.pointer, typeCode(type));
    return this.#result();
  }

  /** A copy; the pattern is shared. */
  dup(): Matrix<T> {
    return this.cast(this.type);
  }

  /** Another value plane over the same, shared, pattern: nvals values. GrB_DOMAIN_MISMATCH if one does not fit type. */
  withValues<W extends AnyType>(type: W, X: AnyValues): Matrix<W> {
    if (X.length !== this.nvals) {
      throw new GrBError("GrB_DIMENSION_MISMATCH", `${X.length} values for ${this.nvals} entries`);
    }
    const values = carried(X, type);
    const wide = values instanceof BigUint64Array ? 1 : 0;
    return this.engine.staged([values], (at) => {
      this.engine.value("gb_matrix_describe", this.pointer);
      const pattern = this.engine.resultNumber(6);
      this.engine.call("gb_matrix_from_values", pattern, typeCode(type), at!, wide, 0);
      return this.#result<W>();
    });
  }

  /** Same type, dimensions, entries and values. */
  isEqual<U extends AnyType>(B: Matrix<U>): boolean {
    return this.engine.value("gb_matrix_is_equal", this.pointer, this.sameEngine(B)) === 1;
  }

  /** The nine network quantities, in one pass over the rows and one radix sort of the columns. Of unsigned types only. */
  quantities(): Quantities {
    if (!isUnsigned(this.type))
      throw new GrBError("GrB_DOMAIN_MISMATCH", `${this.type} values are not packets`);
    return quantitiesOfPlanes([this as unknown as Matrix])[0]!;
  }

  /** The n entries with the largest values, largest first; equal values by smaller row, then column. Not of NaN. */
  top(n: number, _by: "value" = "value"): { rows: BigUint64Array; cols: BigUint64Array; values: TopOf[T] } {
    const engine = this.engine;
    const most = Math.min(Math.max(0, Math.floor(n)), this.nvals);
    const at = engine.allocate(most * 24);
    try {
      engine.call("gb_matrix_top", this.pointer, most, at, at + most * 8, at + most * 16);
      const copy = (k: number) => engine.longs(at + k * most * 8, most).slice();
      return { rows: copy(0), cols: copy(1), values: this.topValues(copy(2)) };
    } finally {
      engine.free(at);
    }
  }

  /** Entries with rowLow <= row < rowHigh and colLow <= column < colHigh; the dimensions stay. For CIDR blocks. */
  extractRange(rowLow: bigint, rowHigh: bigint, colLow: bigint, colHigh: bigint): Matrix<T> {
    const bounds = [rowLow, rowHigh, colLow, colHigh];
    if (bounds.some((bound) => bound < 0n || bound > 1n << 60n)) {
      throw new GrBError("GrB_INVALID_INDEX", "a bound is not within 0 to 2^60");
    }
    this.engine.call("gb_extract_range", this.pointer, ...bounds);
    return this.#result();
  }

  /** Rows, columns and values in row-major order, nvals of each, copied. */
  extractTuples(): Tuples<ArrayOf[T]> {
    const engine = this.engine;
    const at = engine.allocate(this.nvals * 8);
    try {
      engine.value("gb_matrix_rows", this.pointer, at);
      const I = engine.longs(at, this.nvals).slice();
      const { wide, Aj } = this.arrays();
      return { I, J: this.indices(Aj, this.nvals, wide), X: this.values() };
    } finally {
      engine.free(at);
    }
  }

  /** Entries in row-major order, of a copy made at the start. */
  *entries(): Generator<[row: bigint, column: bigint, value: ArrayOf[T][number]]> {
    const { I, J, X } = this.extractTuples();
    for (let k = 0; k < I.length; k++) yield [I[k]!, J[k]!, X[k]!];
  }

  [Symbol.iterator](): Generator<[row: bigint, column: bigint, value: ArrayOf[T][number]]> {
    return this.entries();
  }

  /** Copies of the matrix's own arrays, with 64-bit indices. */
  toHyperCSR(): HyperCSR<BigUint64Array, ArrayOf[T]> {
    const { wide, Ap, Ah, Aj } = this.arrays();
    return {
      Ap: this.indices(Ap, this.nvec + 1, false),
      Ah: this.indices(Ah, this.nvec, wide),
      Aj: this.indices(Aj, this.nvals, wide),
      Ax: this.values(),
    };
  }

  /** The matrix as a `.grb` blob: GxB_Matrix_serialize of SuiteSparse:GraphBLAS, ZSTD level 1 by default. */
  serialize(options: SerializeOptions = {}): Uint8Array<ArrayBuffer> {
    return serializeMatrices([this], options)[0]!;
  }

  /** The matrix as the text of a Matrix Market file, with its type in a comment that SuiteSparse's tools read. */
  toMatrixMarket(): string {
    return formatMarket(this.type, this.nrows, this.ncols, this.extractTuples());
  }
}
