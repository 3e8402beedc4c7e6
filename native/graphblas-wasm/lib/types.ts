// Types, operators and semirings by their GraphBLAS names, and the codes the engine knows them by.
import { GrBError } from "./errors.js";

/** The types of traffic matrices: GrB_UINT32 and GrB_UINT64. What is not told otherwise is of one of them. */
export type TypeName = "UINT32" | "UINT64";

/** Every type: GrB_BOOL, GrB_UINT32, GrB_UINT64, GrB_INT64, GrB_FP64. */
export type AnyType = "BOOL" | TypeName | "INT64" | "FP64";

/** The array of a type's values; BOOL has 0 and 1. */
export interface ArrayOf {
  BOOL: Uint8Array;
  UINT32: Uint32Array;
  UINT64: BigUint64Array;
  INT64: BigInt64Array;
  FP64: Float64Array;
}

/** One value of a type. */
export interface ScalarOf {
  BOOL: boolean;
  UINT32: bigint;
  UINT64: bigint;
  INT64: bigint;
  FP64: number;
}

/** Values of any type, as they may be given; those of unsigned types. */
export type AnyValues = Uint8Array | Uint32Array | BigUint64Array | BigInt64Array | Float64Array;
export type Values = Uint32Array | BigUint64Array;
export type ScalarValue = bigint | number | boolean;

/** Binary operators, for every type: of BOOL, plus and max are or, times and min are and, minus is exclusive or. */
export type BinaryOp =
  | "plus"
  | "max"
  | "min"
  | "first"
  | "second"
  | "times"
  | "minus"
  | "lor"
  | "land"
  | "oneb";

/** Unary operators of apply; of integers, minv truncates, and is the largest value for 0, as in SuiteSparse. */
export type UnaryOp = "identity" | "one" | "ainv" | "minv" | "abs";

/** Reductions: monoids, and "count", the number of entries. */
export type ReduceOp = "plus" | "max" | "min" | "count" | "times" | "lor" | "land" | "any";

/** Index operators of select; k is a diagonal (j - i), a row or a column. */
export type IndexSelectOp = "tril" | "triu" | "diag" | "offdiag" | "rowle" | "rowgt" | "colle" | "colgt";
/** Value operators of select. */
export type ValueSelectOp = "valueeq" | "valuene" | "valuelt" | "valuele" | "valuegt" | "valuege";
export type SelectOp = IndexSelectOp | ValueSelectOp;

export type Semiring =
  | "plus_times"
  | "plus_pair"
  | "plus_first"
  | "plus_second"
  | "min_plus"
  | "max_plus"
  | "any_pair"
  | "lor_land";

/** What top() gives: values of unsigned types as UINT64. */
export interface TopOf extends Omit<ArrayOf, "UINT32"> {
  UINT32: BigUint64Array;
}

// Tables instead of conditional types: TypeScript then sees that a Matrix of one type is one of several.
interface LargerOf {
  BOOL: { BOOL: "BOOL"; UINT32: "UINT32"; UINT64: "UINT64"; INT64: "INT64"; FP64: "FP64" };
  UINT32: { BOOL: "UINT32"; UINT32: "UINT32"; UINT64: "UINT64"; INT64: "INT64"; FP64: "FP64" };
  UINT64: { BOOL: "UINT64"; UINT32: "UINT64"; UINT64: "UINT64"; INT64: "INT64"; FP64: "FP64" };
  INT64: { BOOL: "INT64"; UINT32: "INT64"; UINT64: "INT64"; INT64: "INT64"; FP64: "FP64" };
  FP64: { BOOL: "FP64"; UINT32: "FP64"; UINT64: "FP64"; INT64: "FP64"; FP64: "FP64" };
}
interface SummedOf {
  BOOL: "UINT64";
  UINT32: "UINT64";
  UINT64: "UINT64";
  INT64: "INT64";
  FP64: "FP64";
}
interface WidenedOf {
  BOOL: "BOOL";
  UINT32: TypeName;
  UINT64: "UINT64";
  INT64: "INT64";
  FP64: "FP64";
}
interface ReducedBy<T extends AnyType> {
  plus: SummedOf[T];
  times: SummedOf[T];
  max: SummedOf[T];
  min: SummedOf[T];
  count: "UINT64";
  lor: "BOOL";
  land: "BOOL";
  any: T;
}
interface ProductBy<T extends AnyType> {
  plus_times: SummedOf[T];
  plus_pair: SummedOf[T];
  plus_first: SummedOf[T];
  plus_second: SummedOf[T];
  min_plus: SummedOf[T];
  max_plus: SummedOf[T];
  any_pair: "BOOL";
  lor_land: "BOOL";
}

/** The type in which operands of two types meet: BOOL < UINT32 < UINT64 < INT64 < FP64. */
export type Larger<A extends AnyType, B extends AnyType> = LargerOf[A][B];
/** The same where "widen" may make UINT64 of UINT32. */
export type Widened<A extends AnyType, B extends AnyType> = WidenedOf[Larger<A, B>];
/** The type of a reduction: UINT64 of unsigned values and BOOL, so that sums of UINT32 do not wrap. */
export type Reduced<T extends AnyType, O extends ReduceOp> = ReducedBy<T>[O];
/** The type of a product: BOOL of any_pair and lor_land, else that of a sum of the larger type. */
export type Product<A extends AnyType, B extends AnyType, S extends Semiring> = ProductBy<Larger<A, B>>[S];

/** Index arrays may come in either width. */
export type Indices = BigUint64Array | Uint32Array;

