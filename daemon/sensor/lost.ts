/** Intervals that neither the spool nor the aggregator has, by cause: each counted, logged once a minute a cause. */
import type { Logger } from "pino";

const LOG_EVERY_MS = 60_000;

export class LostIntervals {
  readonly byCause: Record<string, number> = {};
  readonly #logger: Logger;
  readonly #loggedAt = new Map<string, number>();

  constructor(logger: Logger) {
    this.#logger = logger;
  }

  get total(): number {
    return Object.values(this.byCause).reduce((sum, count) => sum + count, 0);
  }

  count(cause: string, detail: string, intervals = 1): void {
    this.byCause[cause] = (this.byCause[cause] ?? 0) + intervals;
    const now = Date.now();
    if (now - (this.#loggedAt.get(cause) ?? -LOG_EVERY_MS) < LOG_EVERY_MS) return;
    this.#loggedAt.set(cause, now);
    this.#logger.error({ cause, lost: this.byCause[cause] }, `interval lost (${cause}): ${detail}`);
  }
}
