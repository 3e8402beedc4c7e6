// Errors: the GrB_Info codes of the GraphBLAS C API 2.0 as one typed error.

/** The codes of the C API that this package can report, by value. */
export const INFO = {
  GrB_UNINITIALIZED_OBJECT: -1,
  GrB_NULL_POINTER: -2,
  GrB_INVALID_VALUE: -3,
  GrB_INVALID_INDEX: -4,
  GrB_DOMAIN_MISMATCH: -5,
  GrB_DIMENSION_MISMATCH: -6,
  GrB_OUTPUT_NOT_EMPTY: -7,
  GrB_NOT_IMPLEMENTED: -8,
  GrB_PANIC: -101,
  GrB_OUT_OF_MEMORY: -102,
  GrB_INSUFFICIENT_SPACE: -103,
  GrB_INVALID_OBJECT: -104,
  GrB_INDEX_OUT_OF_BOUNDS: -105,
  GrB_EMPTY_OBJECT: -106,
} as const;

export type Info = keyof typeof INFO;

const names = new Map<number, Info>(Object.entries(INFO).map(([name, value]) => [value, name as Info]));

/** Every failure of this package: `info` is the C API's code, the message says which call failed, and why. */
export class GrBError extends Error {
  override name = "GrBError";
  readonly info: Info;

  constructor(info: Info, message: string, options?: ErrorOptions) {
    super(`${info}: ${message}`, options);
    this.info = info;
  }
}

/** The name of a numeric GrB_Info; an unknown one is a panic. */
export function infoName(value: number): Info {
  return names.get(value) ?? "GrB_PANIC";
}
