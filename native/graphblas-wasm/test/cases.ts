// Random matrices of every shape that matters, from a seed that is printed: empty to full-range, one huge row, duplicates.
import type { TypeName } from "../lib/index.js";

/** A small seeded generator (xorshift64*), so that a failure can be run again. */
export class Random {
  #state: bigint;

  constructor(seed: number) {
    this.#state = (BigInt(seed) * 0x9e3779b97f4a7c15n + 1n) & 0xffffffffffffffffn || 1n;
  }

  u64(): bigint {
    let x = this.#state;
    x ^= (x << 13n) & 0xffffffffffffffffn;
    x ^= x >> 7n;
    x ^= (x << 17n) & 0xffffffffffffffffn;
    this.#state = x;
    return (x * 0x2545f4914f6cdd1dn) & 0xffffffffffffffffn;
  }

  /** 0 <= result < bound. */
  below(bound: number): number {
    return Number((this.u64() >> 11n) % BigInt(bound));
  }

  belowBig(bound: bigint): bigint {
    return (this.u64() >> 2n) % bound;
  }

  pick<T>(from: readonly T[]): T {
    return from[this.below(from.length)]!;
  }
}

export interface Case {
  type: TypeName;
  nrows: bigint;
  ncols: bigint;
  I: BigUint64Array;
  J: BigUint64Array;
  /** Values that fit the type. */
  X: BigUint64Array;
  /** All values are the same one. */
  iso: boolean;
}

const HUGE = 1n << 60n;
const IPV4 = 1n << 32n;
const shapes: [bigint, bigint][] = [
  [1n, 1n],
  [1n, HUGE],
  [HUGE, 1n],
  [HUGE, HUGE],
  [IPV4, IPV4],
  [IPV4 + 1n, 5n],
  [7n, 11n],
  [300n, 300n],
  [1n << 31n, 1n << 40n],
];
const sizes = [0, 1, 2, 3, 20, 25, 60, 200, 500];

/** Tuples as they come: unordered, perhaps with duplicates. Every 64th case is large, so that the radix passes are used. */
export function randomTuples(random: Random, index: number, like?: Case): Case {
  const [nrows, ncols] = like ? [like.nrows, like.ncols] : index % 3 === 0 ? shapes[4]! : random.pick(shapes);
  const type = like?.type ?? random.pick<TypeName>(["UINT32", "UINT64"]);
  const n = index % 64 === 63 ? 6000 : random.pick(sizes);
  const rowKinds = random.pick([1n, 3n, 40n, nrows, nrows]);
  const colKinds = random.pick([1n, 3n, 200n, ncols, ncols]);
  const [row0, col0] = [random.belowBig(nrows), random.belowBig(ncols)];
  const iso = random.below(4) === 0;
  const largest = type === "UINT32" ? 0xffffffffn : 0xffffffffffffffffn;
  const value = random.pick<() => bigint>([
    () => largest,
    () => 1n,
    () => random.u64() & largest,
    () => BigInt(random.below(1500)),
    () => 0n,
  ]);
  const one = value();
  const fill = (make: () => bigint) => BigUint64Array.from({ length: n }, make);
  return {
    type,
    nrows,
    ncols,
    I: fill(() => (row0 + random.belowBig(rowKinds)) % nrows),
    J: fill(() => (col0 + random.belowBig(colKinds)) % ncols),
    X: fill(() => (iso ? one : value())),
    iso,
  };
}

/** The same without duplicates: the last value of each entry. */
export function distinct(tuples: Case): Case {
  const byEntry = new Map<bigint, number>();
  for (let k = 0; k < tuples.I.length; k++) byEntry.set((tuples.I[k]! << 60n) | tuples.J[k]!, k);
  const kept = [...byEntry.values()];
  const take = (array: BigUint64Array) => BigUint64Array.from(kept, (k) => array[k]!);
  return { ...tuples, I: take(tuples.I), J: take(tuples.J), X: take(tuples.X) };
}

/** Seed and duration of randomised tests, settable from outside and printed by each test that uses them. */
export function fuzzSettings(seconds: number): { seed: number; seconds: number } {
  return {
    seed: Number(process.env.SPARSEWIRE_FUZZ_SEED ?? (Date.now() % 1_000_000) + 1),
    seconds: Number(process.env.SPARSEWIRE_FUZZ_SECONDS ?? seconds),
  };
}
