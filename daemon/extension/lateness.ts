/** What becomes of an extension whose part of an interval was not there in time. */

/** Intervals in a row that go without its part before it is suspended: by its own fault, or because it had no processor. */
export const LATE_MAX = 2;
export const STARVED_MAX = 10;

export class Lateness {
  #late = 0;
  #starved = 0;
  #isTold = false;

  inTime(): void {
    this.#late = this.#starved = 0;
    this.#isTold = false;
  }

  /**
   * It was waited for `ms`, for `delayedMs` of which its thread had no processor: most of it, and it is the host's fault,
   * which is borne for longer. "told": it was told before.
   */
  late(ms: number, delayedMs: number): "suspend" | "tell" | "told" {
    if (isStarved(ms, delayedMs)) this.#starved++;
    else this.#late++;
    if (this.#late >= LATE_MAX || this.#late + this.#starved >= STARVED_MAX) return "suspend";
    if (this.#isTold) return "told";
    this.#isTold = true;
    return "tell";
  }
}

export const isStarved = (ms: number, delayedMs: number): boolean => delayedMs > ms / 2;
