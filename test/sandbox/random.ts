/** A small seeded generator, so that a failing run can be repeated: SPARSEWIRE_FUZZ_SEED=... npm test */
export class Random {
  readonly seed: number;
  #state: number;

  constructor(seed: number) {
    this.seed = seed;
    this.#state = seed >>> 0;
  }

  /** 32 random bits (mulberry32). */
  u32(): number {
    this.#state = (this.#state + 0x6d2b79f5) >>> 0;
    let t = this.#state;
    t = Math.imul(t ^ (t >>> 15), t | 1);
    t ^= t + Math.imul(t ^ (t >>> 7), t | 61);
    return (t ^ (t >>> 14)) >>> 0;
  }

  /** An integer of 0 .. below - 1. */
  below(below: number): number {
    return Math.floor((this.u32() / 2 ** 32) * below);
  }

  chance(probability: number): boolean {
    return this.u32() / 2 ** 32 < probability;
  }

  pick<T>(from: readonly T[]): T {
    return from[this.below(from.length)]!;
  }

  bytes(n: number): Uint8Array {
    return Uint8Array.from({ length: n }, () => this.below(256));
  }
}

/** The seed of this run: SPARSEWIRE_FUZZ_SEED, or the clock; tests print it. */
export function runSeed(): number {
  const given = Number(process.env.SPARSEWIRE_FUZZ_SEED);
  return Number.isSafeInteger(given) && given > 0 ? given : Date.now() % 2 ** 31;
}

/** Seconds a fuzz test may take: SPARSEWIRE_FUZZ_SECONDS, or `otherwise`. */
export function fuzzSeconds(otherwise: number): number {
  const given = Number(process.env.SPARSEWIRE_FUZZ_SECONDS);
  return given > 0 ? given : otherwise;
}
