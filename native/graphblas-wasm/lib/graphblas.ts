// An instance of GraphBLAS: makes matrices from arrays, tuples and blobs.
import { Engine, type ModuleSource, type Pointer } from "./engine.js";
import { GrBError } from "./errors.js";
import { marketValues, parseMarket } from "./market.js";
import { Matrix } from "./matrix.js";
import {
  type AnyType,
  type AnyValues,
  BINARY_OPS,
  type BinaryOp,
  type HyperCSR,
  type Indices,
  isWide,
  NO_OP,
  opCode,
  type ScalarValue,
  typeCode,
} from "./types.js";
import { carried, scalarBits } from "./values.js";
import { Vector } from "./vector.js";

export interface LoadOptions {
  /** The most linear memory the instance may take; 4 GiB - 64 KiB by default. Beyond it: GrB_OUT_OF_MEMORY. */
  maximumBytes?: number;
  /** The WebAssembly module: bytes, a URL, or compiled. By default build/graphblas.wasm beside this package's code. */
  wasm?: ModuleSource;
}

const MAXIMUM_BYTES = 2 ** 32 - 65536;

/** Makes an instance. Each has a linear memory of its own; the module is compiled once. */
export async function load(options: LoadOptions = {}): Promise<GraphBLAS> {
  return new GraphBLAS(await Engine.load(options.maximumBytes ?? MAXIMUM_BYTES, options.wasm));
}

export function loadSync(options: LoadOptions = {}): GraphBLAS {
  return new GraphBLAS(Engine.loadSync(options.maximumBytes ?? MAXIMUM_BYTES, options.wasm));
}

function dimensions(nrows: bigint, ncols: bigint): void {
  for (const size of [nrows, ncols]) {
    if (size < 1n || size > 1n << 60n) {
      throw new GrBError("GrB_INVALID_VALUE", `dimension ${size} is not within 1 to 2^60`);
    }
  }
}

export class GraphBLAS implements Disposable {
  readonly #engine: Engine;

  /** @internal */
  constructor(engine: Engine) {
    this.#engine = engine;
  }

  /** GrB_Matrix_new: an empty matrix. */
  matrix<T extends AnyType>(type: T, nrows: bigint, ncols: bigint): Matrix<T> {
    const none = new Uint32Array(0);
    return this.fromHyperCSR(type, nrows, ncols, { Ap: new Uint32Array(1), Ah: none, Aj: none, Ax: none });
  }

  /**
   * A matrix from HyperCSR arrays, copied once and checked. GrB_INVALID_VALUE (not sorted, lengths), GrB_INDEX_OUT_OF_BOUNDS,
   * GrB_DOMAIN_MISMATCH (a value does not fit type).
   */
  fromHyperCSR<T extends AnyType>(
    type: T,
    nrows: bigint,
    ncols: bigint,
    arrays: HyperCSR<Indices, AnyValues>,
  ): Matrix<T> {
    return this.fromHyperCSRPlanes([type], nrows, ncols, arrays, [arrays.Ax])[0]!;
  }

