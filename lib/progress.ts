/**
 * Whether a running process gets on. Every part that could hang shows a count that changes as it works; one that has
 * something to do and whose count has stood still for longer than its time is stalled. Pure: the caller brings the clock.
 */

/** What one part shows of itself. */
export interface Sign {
  /** As people know the part: "capture worker 0". */
  name: string;
  /** Any number that changes with every step of work. */
  count: number;
  /** Longest that it may stand still while there is something to do, ms. */
  withinMs: number;
  /** Nothing to do: standing still is right. */
  isIdle?: boolean;
}

export interface Stall {
  name: string;
  /** For how long it has stood still, ms. */
  forMs: number;
}

export class ProgressWatch {
  readonly #stepMsMax: number;
  readonly #seen = new Map<string, { count: number; stillMs: number }>();
  #checkedMs: number | undefined;

  /**
   * `stepMsMax`: longest time between two checks that counts. When the whole process was held up (stopped, swapped out,
   * a paused virtual machine) its parts have had no chance to move, and are not blamed for that time.
   */
  constructor(stepMsMax: number) {
    this.#stepMsMax = stepMsMax;
  }

  /** Compares with the last check; the parts that are stalled now. Parts that are new begin with no time gone. */
  check(nowMs: number, signs: readonly Sign[]): Stall[] {
    const passed = Math.max(0, Math.min(nowMs - (this.#checkedMs ?? nowMs), this.#stepMsMax));
    this.#checkedMs = nowMs;
    const stalls: Stall[] = [];
    for (const { name, count, withinMs, isIdle = false } of signs) {
      const before = this.#seen.get(name);
      const isStill = before !== undefined && before.count === count && !isIdle;
      const stillMs = isStill ? before.stillMs + passed : 0;
      this.#seen.set(name, { count, stillMs });
      if (stillMs > withinMs) stalls.push({ name, forMs: stillMs });
    }
    const names = new Set(signs.map(({ name }) => name));
    for (const name of this.#seen.keys()) if (!names.has(name)) this.#seen.delete(name);
    return stalls;
  }
}

/** "capture worker 0 has stood still for 12 s" of each. */
export function stallText(stalls: readonly Stall[]): string {
  return stalls
    .map(
      ({ name, forMs }) => `${name} has stood still for ${(forMs / 1000).toFixed(forMs < 10_000 ? 1 : 0)} s`,
    )
    .join(", ");
}
