/** Intervals that cannot be delivered now, each for a reason of its own: the others go ahead of them meanwhile. */

/** How much longer than the first the pause of one interval may get. */
const DOUBLINGS_MAX = 6;

export class Deferred {
  readonly #waiting = new Map<string, { untilMs: number; times: number }>();
  readonly #now: () => number;

  constructor(now: () => number = () => performance.now()) {
    this.#now = now;
  }

  /** Intervals that have been deferred and not settled since. */
  get size(): number {
    return this.#waiting.size;
  }

  /** Leaves an interval alone for `ms`, twice as long each time that it is deferred again. */
  put(name: string, ms: number): void {
    const times = this.#waiting.get(name)?.times ?? 0;
    const pause = ms * 2 ** Math.min(times, DOUBLINGS_MAX);
    this.#waiting.set(name, { untilMs: this.#now() + pause, times: times + 1 });
  }

  /** It is settled, one way or the other. */
  delete(name: string): void {
    this.#waiting.delete(name);
  }

  /** Forgets those that are not among `names` any more. */
  keepOnly(names: ReadonlySet<string>): void {
    for (const name of this.#waiting.keys()) if (!names.has(name)) this.#waiting.delete(name);
  }

  isWaiting(name: string): boolean {
    const entry = this.#waiting.get(name);
    return entry !== undefined && entry.untilMs > this.#now();
  }

  /** Milliseconds until the first of them is due; at most `msMax`. */
  nextMs(msMax: number): number {
    let next = msMax;
    for (const { untilMs } of this.#waiting.values()) next = Math.min(next, untilMs - this.#now());
    return Math.max(next, 1);
  }

  /** All are due: what was in their way may be gone. */
  clear(): void {
    this.#waiting.clear();
  }
}
