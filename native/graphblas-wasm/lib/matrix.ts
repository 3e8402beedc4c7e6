// Hypersparse matrices. A Matrix is immutable; its operations make new ones.
import type { Engine, Pointer } from "./engine.js";
import { GrBError } from "./errors.js";
import { addMatrices, quantitiesOfPlanes, type ResultType, serializeMatrices } from "./planes.js";
import {
  type BinaryOp,
  type HyperCSR,
  opCode,
  type Quantities,
  REDUCE_OPS,
  type ReduceOp,
  type SerializeOptions,
  type Tuples,
  type TypeName,
  typeCode,
  typeName,
  type Values,
} from "./types.js";
import { Vector } from "./vector.js";

export class Matrix implements Disposable {
  readonly type: TypeName;
  readonly nrows: bigint;
  readonly ncols: bigint;
  /** Entries. */
  readonly nvals: number;
  /** Rows that have entries. */
  readonly nvec: number;
  /** @internal */
  readonly engine: Engine;
  #at: Pointer;

  /** Takes ownership of a matrix in linear memory. @internal */
  constructor(engine: Engine, at: Pointer) {
    this.engine = engine;
    this.#at = at;
    engine.value("gb_matrix_describe", at);
    this.type = typeName(engine.resultNumber(0));
    this.nrows = engine.result(1);
    this.ncols = engine.result(2);
    this.nvals = engine.resultNumber(3);
    this.nvec = engine.resultNumber(4);
    engine.adopt(this, "matrix", at);
  }

  /** Its address. GrB_UNINITIALIZED_OBJECT after dispose(). @internal */
  get pointer(): Pointer {
    if (!this.#at) throw new GrBError("GrB_UNINITIALIZED_OBJECT", "this matrix was disposed of");
    return this.#at;
  }

  /** The matrix that the last call left in result 0. */
  #result(): Matrix {
    return new Matrix(this.engine, this.engine.resultNumber(0));
  }

  /**
   * GrB_eWiseAdd: the union; where both have an entry, op of the two. Type: the larger of the two (UINT32 sums wrap), a
   * given one, or "widen": UINT64 where a UINT32 sum might overflow. GrB_DIMENSION_MISMATCH, GrB_DOMAIN_MISMATCH.
   */
  eWiseAdd(B: Matrix, op: BinaryOp = "plus", type?: ResultType): Matrix {
    return addMatrices([this], [B], op, type)[0]!;
  }

  /** One value per row that has entries, as UINT64; sums of UINT32 do not wrap. */
  reduceRows(op: ReduceOp): Vector {
    this.engine.call("gb_reduce_rows", this.pointer, opCode(op, REDUCE_OPS));
    return new Vector(this.engine, this.engine.resultNumber(0));
  }

  /** One value per column that has entries, as UINT64. */
  reduceColumns(op: ReduceOp): Vector {
    this.engine.call("gb_reduce_columns", this.pointer, opCode(op, REDUCE_OPS));
    return new Vector(this.engine, this.engine.resultNumber(0));
  }

  /** All values to one UINT64: "plus" wraps at 2^64 as in GraphBLAS. Empty: the operator's identity (min: 2^64 - 1). */
  reduce(op: ReduceOp): bigint {
    this.engine.value("gb_matrix_reduce", this.pointer, opCode(op, REDUCE_OPS));
    return this.engine.result(0);
  }

  /** The same entries in another type; the pattern is shared, not copied. To UINT32 values wrap, as in GraphBLAS. */
  cast(type: TypeName): Matrix {
    this.engine.call("gb_matrix_cast", this.pointer, typeCode(type));
    return this.#result();
  }

  /** A copy; the pattern is shared. */
  dup(): Matrix {
    return this.cast(this.type);
  }

  /** Another value plane over the same, shared, pattern: nvals values. GrB_DOMAIN_MISMATCH if one does not fit type. */
  withValues(type: TypeName, X: Values): Matrix {
    if (X.length !== this.nvals) {
      throw new GrBError("GrB_DIMENSION_MISMATCH", `${X.length} values for ${this.nvals} entries`);
    }
    return this.engine.staged([X], (at) => {
      this.engine.value("gb_matrix_describe", this.pointer);
      const pattern = this.engine.resultNumber(6);
      this.engine.call(
        "gb_matrix_from_values",
        pattern,
        typeCode(type),
        at,
        X instanceof BigUint64Array ? 1 : 0,
        0,
      );
      return this.#result();
    });
  }

