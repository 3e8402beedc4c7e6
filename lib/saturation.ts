/**
 * Counters of sums end at 2^53 - 1, which is as far as a JSON integer is exact: they stay there, and the sum says which.
 * A sum that cannot be written because one sensor counted absurdly much would be lost for all others.
 */
import type { Matrix } from "graphblas-wasm";

const COUNTER_MAX = Number.MAX_SAFE_INTEGER;
/** Values of matrices stay below 2^64: what might pass it is cut to this first, on both sides of the sum. */
const VALUE_MAX = 2n ** 63n - 1n;

/** Cuts every number within `value` to 2^53 - 1, in place; adds what was cut to `names`, dotted and below `name`. */
export function saturate(value: object, name: string, names: Set<string>): void {
  for (const [key, item] of Object.entries(value)) {
    const path = name === "" ? key : `${name}.${key}`;
    if (typeof item === "object" && item !== null) saturate(item, path, names);
    else if (typeof item === "number" && item > COUNTER_MAX) {
      (value as Record<string, unknown>)[key] = COUNTER_MAX;
      names.add(path);
    }
  }
}

/** Bounds of the values of matrices, so that they are not looked for again after each addition. */
const bounds = new WeakMap<Matrix, bigint>();

const largest = (matrix: Matrix): bigint => {
  const known = bounds.get(matrix) ?? BigInt(matrix.reduce("max"));
  bounds.set(matrix, known);
  return known;
};

/** Says that no value of `matrix` is larger than those of `a` and `b` together. */
export const boundSum = (matrix: Matrix, a: Matrix, b: Matrix): void =>
  void bounds.set(matrix, largest(a) + largest(b));

/** Whether a value of a + b could pass 2^64. */
export function mayWrap(a: Matrix, b: Matrix): boolean {
  if (largest(a) + largest(b) < 2n ** 64n) return false;
  for (const matrix of [a, b]) bounds.delete(matrix);
  return largest(a) + largest(b) >= 2n ** 64n;
}

/** The matrix with its values cut so that it can be added to another that is cut: a new object. */
export const cutValues = (matrix: Matrix): Matrix => matrix.applySecond("min", VALUE_MAX, { type: "UINT64" });
