/** Calls at every multiple of the interval since the epoch, on the wall clock; a late call names the latest boundary. */
export class IntervalClock {
  readonly #intervalNs: bigint;
  readonly #onBoundary: (boundaryNs: bigint) => void;
  readonly #isUnref: boolean;
  #timer: NodeJS.Timeout | undefined;

  /** With `unref` its timer does not keep the process alive. */
  constructor(intervalNs: bigint, onBoundary: (boundaryNs: bigint) => void, { unref = false } = {}) {
    this.#intervalNs = intervalNs;
    this.#onBoundary = onBoundary;
    this.#isUnref = unref;
  }

  start(): void {
    const now = wallClockNs();
    const next = (now / this.#intervalNs + 1n) * this.#intervalNs;
    this.#timer = setTimeout(() => this.#fire(next), Math.max(1, Number((next - now) / 1_000_000n)));
    if (this.#isUnref) this.#timer.unref();
  }

  stop(): void {
    clearTimeout(this.#timer);
  }

  /** Timers may fire a moment early, and much later than asked when the process was held up. */
  #fire(due: bigint): void {
    const now = wallClockNs();
    const boundary = (now / this.#intervalNs) * this.#intervalNs;
    if (boundary >= due) this.#onBoundary(boundary);
    this.start();
  }
}

/** ns since 1970 UTC, to the millisecond. */
export const wallClockNs = (): bigint => BigInt(Date.now()) * 1_000_000n;
