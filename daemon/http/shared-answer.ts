/**
 * An answer that is costly to make, made once for all who ask for it meanwhile. In a rush it is made anew only as
 * often as a share of the thread's time allows; who asks now and then always gets a fresh one.
 */

/** Share of the time that making answers may take in the long run, and what may be spent at once. */
const SHARE = 0.05;
const BURST_MS = 250;

export class SharedAnswer<T> {
  readonly #make: () => T | Promise<T>;
  readonly #now: () => number;
  #making: Promise<T> | undefined;
  #last: { value: T } | undefined;
  #budgetMs = BURST_MS;
  #refilled: number;

  constructor(make: () => T | Promise<T>, now: () => number = () => performance.now()) {
    this.#make = make;
    this.#now = now;
    this.#refilled = now();
  }

  /** A fresh answer, or in a rush the last one. Rejects with what making it throws. */
  get(): Promise<T> {
    const now = this.#now();
    this.#budgetMs = Math.min(BURST_MS, this.#budgetMs + (now - this.#refilled) * SHARE);
    this.#refilled = now;
    if (this.#last !== undefined && this.#budgetMs <= 0) return Promise.resolve(this.#last.value);
    this.#making ??= this.#begin();
    return this.#making;
  }

  async #begin(): Promise<T> {
    const began = this.#now();
    try {
      const value = await this.#make();
      this.#last = { value };
      return value;
    } finally {
      this.#budgetMs -= this.#now() - began;
      this.#making = undefined;
    }
  }
}