  /** Same type, dimensions, entries and values. */
  isEqual(B: Matrix): boolean {
    this.#sameEngine(B);
    return this.engine.value("gb_matrix_is_equal", this.pointer, B.pointer) === 1;
  }

  #sameEngine(B: Matrix): void {
    if (B.engine !== this.engine)
      throw new GrBError("GrB_INVALID_VALUE", "the matrices are of different instances");
  }

  /** The nine network quantities, in one pass over the rows and one radix sort of the columns. */
  quantities(): Quantities {
    return quantitiesOfPlanes([this])[0]!;
  }

  /** The n entries with the largest values, largest first; equal values by smaller row, then column. */
  top(
    n: number,
    _by: "value" = "value",
  ): { rows: BigUint64Array; cols: BigUint64Array; values: BigUint64Array } {
    const engine = this.engine;
    const most = Math.min(Math.max(0, Math.floor(n)), this.nvals);
    const at = engine.allocate(most * 24);
    try {
      engine.call("gb_matrix_top", this.pointer, most, at, at + most * 8, at + most * 16);
      const copy = (k: number) => engine.longs(at + k * most * 8, most).slice();
      return { rows: copy(0), cols: copy(1), values: copy(2) };
    } finally {
      engine.free(at);
    }
  }

  /** Entries with rowLow <= row < rowHigh and colLow <= column < colHigh; the dimensions stay. For CIDR blocks. */
  extractRange(rowLow: bigint, rowHigh: bigint, colLow: bigint, colHigh: bigint): Matrix {
    const bounds = [rowLow, rowHigh, colLow, colHigh];
    if (bounds.some((bound) => bound < 0n || bound > 1n << 60n)) {
      throw new GrBError("GrB_INVALID_INDEX", "a bound is not within 0 to 2^60");
    }
    this.engine.call("gb_extract_range", this.pointer, ...bounds);
    return this.#result();
  }

  /** Rows, columns and values in row-major order, nvals of each, copied. */
  extractTuples(): Tuples {
    const engine = this.engine;
    const at = engine.allocate(this.nvals * 8);
    try {
      engine.value("gb_matrix_rows", this.pointer, at);
      const I = engine.longs(at, this.nvals).slice();
      const { Aj, Ax } = this.#arrays();
      return { I, J: Aj, X: Ax };
    } finally {
      engine.free(at);
    }
  }

  /** Copies of the matrix's own arrays, with 64-bit indices. */
  toHyperCSR(): HyperCSR<BigUint64Array> {
    return this.#arrays();
  }

  #arrays(): HyperCSR<BigUint64Array> {
    const engine = this.engine;
    engine.value("gb_matrix_describe", this.pointer);
    const [wide, Ap, Ah, Aj, Ax] = [5, 7, 8, 9, 10].map((k) => engine.resultNumber(k)) as [
      number,
      number,
      number,
      number,
      number,
    ];
    const values =
      this.type === "UINT64" ? engine.longs(Ax, this.nvals).slice() : engine.words(Ax, this.nvals).slice();
    return {
      Ap: this.#indices(Ap, this.nvec + 1, false),
      Ah: this.#indices(Ah, this.nvec, wide === 1),
      Aj: this.#indices(Aj, this.nvals, wide === 1),
      Ax: values,
    };
  }

  #indices(at: Pointer, length: number, wide: boolean): BigUint64Array {
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

  /** The matrix as a `.grb` blob: GxB_Matrix_serialize of SuiteSparse:GraphBLAS, ZSTD level 1 by default. */
  serialize(options: SerializeOptions = {}): Uint8Array<ArrayBuffer> {
    return serializeMatrices([this], options)[0]!;
  }

  /** Frees the matrix's memory. Doing so twice is no error. */
  dispose(): void {
    if (!this.#at) return;
    this.engine.disown(this, "matrix", this.#at);
    this.#at = 0;
  }

  [Symbol.dispose](): void {
    this.dispose();
  }
}