  /** Several value planes (say packets and bytes) over one pattern, which they share. planes[k] is of types[k]. */
  fromHyperCSRPlanes<T extends AnyType>(
    types: readonly T[],
    nrows: bigint,
    ncols: bigint,
    { Ap, Ah, Aj }: { Ap: Indices; Ah: Indices; Aj: Indices },
    planes: readonly AnyValues[],
  ): Matrix<T>[] {
    dimensions(nrows, ncols);
    if (
      Ap.length !== Ah.length + 1 ||
      types.length !== planes.length ||
      planes.some((X) => X.length !== Aj.length)
    ) {
      throw new GrBError(
        "GrB_INVALID_VALUE",
        "lengths must be Ap nvec + 1, Ah nvec, Aj nvals, each Ax nvals",
      );
    }
    const engine = this.#engine;
    const pattern = engine.staged([Ap, Ah, Aj], (ap, ah, aj) => {
      const wide = [Ap, Ah, Aj].reduce(
        (bits, array, k) => bits | (array instanceof BigUint64Array ? 1 << k : 0),
        0,
      );
      engine.call("gb_pattern_from_csr", nrows, ncols, Ah.length, Aj.length, ap!, ah!, aj!, wide);
      return engine.resultNumber(0);
    });
    const made: Matrix<T>[] = [];
    try {
      for (const [k, X] of planes.entries()) made.push(this.#plane(pattern, types[k]!, X));
      return made;
    } catch (error) {
      for (const matrix of made) matrix.dispose();
      throw error;
    } finally {
      engine.value("gb_pattern_release", pattern);
    }
  }

  #plane<T extends AnyType>(pattern: Pointer, type: T, X: AnyValues): Matrix<T> {
    const engine = this.#engine;
    const values = carried(X, type);
    const wide = values instanceof BigUint64Array ? 1 : 0;
    return engine.staged([values], (x) => {
      engine.call("gb_matrix_from_values", pattern, typeCode(type), x!, wide, 0);
      return new Matrix<T>(engine, engine.resultNumber(0));
    });
  }

