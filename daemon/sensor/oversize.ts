/** Archives whose links alone are more than the aggregator takes: nothing can be left out of them, so it is told in time. */
import type { Logger } from "pino";

export class Oversize {
  readonly #bytesMax: number;
  readonly #logger: Logger;
  /** Whether the last one was too large. */
  #isTold = false;

  constructor(bytesMax: number, logger: Logger) {
    this.#bytesMax = bytesMax;
    this.#logger = logger;
  }

  /** Warns when archives begin to be too large. */
  look(name: string, bytes: number): void {
    const isLarge = bytes > this.#bytesMax;
    if (isLarge && !this.#isTold) {
      this.#logger.warn(
        { archive: name, bytes },
        `an interval has more links than an archive may have bytes (${bytes} of aggregator.archive_bytes_max = ${this.#bytesMax}): ` +
          "lower interval or memory.link_budget, or raise it here and limits.max_archive_bytes of the aggregator",
      );
    }
    this.#isTold = isLarge;
  }
}
