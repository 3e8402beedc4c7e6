/**
 * Which time of a service is accounted for, and which of it was captured completely; and the intervals that should have come
 * and have not. Common to a sensor, which sees its own seals, and an aggregator, which sees what arrives.
 */
import { Buckets, type Totals, WINDOW_MS_MAX, type WindowName } from "./buckets.js";

export interface CoverageState {
  /** Length of an interval, ms; 0: they do not end by time, so silence makes none due. */
  interval_ms: number;
  /** End of the last interval there was. */
  covered_to: number;
  /** Time up to here is booked as due, and the intervals that end until here. */
  booked_to: number;
  /** Booked intervals that may still come, late. */
  missed: number;
  buckets: number[][][];
}

export class Coverage {
  readonly buckets: Buckets;
  intervalMs: number;
  coveredTo: number;
  bookedTo: number;
  #missed: number;

  /** Begins at `at`, or goes on from a saved state that has been checked. */
  constructor(intervalMs: number, at: number, saved?: CoverageState) {
    this.intervalMs = saved?.interval_ms ?? intervalMs;
    this.coveredTo = saved?.covered_to ?? at;
    this.bookedTo = saved?.booked_to ?? at;
    this.#missed = saved?.missed ?? 0;
    this.buckets = (saved && Buckets.from(saved.buckets)) ?? new Buckets();
  }

  /**
   * Takes in one interval [from, to), of which `complete` says that nothing is missing in it. It is one of `due` intervals
   * that have become due since the last one. Returns how many of these are not booked yet; the caller books them.
   */
  cover(from: number, to: number, complete: boolean, due: number): number {
    this.buckets.spread("due_ms", this.bookedTo, to);
    // What lies before the last end is there already: time is never counted twice.
    if (complete) this.buckets.spread("complete_ms", Math.max(from, this.coveredTo), to);
    this.bookedTo = Math.max(this.bookedTo, to);
    this.coveredTo = Math.max(this.coveredTo, to);
    const fresh = Math.max(0, due - this.#missed);
    this.#missed = Math.max(0, this.#missed - due);
    return fresh;
  }

  /** Books the time until `limit` in which intervals should have ended and none did, in whole intervals. */
  overdue(limit: number): void {
    if (this.intervalMs <= 0) return;
    const count = Math.floor((limit - this.bookedTo) / this.intervalMs);
    if (count <= 0) return;
    const to = this.bookedTo + count * this.intervalMs;
    this.buckets.spread("due_ms", this.bookedTo, to);
    this.buckets.steps("due", this.bookedTo, this.intervalMs, count);
    this.#missed += count;
    this.bookedTo = to;
  }

  /** Books all time until `to` as an outage: the process was not there. */
  outage(to: number): void {
    this.overdue(to);
    this.buckets.spread("due_ms", this.bookedTo, to);
    this.bookedTo = Math.max(this.bookedTo, to);
    // Nothing that was not captured can still come.
    this.#missed = 0;
  }

  totals(now: number): Record<WindowName, Totals> {
    return this.buckets.totals(now);
  }

  /** Whether every window is past the last interval: nothing of it is left. */
  isForgotten(now: number): boolean {
    return now - this.coveredTo > WINDOW_MS_MAX;
  }

  toJSON(): CoverageState {
    return {
      interval_ms: this.intervalMs,
      covered_to: this.coveredTo,
      booked_to: this.bookedTo,
      missed: this.#missed,
      buckets: this.buckets.toJSON(),
    };
  }
}

/** Whether something read from a file is a CoverageState of a clock that stands at `now`. */
export function isCoverageState(value: unknown, now: number): value is CoverageState {
  if (typeof value !== "object" || value === null) return false;
  const { interval_ms, covered_to, booked_to, missed, buckets } = value as Record<string, unknown>;
  const isTime = (time: unknown): boolean => Number.isSafeInteger(time) && (time as number) <= now;
  return (
    isTime(covered_to) &&
    isTime(booked_to) &&
    [interval_ms, missed].every((count) => Number.isSafeInteger(count) && (count as number) >= 0) &&
    Buckets.from(buckets, now) !== undefined
  );
}
