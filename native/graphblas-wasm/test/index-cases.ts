// Random sets of indices: all, ranges, lists in order or not.
import type { IndexSet } from "../lib/index.js";
import type { Dimension } from "./algebra-cases.js";
import type { Random } from "./cases.js";

/** A set of indices of a dimension: ours, the oracle's, and the dimension that it makes. */
export interface RandomSet {
  set: IndexSet;
  parameters: bigint[];
  list: BigUint64Array;
  result: Dimension;
}

/** "all", "range" or "list". */
export function kind({ parameters }: RandomSet): string {
  return ["all", "range", "list"][Number(parameters[0])]!;
}

export function indexSet(random: Random, { size, pool }: Dimension, repeats: boolean): RandomSet {
  const none = new BigUint64Array(0);
  const way = random.below(4);
  if (way === 0) return { set: "all", parameters: [0n, 0n, 0n, 1n], list: none, result: { size, pool } };
  const count = 1 + random.below(60);
  if (way === 1) {
    const step = random.pick([1n, 1n, 2n, 7n]);
    const from = random.pick(pool);
    const most = (size - 1n - from) / step + 1n;
    const n = (random.below(3) === 0 && most <= 4096n) || most < BigInt(count) ? most : BigInt(count);
    const last = from + (n - 1n) * step;
    const within = pool.filter((one) => one >= from && one <= last && (one - from) % step === 0n);
    return {
      set: { from, to: last + 1n, step },
      parameters: [1n, from, last, step],
      list: none,
      result: { size: n, pool: [0n, ...within.map((one) => (one - from) / step)] },
    };
  }
  const drawn = Array.from({ length: count }, () =>
    random.below(4) ? random.pick(pool) : random.belowBig(size),
  );
  const kept = repeats ? drawn : [...new Set(drawn)];
  if (way === 2) kept.sort((a, b) => (a < b ? -1 : a > b ? 1 : 0));
  const list = BigUint64Array.from(kept);
  const positions = Array.from(kept, (_, k) => BigInt(k));
  return {
    set: list,
    parameters: [2n, 0n, 0n, 1n],
    list,
    result: { size: BigInt(list.length), pool: positions },
  };
}