  /**
   * GrB_Matrix_build from unordered tuples; equal (I, J) are combined by dup, in the order given; dup null: a duplicate is
   * GrB_INVALID_VALUE. X is an array or one value for all. GrB_INDEX_OUT_OF_BOUNDS, GrB_DOMAIN_MISMATCH.
   */
  build<T extends AnyType>(
    type: T,
    nrows: bigint,
    ncols: bigint,
    I: BigUint64Array,
    J: BigUint64Array,
    X: AnyValues | ScalarValue,
    dup: BinaryOp | null = "plus",
  ): Matrix<T> {
    dimensions(nrows, ncols);
    if (I.length !== J.length)
      throw new GrBError("GrB_INVALID_VALUE", `${I.length} rows and ${J.length} columns`);
    const engine = this.#engine;
    return engine.staged([I, J], (i, j) =>
      this.#withValues(type, X, I.length, (x) => {
        engine.call("gb_build", typeCode(type), nrows, ncols, i!, j!, x, I.length, this.#dupCode(dup));
        return new Matrix<T>(engine, engine.resultNumber(0));
      }),
    );
  }

  /** The fast path of build for 2^32 x 2^32: keys are row * 2^32 + column, in any order. */
  buildPacked<T extends AnyType>(
    type: T,
    keys: BigUint64Array,
    X: AnyValues | ScalarValue = 1,
    dup: BinaryOp | null = "plus",
  ): Matrix<T> {
    const engine = this.#engine;
    return engine.staged([keys], (k) =>
      this.#withValues(type, X, keys.length, (x) => {
        engine.call("gb_build_packed", typeCode(type), k!, x, keys.length, this.#dupCode(dup));
        return new Matrix<T>(engine, engine.resultNumber(0));
      }),
    );
  }

  /** GrB_Vector_build: equal indices are combined by dup, in the order given. */
  buildVector<T extends AnyType>(
    type: T,
    size: bigint,
    I: BigUint64Array,
    X: AnyValues | ScalarValue,
    dup: BinaryOp | null = "plus",
  ): Vector<T> {
    dimensions(1n, size);
    const engine = this.#engine;
    return engine.staged([new BigUint64Array(I.length), I], (row, i) =>
      this.#withValues(type, X, I.length, (x) => {
        engine.call("gb_build", typeCode(type), 1n, size, row!, i!, x, I.length, this.#dupCode(dup));
        return new Vector<T>(engine, engine.resultNumber(0));
      }),
    );
  }

  /** GrB_Vector_new: an empty vector. */
  vector<T extends AnyType>(type: T, size: bigint): Vector<T> {
    return this.buildVector(type, size, new BigUint64Array(0), new Uint32Array(0));
  }

  #dupCode(dup: BinaryOp | null): number {
    return dup === null ? NO_OP : opCode(dup, BINARY_OPS);
  }

  /** Stages n values of a type for the time of a call. */
  #withValues<R>(type: AnyType, given: AnyValues | ScalarValue, n: number, use: (x: Pointer) => R): R {
    const engine = this.#engine;
    const wide = isWide(type);
    const at = engine.allocate(n * 8);
    try {
      if (typeof given !== "object") {
        engine.value("gb_fill", at, wide ? 1 : 0, scalarBits(given, type), n);
        return use(at);
      }
      if (given.length !== n)
        throw new GrBError("GrB_INVALID_VALUE", `${given.length} values for ${n} tuples`);
      const X = carried(given, type);
      if (X instanceof BigUint64Array) {
        engine.longs(at, n).set(X);
        if (!wide) engine.call("gb_narrow", at, n);
      } else if (wide) {
        const half = at + n * 4; // widened upwards in place: the upper half is read before it is overwritten
        engine.words(half, n).set(X);
        engine.value("gb_widen", half, at, n);
      } else {
        engine.words(at, n).set(X);
      }
      return use(at);
    } finally {
      engine.free(at);
    }
  }

  /**
   * A matrix from a `.grb` blob, which need not be trusted. By default it is a traffic matrix: BOOL, INT and UINT types are
   * read (INT64 and UINT64 as UINT64, others as UINT32). With `types: "stored"` its type stays, in the smallest of ours that
   * holds it (INT8 as INT64, FP32 as FP64). GrB_INVALID_OBJECT (damaged), GrB_DOMAIN_MISMATCH (another type, negative values),
   * GrB_NOT_IMPLEMENTED (a huge full matrix), GrB_OUT_OF_MEMORY (beyond maximumBytes). Entries may be in any order, unless
   * `sorted` asks for a blob by row with increasing columns, as serialize() writes them (else GrB_INVALID_OBJECT).
   */
  deserialize(blob: Uint8Array, options?: { types?: "unsigned"; sorted?: boolean }): Matrix;
  deserialize(blob: Uint8Array, options: { types: "stored"; sorted?: boolean }): Matrix<AnyType>;
  deserialize(
    blob: Uint8Array,
    options: { types?: "unsigned" | "stored"; sorted?: boolean } = {},
  ): Matrix<AnyType> {
    return this.#engine.staged([blob], (at) => {
      const how = (options.types === "stored" ? 1 : 0) | (options.sorted === true ? 2 : 0);
      this.#engine.call("gb_deserialize", at!, BigInt(blob.byteLength), how);
      return new Matrix(this.#engine, this.#engine.resultNumber(0));
    });
  }

  /**
   * A matrix from the text of a Matrix Market file. Its type is the one given; else the one in the file's `%%GraphBLAS`
   * comment; else FP64 of real, INT64 of integer, BOOL of pattern. Repeated entries are added, as the format's readers do.
   * GrB_INVALID_OBJECT (damaged: the message has the line), GrB_DOMAIN_MISMATCH.
   */
  readMatrixMarket<T extends AnyType = AnyType>(text: string, type?: T): Matrix<T> {
    const { nrows, ncols, I, J, X, ...file } = parseMarket(text);
    const as = type ?? (file.type as T);
    return this.build(as, nrows, ncols, I, J, marketValues(X, as), "plus");
  }

  /** Linear memory taken so far, bytes. It grows up to maximumBytes and does not shrink. */
  memoryBytes(): number {
    return this.#engine.memoryBytes;
  }

  /** Bytes in use by live objects. */
  usedBytes(): number {
    return this.#engine.value("gb_memory_used");
  }

  /** Matrices and vectors that were neither disposed of nor collected. */
  liveObjects(): number {
    return this.#engine.liveObjects;
  }

  /** True after a trap (GrB_PANIC): every call fails; load() a new instance. */
  get panicked(): boolean {
    return this.#engine.panicked;
  }

  /** Ends the instance with all its objects. */
  dispose(): void {
    this.#engine.dispose();
  }

  [Symbol.dispose](): void {
    this.dispose();
  }
}
