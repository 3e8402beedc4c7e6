/**
 * What an aggregator knows of one sensor's dependability, from the intervals that arrive, and from those that should have:
 * a sensor that is dead sends nothing, and every interval it does not send is one that was due.
 * Times are ms of the aggregator's service clock.
 */
import type { Totals, WindowName } from "./buckets.js";
import { Coverage, type CoverageState, isCoverageState } from "./coverage.js";

export interface Arrival {
  run: string;
  sequence: number;
  start: number;
  end: number;
  /** Its end on the sensor's own clock, ms since 1970, and its length by that clock, ms. */
  endWallMs: number;
  lengthMs: number;
  /** How it ended: by the clock, after a number of packets, or otherwise (a budget, a stop), which tells nothing. */
  endedBy: "clock" | "packets" | "other";
  /** No packet is missing in it for any reason. */
  isComplete: boolean;
  counted: number;
  offered: number;
}

export interface ArrivalState {
  run: string;
  sequence: number;
  end_wall_ms: number;
  length_ms: number;
  coverage: CoverageState;
}

/** Shortest intervals of which one may say that they are missing: so many fit the time that it passes over. */
const MISSED_MS_MIN = 10;

export class ArrivalRecord {
  readonly #coverage: Coverage;
  #run: string;
  #sequence: number;
  #endWallMs: number;
  /** Length of the last interval that the clock ended, ms. */
  #lengthMs: number;

  /** Goes on from a saved state, or begins with the interval that arrives first. */
  constructor(begin: number | ArrivalState) {
    const saved = typeof begin === "number" ? undefined : begin;
    this.#coverage = new Coverage(0, typeof begin === "number" ? begin : 0, saved?.coverage);
    this.#run = saved?.run ?? "";
    this.#sequence = saved?.sequence ?? -1;
    this.#endWallMs = saved?.end_wall_ms ?? -1;
    this.#lengthMs = saved?.length_ms ?? 0;
  }

  /** An interval has been stored. `graceMs`: how late it may be beyond its own length. */
  arrived(now: number, graceMs: number, it: Arrival): void {
    this.settle(now, graceMs);
    const due = this.#becameDue(it);
    this.#learnInterval(it);
    const isNext = it.run === this.#run && it.endWallMs - it.lengthMs === this.#endWallMs;
    // Clocks are read to the ms: intervals that join by their own clock join here, without a seam.
    const start = isNext ? this.#coverage.coveredTo : it.start;
    const fresh = this.#coverage.cover(start, Math.max(it.end, start), it.isComplete, due);
    const { buckets } = this.#coverage;
    buckets.add("due", it.end, fresh);
    if (due > 0 && now - it.end <= graceMs + it.lengthMs) buckets.add("delivered", it.end, 1);
    buckets.add("counted", it.end, it.counted);
    buckets.add("offered", it.end, it.offered);
    if (it.run !== this.#run || it.sequence > this.#sequence) {
      this.#run = it.run;
      this.#sequence = it.sequence;
      this.#endWallMs = it.endWallMs;
    }
  }

  /** Intervals that have become due with this one: itself and those that never came, by sequence or by time. */
  #becameDue(it: Arrival): number {
    // One that was passed over before was due then: it comes too late to be counted.
    const { intervalMs, coveredTo } = this.#coverage;
    if (it.run === this.#run) {
      const passed = 1 + Math.ceil(Math.max(0, it.start - coveredTo) / MISSED_MS_MIN);
      return Math.max(0, Math.min(it.sequence - this.#sequence, passed));
    }
    const gap = intervalMs > 0 ? Math.round((it.start - coveredTo) / intervalMs) : 0;
    return 1 + Math.max(0, gap);
  }

  /** Two of one length in a row are the rule: the first of a run is shorter, as is one after an early seal. */
  #learnInterval({ endedBy, lengthMs }: Arrival): void {
    if (endedBy === "other") return;
    if (endedBy === "packets") this.#coverage.intervalMs = 0;
    else if (lengthMs === this.#lengthMs) this.#coverage.intervalMs = lengthMs;
    this.#lengthMs = endedBy === "clock" ? lengthMs : 0;
  }

  /** Books the intervals that should have arrived by `now` and did not. */
  settle(now: number, graceMs: number): void {
    this.#coverage.overdue(now - graceMs - this.#coverage.intervalMs);
  }

  totals(now: number, graceMs: number): Record<WindowName, Totals> {
    this.settle(now, graceMs);
    return this.#coverage.totals(now);
  }

  isForgotten(now: number): boolean {
    return this.#coverage.isForgotten(now);
  }

  toJSON(): ArrivalState {
    return {
      run: this.#run,
      sequence: this.#sequence,
      end_wall_ms: this.#endWallMs,
      length_ms: this.#lengthMs,
      coverage: this.#coverage.toJSON(),
    };
  }
}

/** Whether something read from a file is an ArrivalState of a clock that stands at `now`. */
export function isArrivalState(value: unknown, now: number): value is ArrivalState {
  if (typeof value !== "object" || value === null) return false;
  const { run, sequence, end_wall_ms, length_ms, coverage } = value as Record<string, unknown>;
  return (
    typeof run === "string" &&
    /^[0-9a-f]{16}$/.test(run) &&
    [sequence, end_wall_ms, length_ms].every((number) => Number.isSafeInteger(number)) &&
    isCoverageState(coverage, now)
  );
}
