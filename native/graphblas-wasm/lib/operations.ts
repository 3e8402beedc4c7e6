// Operations that matrices and vectors share: each leaves one new object in linear memory and returns its address.
import type { Container } from "./container.js";
import type { Pointer } from "./engine.js";
import { type IndexSet, withIndices } from "./indexset.js";
import { Scalar } from "./scalar.js";
import {
  type AnyType,
  BINARY_OPS,
  type BinaryOp,
  opCode,
  productType,
  type ScalarOf,
  type ScalarValue,
  type SelectOp,
  type Semiring,
  selectCode,
  semiringOps,
  typeCode,
} from "./types.js";
import { copyValues, scalarBits } from "./values.js";
import { type TypedOptions, type WriteOptions, written } from "./write.js";

type Any = Container<AnyType>;
type Given = ScalarValue | Scalar;

/** Of a sum: the type may be "widen". */
type SumOptions = WriteOptions & { type?: AnyType | "widen" | undefined };
const WIDEN = 99;

function typeOption({ type }: { type?: AnyType | undefined }): number {
  return type === undefined ? 0 : typeCode(type);
}

/** Where the last call left its object. */
function result(A: Any, options: WriteOptions): Pointer {
  return written(A, A.engine.resultNumber(0), options);
}

/** @internal */
export function united(A: Any, B: Any, op: BinaryOp, options: SumOptions): Pointer {
  const engine = A.engine;
  const type = options.type === "widen" ? WIDEN : typeOption({ type: options.type });
  const arrays = [A.pointer, A.sameEngine(B), 0].map((at) => Uint32Array.of(at));
  const at = engine.staged(arrays, (a, b, c) => {
    engine.call("gb_ewise_add", a!, b!, c!, 1, opCode(op, BINARY_OPS), type);
    return engine.words(c!, 1)[0]!;
  });
  return written(A, at, options);
}

/** @internal */
export function intersected(A: Any, B: Any, op: BinaryOp, options: TypedOptions): Pointer {
  A.engine.call("gb_ewise_mult", A.pointer, A.sameEngine(B), opCode(op, BINARY_OPS), typeOption(options));
  return result(A, options);
}

/** @internal */
export function kroneckered(A: Any, B: Any, op: BinaryOp, options: TypedOptions): Pointer {
  A.engine.call("gb_kronecker", A.pointer, A.sameEngine(B), opCode(op, BINARY_OPS), typeOption(options));
  return result(A, options);
}

/** @internal */
export function boundApply(
  A: Any,
  op: BinaryOp,
  scalar: Given,
  first: boolean,
  options: TypedOptions,
): Pointer {
  const type = options.type ?? A.type;
  const word = scalarBits(scalar, type);
  A.engine.call("gb_apply_bind", A.pointer, opCode(op, BINARY_OPS), typeCode(type), word, first ? 1 : 0);
  return result(A, options);
}

/** @internal */
export function selected(A: Any, op: SelectOp, k: Given, options: WriteOptions): Pointer {
  const word = scalarBits(k, op.startsWith("value") ? A.type : "INT64");
  A.engine.call("gb_select", A.pointer, selectCode(op), word);
  return result(A, options);
}

/** A, or a vector's row, times the matrix at B. @internal */
export function multiplied(
  A: Any,
  B: Pointer,
  typeOfB: AnyType,
  semiring: Semiring,
  options: TypedOptions,
): Pointer {
  const engine = A.engine;
  const [add, multiply] = semiringOps(semiring);
  const own = productType(A.type, typeOfB, semiring);
  const type = options.type ?? own;
  const inner = own === "BOOL" || type === "BOOL" ? own : type; // any_pair and lor_land are of BOOL, whatever becomes of it
  engine.call("gb_mxm", A.pointer, B, add, multiply, typeCode(inner));
  if (inner === type) return result(A, options);
  const product = engine.resultNumber(0);
  try {
    engine.call("gb_matrix_cast", product, typeCode(type));
  } finally {
    engine.value("gb_matrix_free", product);
  }
  return result(A, options);
}

/** @internal */
export function elementAt<T extends AnyType>(
  A: Container<T>,
  I: readonly (bigint | number)[],
  J: readonly (bigint | number)[],
): ScalarOf[T] | undefined {
  const engine = A.engine;
  withIndices(engine, [I, J], (i, j) => engine.call("gb_extract", A.pointer, i!, j!));
  const one = engine.resultNumber(0);
  try {
    engine.value("gb_matrix_describe", one);
    if (engine.result(3) === 0n) return undefined;
    const value = copyValues(engine, engine.resultNumber(10), 1, A.type)[0]!;
    const scalar = A.type === "BOOL" ? value === 1 : A.type === "FP64" ? value : BigInt(value);
    return scalar as ScalarOf[T];
  } finally {
    engine.value("gb_matrix_free", one);
  }
}

/** What is to be assigned, placed where I and J say in an empty object of C's dimensions. */
function placed(
  C: Any,
  A: Any | Given,
  sets: readonly IndexSet[],
  size: readonly bigint[],
  options: WriteOptions,
): Pointer {
  const engine = C.engine;
  const [nrows, ncols] = size as [bigint, bigint];
  const { mask } = options;
  if (typeof A === "object" && !(A instanceof Scalar)) {
    const at = C.sameEngine(A);
    withIndices(engine, sets, (i, j) => engine.call("gb_place", at, i!, j!, nrows, ncols));
    return engine.resultNumber(0);
  }
  const empty = A instanceof Scalar && A.nvals === 0;
  const word = empty ? 0n : scalarBits(A, C.type);
  if (!empty && !(mask && !options.complement)) {
    withIndices(engine, sets, (i, j) =>
      engine.call("gb_expand", i!, j!, nrows, ncols, typeCode(C.type), word),
    );
    return engine.resultNumber(0);
  }
  // Nowhere but where the mask has entries may it come to stand: they are places enough; and for no scalar, none.
  const places = empty ? C.pointer : C.sameEngine(mask!);
  withIndices(engine, sets, (i, j) => engine.call("gb_region", places, i!, j!, empty ? 0 : 1));
  const region = engine.resultNumber(0);
  try {
    if (empty) engine.call("gb_select", region, selectCode("rowle"), -1n);
    else engine.call("gb_apply_bind", region, opCode("first", BINARY_OPS), typeCode(C.type), word, 1);
    return engine.resultNumber(0);
  } finally {
    engine.value("gb_matrix_free", region);
  }
}

/** C with A, or a scalar, in rows and columns of two sets. @internal */
export function assigned(
  C: Any,
  A: Any | Given,
  sets: readonly IndexSet[],
  size: readonly bigint[],
  options: WriteOptions,
): Pointer {
  const engine = C.engine;
  const held: Pointer[] = [];
  const hold = (at: Pointer): Pointer => {
    held.push(at);
    return at;
  };
  try {
    const T = hold(placed(C, A, sets, size, options));
    let around = C.pointer; // what stays: without an accumulator, all of C but the region
    if (options.accum === undefined) {
      withIndices(engine, sets, (i, j) => engine.call("gb_region", C.pointer, i!, j!, 0));
      around = hold(engine.resultNumber(0));
    }
    const op = opCode(options.accum ?? "second", BINARY_OPS);
    engine.call("gb_write", around, T, 0, 0, op);
    const { accum: _, ...rest } = options;
    return written(C, engine.resultNumber(0), { ...rest, into: C });
  } finally {
    for (const at of held) engine.value("gb_matrix_free", at);
  }
}
