/**
 * A sensor's own record: how much of the time its capture was complete, and which of its intervals were delivered in
 * time. Times are ms of the service clock.
 */
import type { Totals, WindowName } from "./buckets.js";
import { Coverage, type CoverageState, isCoverageState } from "./coverage.js";

/** An interval that is neither delivered nor too late yet. */
interface Pending {
  end: number;
  /** Whether it is still to be booked as due: an outage may have booked it before. */
  isFresh: boolean;
}

/** Intervals of earlier runs that still wait in the spool. */
export interface Waiting {
  /** "run/sequence". */
  key: string;
  end: number;
}

export interface SensorState {
  coverage: CoverageState;
  /** Intervals that were neither delivered nor too late: [key, end, 1 if they are still to be booked as due]. */
  pending: [string, number, 0 | 1][];
}

/** More than this are never pending: what is left over is booked as due. */
const PENDING_MAX = 10_000;

export class SensorRecord {
  readonly #coverage: Coverage;
  readonly #latenessMs: number;
  /** In the order of their ends, as Maps keep it. Bounded: whatever is older than the lateness is settled. */
  readonly #pending = new Map<string, Pending>();

  /**
   * Capture begins at `now`. What lies between the saved state and now is an outage; intervals that were sealed after the
   * save and wait to be delivered are given in `waiting`.
   * @param intervalMs 0 where intervals do not end by time
   * @param latenessMs from the end of an interval; what is delivered later is late
   */
  constructor(
    intervalMs: number,
    latenessMs: number,
    now: number,
    saved?: SensorState,
    waiting: readonly Waiting[] = [],
  ) {
    this.#latenessMs = latenessMs;
    this.#coverage = new Coverage(intervalMs, now, saved?.coverage);
    const known = (saved?.pending ?? []).map(([key, end, fresh]) => ({ key, end, isFresh: fresh === 1 }));
    const keys = new Set(known.map(({ key }) => key));
    const unknown = waiting
      .filter(({ key, end }) => saved !== undefined && end > saved.coverage.booked_to && !keys.has(key))
      .map(({ key, end }) => ({ key, end, isFresh: false }));
    for (const { key, end, isFresh } of [...known, ...unknown].sort((a, b) => a.end - b.end))
      this.#pending.set(key, { end, isFresh });
    this.#coverage.outage(now);
    this.#coverage.coveredTo = now;
    this.#coverage.intervalMs = intervalMs;
    this.settle(now);
  }

  /** An interval is sealed; `isComplete`: no packet is missing in it for any reason. */
  sealed(now: number, key: string, isComplete: boolean): void {
    this.settle(now);
    const fresh = this.#coverage.cover(this.#coverage.coveredTo, now, isComplete, 1);
    this.#pending.set(key, { end: now, isFresh: fresh > 0 });
  }

  /** What is in it is known: frames counted, of so many offered. */
  counted(now: number, key: string, counted: number, offered: number): void {
    const at = this.#pending.get(key)?.end ?? now;
    this.#coverage.buckets.add("counted", at, counted);
    this.#coverage.buckets.add("offered", at, offered);
  }

  /** Whoever it is for has it. */
  delivered(now: number, key: string): void {
    this.settle(now);
    const pending = this.#pending.get(key);
    if (pending === undefined) return;
    this.#pending.delete(key);
    if (pending.isFresh) this.#coverage.buckets.add("due", pending.end, 1);
    this.#coverage.buckets.add("delivered", pending.end, 1);
  }

  /** Books what has become too late by `now`: intervals not delivered, and those that were never sealed. */
  settle(now: number): void {
    for (const [key, { end, isFresh }] of this.#pending) {
      if (end + this.#latenessMs >= now && this.#pending.size <= PENDING_MAX) break;
      if (isFresh) this.#coverage.buckets.add("due", end, 1);
      this.#pending.delete(key);
    }
    this.#coverage.overdue(now - this.#latenessMs);
  }

  totals(now: number): Record<WindowName, Totals> {
    this.settle(now);
    return this.#coverage.totals(now);
  }

  toJSON(): SensorState {
    return {
      coverage: this.#coverage.toJSON(),
      pending: [...this.#pending].map(([key, { end, isFresh }]) => [key, end, isFresh ? 1 : 0]),
    };
  }
}

/** Whether something read from a file is a SensorState of a clock that stands at `now`. */
export function isSensorState(value: unknown, now: number): value is SensorState {
  if (typeof value !== "object" || value === null) return false;
  const { coverage, pending } = value as Record<string, unknown>;
  return (
    isCoverageState(coverage, now) &&
    Array.isArray(pending) &&
    pending.length <= PENDING_MAX + 1 &&
    pending.every(
      (one: unknown) =>
        Array.isArray(one) &&
        one.length === 3 &&
        typeof one[0] === "string" &&
        Number.isSafeInteger(one[1]) &&
        one[1] <= now &&
        (one[2] === 0 || one[2] === 1),
    )
  );
}
