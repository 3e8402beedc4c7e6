/**
 * What retention had to delete although no coarser roll-up holds it: told in the log, in the metrics and in the status.
 * Days that have reached their age are the end of all, and no loss; days that had to make room are.
 */
import type { Logger } from "../log.js";
import type { Metrics } from "./metrics.js";
import { LEVEL_MINUTES, type Level, periodStart, timeText } from "./periods.js";

/** age: its time was over. bytes: store.max_bytes. disk: the file system was nearly full. */
export const DELETION_CAUSES = ["age", "bytes", "disk"] as const;
export type DeletionCause = (typeof DELETION_CAUSES)[number];

/** One period of which something went unsummed. */
export interface Loss {
  level: Level;
  /** Its number; of raw archives that of their minute. */
  period: number;
  cause: DeletionCause;
  intervals: number;
  /** Packets in them, as far as their manifests could be read; null: unknown. */
  packets: number | null;
}

/** What went of one level for one cause, as it is told. */
export interface LossLine {
  level: Level;
  cause: DeletionCause;
  periods: number;
  from: string;
  to: string;
  intervals: number;
  packets: number | null;
}

export class Losses {
  readonly #metrics: Metrics;
  #lines = new Map<string, LossLine>();
  #intervals = 0;
  #last: (LossLine & { at: string }) | null = null;

  constructor(metrics: Metrics) {
    this.#metrics = metrics;
  }

  note({ level, period, cause, intervals, packets }: Loss): void {
    this.#intervals += intervals;
    this.#metrics.deletedUnsummed.inc({ level, cause }, intervals);
    const [from, to] = spanOf(level, period);
    const line = this.#lines.get(`${level} ${cause}`);
    if (line === undefined) {
      this.#lines.set(`${level} ${cause}`, { level, cause, periods: 1, from, to, intervals, packets });
      return;
    }
    line.periods++;
    if (from < line.from) line.from = from;
    if (to > line.to) line.to = to;
    line.intervals += intervals;
    line.packets = line.packets === null || packets === null ? null : line.packets + packets;
  }

  /** Writes one line for each level and cause since the last call. `at`: ms since 1970. */
  say(logger: Logger, at: number): void {
    for (const line of this.#lines.values()) {
      logger.warn(line, "intervals deleted unsummed: no coarser roll-up holds them");
      this.#last = { ...line, at: new Date(at).toISOString() };
    }
    this.#lines = new Map();
  }

  /** Since the start. */
  status() {
    return { intervals: this.#intervals, last: this.#last };
  }
}

function spanOf(level: Level, period: number): [from: string, to: string] {
  const of = level === "raw" ? "1m" : level;
  return [timeText(periodStart(of, period)), timeText(periodStart(of, period) + spanNs(of))];
}

const spanNs = (level: keyof typeof LEVEL_MINUTES): bigint => BigInt(LEVEL_MINUTES[level]) * 60_000_000_000n;
