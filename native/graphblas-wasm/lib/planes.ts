// Operations on value planes: matrices (packets, bytes) that have the same entries, and so share one pattern.
import type { Engine } from "./engine.js";
import { GrBError } from "./errors.js";
import { Matrix } from "./matrix.js";
import type { AnyType } from "./types.js";
import {
  BINARY_OPS,
  type BinaryOp,
  opCode,
  type Quantities,
  type SerializeOptions,
  typeCode,
} from "./types.js";

/** Type of a result: a given one, or "widen": the larger of the two, UINT64 where a UINT32 sum might overflow. */
export type ResultType = AnyType | "widen";

const WIDEN = 99;

function resultCode(type: ResultType | undefined): number {
  return type === undefined ? 0 : type === "widen" ? WIDEN : typeCode(type);
}

/** The matrices' addresses, once they are known to be planes of one pattern in one instance. */
function planePointers(planes: readonly Matrix<AnyType>[], engine: Engine): Uint32Array {
  const first = planes[0]!.pointer;
  for (const plane of planes) {
    if (plane.engine !== engine)
      throw new GrBError("GrB_INVALID_VALUE", "the matrices are of different instances");
    if (engine.value("gb_matrix_share", first, plane.pointer) !== 1) {
      throw new GrBError(
        "GrB_INVALID_VALUE",
        "the matrices are not planes of one pattern: their entries differ",
      );
    }
  }
  return Uint32Array.from(planes, (plane) => plane.pointer);
}

function engineOf(planes: readonly Matrix<AnyType>[]): Engine {
  if (!planes[0]) throw new GrBError("GrB_INVALID_VALUE", "there is no matrix");
  return planes[0].engine;
}

/**
 * Whether all matrices (of one instance, at least one) have the same dimensions and entries. Those that do hold one
 * pattern from then on, so that what follows neither compares nor keeps it again.
 */
export function sharePattern(matrices: readonly Matrix<AnyType>[]): boolean {
  const [first, ...others] = matrices;
  return others.every(
    (other) => first!.engine.value("gb_matrix_share", first!.pointer, first!.sameEngine(other)) === 1,
  );
}

/** @internal */
export function addMatrices<T extends AnyType>(
  A: readonly Matrix<T>[],
  B: readonly Matrix<T>[],
  op: BinaryOp,
  type?: ResultType,
): Matrix<T>[] {
  if (A.length !== B.length)
    throw new GrBError("GrB_INVALID_VALUE", `${A.length} planes and ${B.length} planes`);
  const engine = engineOf(A);
  const arrays = [planePointers(A, engine), planePointers(B, engine), new Uint32Array(A.length)];
  return engine.staged(arrays, (a, b, c) => {
    engine.call("gb_ewise_add", a!, b!, c!, A.length, opCode(op, BINARY_OPS), resultCode(type));
    return Array.from(engine.words(c!, A.length).slice(), (at) => new Matrix<T>(engine, at));
  });
}

function levelOf({ compression = "zstd", level = 1 }: SerializeOptions): number {
  if (compression === "none") return 0;
  if (compression !== "zstd" || !Number.isInteger(level) || level < 1 || level > 19) {
    throw new GrBError(
      "GrB_INVALID_VALUE",
      `compression ${String(compression)} level ${level} is not zstd 1 to 19, or none`,
    );
  }
  return level;
}

/** @internal */
export function serializeMatrices(
  planes: readonly Matrix<AnyType>[],
  options: SerializeOptions,
): Uint8Array<ArrayBuffer>[] {
  const level = levelOf(options);
  const engine = engineOf(planes);
  return engine.staged(
    [planePointers(planes, engine), new BigUint64Array(planes.length * 2)],
    (matrices, blobs) => {
      engine.call("gb_serialize", matrices!, planes.length, level, blobs!);
      const found = Array.from(engine.longs(blobs!, planes.length * 2).slice(), Number);
      const copies = planes.map((_, k) => engine.bytes(found[2 * k]!, found[2 * k + 1]!).slice());
      for (let k = 0; k < planes.length; k++) engine.free(found[2 * k]!);
      return copies;
    },
  );
}

/**
 * eWiseAdd of several value planes over one merge of their patterns: C[k] = A[k] op B[k]. All A have the same entries, all
 * B have the same entries (else GrB_INVALID_VALUE). The results share one pattern. By default the type widens: UINT64
 * where a UINT32 sum might overflow.
 */
export function addPlanes(
  A: readonly Matrix[],
  B: readonly Matrix[],
  op: BinaryOp = "plus",
  type: ResultType = "widen",
): Matrix[] {
  return addMatrices(A, B, op, type);
}

/** Blobs of matrices that have the same entries: Ap, Ah and Aj are compressed once. GrB_INVALID_VALUE if they differ. */
export function serializePlanes(
  matrices: readonly Matrix<AnyType>[],
  options: SerializeOptions = {},
): Uint8Array<ArrayBuffer>[] {
  return serializeMatrices(matrices, options);
}

/** The nine quantities from their registers. */
function quantitiesOf(facts: BigUint64Array): Quantities {
  const count = (k: number) => Number(facts[k]!);
  return {
    n_packets: facts[0]!,
    n_links: count(1),
    n_sources: count(2),
    n_destinations: count(3),
    max_packets: facts[4]!,
    max_source_packets: facts[5]!,
    max_fan_out: count(6),
    max_destination_packets: facts[7]!,
    max_fan_in: count(8),
  };
}

/**
 * The nine network quantities of each of several value planes (say packets and bytes), in the planes' order. The columns
 * are sorted once for all planes, and what depends on the entries alone is found once. GrB_INVALID_VALUE if the entries of
 * the planes differ.
 */
export function quantitiesOfPlanes(planes: readonly Matrix[]): Quantities[] {
  const engine = engineOf(planes);
  return engine.staged(
    [planePointers(planes, engine), new BigUint64Array(planes.length * 9)],
    (at, facts) => {
      engine.call("gb_quantities", at!, planes.length, facts!);
      const found = engine.longs(facts!, planes.length * 9).slice();
      return planes.map((_, k) => quantitiesOf(found.subarray(9 * k, 9 * k + 9)));
    },
  );
}