/** HyperCSR: row Ah[k] holds the columns Aj[Ap[k]] .. Aj[Ap[k + 1] - 1] with values Ax. */
export interface HyperCSR<I extends Indices = Indices, X extends AnyValues = Values> {
  /** nvec + 1 offsets, from 0 to nvals, strictly increasing: no row is empty. */
  Ap: I;
  /** nvec row indices, strictly increasing. */
  Ah: I;
  /** nvals column indices, strictly increasing within each row. */
  Aj: I;
  /** nvals values. */
  Ax: X;
}

export interface Tuples<X extends AnyValues = Values> {
  I: BigUint64Array;
  J: BigUint64Array;
  X: X;
}

/** The network quantities of a traffic matrix, as the Graph Challenge names them. */
export interface Quantities {
  /** The sum of all values. */
  n_packets: bigint;
  n_links: number;
  n_sources: number;
  n_destinations: number;
  max_packets: bigint;
  max_source_packets: bigint;
  max_fan_out: number;
  max_destination_packets: bigint;
  max_fan_in: number;
}

export interface SerializeOptions {
  /** "zstd" (the default) or "none". */
  compression?: "zstd" | "none";
  /** ZSTD level, 1 (the default) to 19. */
  level?: number;
}

const typeCodes: Record<AnyType, number> = { BOOL: 1, UINT32: 7, INT64: 8, UINT64: 9, FP64: 11 };
const typeNames = new Map(Object.entries(typeCodes).map(([name, code]) => [code, name as AnyType]));
const opCodes: Record<BinaryOp | ReduceOp, number> = {
  plus: 0,
  max: 1,
  min: 2,
  first: 3,
  second: 4,
  count: 5,
  times: 7,
  minus: 8,
  lor: 9,
  land: 10,
  any: 11,
  oneb: 12,
};
const unaryCodes: Record<UnaryOp, number> = { identity: 0, one: 1, ainv: 2, minv: 3, abs: 4 };
const SELECT_OPS: readonly SelectOp[] = [
  ...["tril", "triu", "diag", "offdiag", "rowle", "rowgt", "colle", "colgt"],
  ...["valueeq", "valuene", "valuelt", "valuele", "valuegt", "valuege"],
] as SelectOp[];
const semiringCodes: Record<Semiring, readonly [add: number, multiply: number]> = {
  plus_times: [opCodes.plus, opCodes.times],
  plus_pair: [opCodes.plus, opCodes.oneb],
  plus_first: [opCodes.plus, opCodes.first],
  plus_second: [opCodes.plus, opCodes.second],
  min_plus: [opCodes.min, opCodes.plus],
  max_plus: [opCodes.max, opCodes.plus],
  any_pair: [opCodes.any, opCodes.oneb],
  lor_land: [opCodes.lor, opCodes.land],
};

/** No operator: of a build that must not meet a duplicate, of a result that is not accumulated. */
export const NO_OP = 6;

export const BINARY_OPS = [
  ...["plus", "max", "min", "first", "second", "times", "minus", "lor", "land", "oneb"],
] as readonly BinaryOp[];
export const REDUCE_OPS = [
  ...["plus", "max", "min", "count", "times", "lor", "land", "any"],
] as readonly ReduceOp[];
export const SEMIRINGS = Object.keys(semiringCodes) as readonly Semiring[];

function unknown(what: string, name: unknown, known: readonly string[]): GrBError {
  return new GrBError("GrB_INVALID_VALUE", `${what} ${String(name)} is not one of ${known.join(", ")}`);
}

export function typeCode(type: AnyType): number {
  const code = typeCodes[type];
  if (code === undefined) {
    const known = Object.keys(typeCodes).join(", ");
    throw new GrBError("GrB_DOMAIN_MISMATCH", `type ${String(type)} is not one of ${known}`);
  }
  return code;
}

export function typeName(code: number): AnyType {
  return typeNames.get(code)!;
}

/** Do values of this type take 64 bits in linear memory? */
export function isWide(type: AnyType): boolean {
  return type !== "UINT32" && type !== "BOOL";
}

export function isUnsigned(type: AnyType): type is TypeName {
  return type === "UINT32" || type === "UINT64";
}

export function opCode(op: BinaryOp | ReduceOp, allowed: readonly string[]): number {
  if (!allowed.includes(op)) throw unknown("operator", op, allowed);
  return opCodes[op];
}

export function unaryCode(op: UnaryOp): number {
  if (!Object.hasOwn(unaryCodes, op)) throw unknown("operator", op, Object.keys(unaryCodes));
  return unaryCodes[op];
}

export function selectCode(op: SelectOp): number {
  const code = SELECT_OPS.indexOf(op);
  if (code < 0) throw unknown("operator", op, SELECT_OPS);
  return code;
}

export function semiringOps(semiring: Semiring): readonly [add: number, multiply: number] {
  if (!Object.hasOwn(semiringCodes, semiring)) throw unknown("semiring", semiring, SEMIRINGS);
  return semiringCodes[semiring];
}

/** The larger of two types, as the engine has it. */
export function largerType<A extends AnyType, B extends AnyType>(a: A, b: B): Larger<A, B> {
  const order: AnyType[] = ["BOOL", "UINT32", "UINT64", "INT64", "FP64"];
  return order[Math.max(order.indexOf(a), order.indexOf(b))] as Larger<A, B>;
}

/** The type a product is in unless one is given. */
export function productType(a: AnyType, b: AnyType, semiring: Semiring): AnyType {
  if (semiring === "any_pair" || semiring === "lor_land") return "BOOL";
  const larger = largerType(a, b);
  return larger === "INT64" || larger === "FP64" ? larger : "UINT64";
}
