// Index lists and ranges, as extract and assign take them.
import type { Engine, Pointer } from "./engine.js";
import { GrBError } from "./errors.js";

/** GrB_ALL; a list in any order; or from, from + step, ... below `to`. */
export type IndexSet =
  | "all"
  | BigUint64Array
  | readonly (bigint | number)[]
  | { readonly from: bigint; readonly to: bigint; readonly step?: bigint };

const [ALL, RANGE, LIST] = [0n, 1n, 2n];

function listOf(set: BigUint64Array | readonly (bigint | number)[]): BigUint64Array {
  if (set instanceof BigUint64Array) return set;
  return BigUint64Array.from(set, (index) => {
    if (BigInt(index) < 0n) throw new GrBError("GrB_INDEX_OUT_OF_BOUNDS", `index ${index} is negative`);
    return BigInt(index);
  });
}

/** count, first, step of a range. */
function rangeOf({ from, to, step = 1n }: { from: bigint; to: bigint; step?: bigint }): bigint[] {
  if (from < 0n || to <= from || step < 1n || to > 1n << 60n) {
    throw new GrBError(
      "GrB_INVALID_VALUE",
      `range ${from} to ${to} by ${step} is empty or not within 0 to 2^60`,
    );
  }
  return [(to - from + step - 1n) / step, from, step];
}

/** Runs with staged descriptions of index sets. @internal */
export function withIndices<R>(engine: Engine, sets: readonly IndexSet[], use: (...at: Pointer[]) => R): R {
  const staged: Pointer[] = [];
  const stage = (array: BigUint64Array): Pointer => {
    const at = engine.stage(array);
    staged.push(at);
    return at;
  };
  try {
    const described = sets.map((set) => {
      if (set === "all") return stage(BigUint64Array.of(ALL!, 0n, 0n, 0n, 0n));
      if (!Array.isArray(set) && !(set instanceof BigUint64Array) && "from" in set) {
        return stage(BigUint64Array.from([RANGE!, ...rangeOf(set), 0n]));
      }
      const list = listOf(set as BigUint64Array);
      return stage(BigUint64Array.of(LIST!, BigInt(list.length), 0n, 0n, BigInt(stage(list))));
    });
    return use(...described);
  } finally {
    for (const at of staged) engine.free(at);
  }
}
