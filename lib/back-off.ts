/** Pauses between attempts: doubling from `minMs` to `maxMs`, each shortened by up to half at random. */
export class BackOff {
  readonly #minMs: number;
  readonly #maxMs: number;
  readonly #random: () => number;
  #failures = 0;
  #isWaiting = false;

  constructor(minMs: number, maxMs: number, random: () => number = Math.random) {
    this.#minMs = Math.min(minMs, maxMs);
    this.#maxMs = maxMs;
    this.#random = random;
  }

  /** Failures in a row. */
  get failures(): number {
    return this.#failures;
  }

  /** Whether the pause of the last failure is still on. */
  get isWaiting(): boolean {
    return this.#isWaiting;
  }

  /** Counts a failure; milliseconds to wait before the next attempt. */
  next(): number {
    const full = Math.min(this.#maxMs, this.#minMs * 2 ** Math.min(this.#failures, 30));
    this.#failures++;
    this.#isWaiting = true;
    return full * (0.5 + this.#random() / 2);
  }

  rested(): void {
    this.#isWaiting = false;
  }

  reset(): void {
    this.#failures = 0;
    this.#isWaiting = false;
  }
}
