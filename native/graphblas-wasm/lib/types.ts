// Types and operators by their GraphBLAS names, and the codes the engine knows them by.
import { GrBError } from "./errors.js";

/** Types of matrices: GrB_UINT32 and GrB_UINT64. */
export type TypeName = "UINT32" | "UINT64";

/** Binary operators of eWiseAdd, and dup operators of build. */
export type BinaryOp = "plus" | "max" | "min" | "first" | "second";

/** Reductions: monoids, and "count", the number of entries. */
export type ReduceOp = "plus" | "max" | "min" | "count";

/** Index arrays may come in either width. */
export type Indices = BigUint64Array | Uint32Array;
export type Values = Uint32Array | BigUint64Array;

/** HyperCSR: row Ah[k] holds the columns Aj[Ap[k]] .. Aj[Ap[k + 1] - 1] with values Ax. */
export interface HyperCSR<I extends Indices = Indices> {
  /** nvec + 1 offsets, from 0 to nvals, strictly increasing: no row is empty. */
  Ap: I;
  /** nvec row indices, strictly increasing. */
  Ah: I;
  /** nvals column indices, strictly increasing within each row. */
  Aj: I;
  /** nvals values. */
  Ax: Values;
}

export interface Tuples {
  I: BigUint64Array;
  J: BigUint64Array;
  X: Values;
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

const typeCodes: Record<TypeName, number> = { UINT32: 7, UINT64: 9 };
const opCodes: Record<BinaryOp | "count", number> = {
  plus: 0,
  max: 1,
  min: 2,
  first: 3,
  second: 4,
  count: 5,
};

/** Dup operator of a build that must not meet a duplicate. */
export const NO_DUP = 6;

export function typeCode(type: TypeName): number {
  const code = typeCodes[type];
  if (code === undefined)
    throw new GrBError("GrB_DOMAIN_MISMATCH", `type ${String(type)} is not UINT32 or UINT64`);
  return code;
}

export function typeName(code: number): TypeName {
  return code === typeCodes.UINT64 ? "UINT64" : "UINT32";
}

export function opCode(op: BinaryOp | ReduceOp, allowed: readonly string[]): number {
  if (!allowed.includes(op)) {
    throw new GrBError("GrB_INVALID_VALUE", `operator ${String(op)} is not one of ${allowed.join(", ")}`);
  }
  return opCodes[op];
}

export const BINARY_OPS = ["plus", "max", "min", "first", "second"] as const;
export const REDUCE_OPS = ["plus", "max", "min", "count"] as const;
