/** What becomes of an extension whose part of an interval was not there in time. */

/** Intervals in a row that go without its part before it is suspended. */
export const LATE_MAX = 2;

export class Lateness {
  /** Intervals in a row, by its own fault. */
  #inRow = 0;
  #isTold = false;

  inTime(): void {
    this.#inRow = 0;
    this.#isTold = false;
  }

  /**
   * It was waited for `ms`, for `delayedMs` of which its thread had no processor: that is the host's fault, and only told.
   * "told": it was told before.
   */
  late(ms: number, delayedMs: number): "suspend" | "tell" | "told" {
    if (delayedMs <= ms / 2 && ++this.#inRow >= LATE_MAX) return "suspend";
    if (this.#isTold) return "told";
    this.#isTold = true;
    return "tell";
  }
}
