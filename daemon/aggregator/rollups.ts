/**
 * Rolls intervals up: minutes from raw archives, hours from minutes, days from hours, each once it is over. A late
 * archive is added to every level that exists already, so a roll-up plus the raw archives that are not among its parts
 * is always the whole. Work is derived from the catalog alone: nothing needs to be remembered over a restart.
 */

import { LineLimit } from "../log.js";
import type { Day, Hour, Rollup } from "./catalog.js";
import type { AggregatorConfig } from "./config.js";
import type { RolledUp } from "./matrix-messages.js";
import { type MatrixWorker, TaskError } from "./matrix-worker.js";
import type { Metrics } from "./metrics.js";
import { periodOf, periodStart, type RollupLevel, timeText } from "./periods.js";
import { isDayWhole, isHourWhole, minuteRows, missing, type PlannedFile } from "./plan.js";
import { describeRollup } from "./scan.js";
import { IN_ROLLUP } from "./shelf.js";
import type { Store } from "./store.js";

/** A minute into which late archives keep coming is rolled up after this time all the same. */
const PATIENCE_MS = 60_000;
/** After the disk was full. */
const DISK_PAUSE_MS = 5_000;

interface PendingMinute {
  /** ms since 1970, when the first and the last of its archives came that are not rolled up. */
  first: number;
  last: number;
}

export class Rollups {
  settings: AggregatorConfig["rollup"];
  readonly #store: Store;
  readonly #worker: MatrixWorker;
  readonly #metrics: Metrics;
  readonly #lines = new LineLimit();
  readonly #minutes = new Map<number, PendingMinute>();
  readonly #hours = new Set<number>();
  readonly #days = new Set<number>();
  /** Periods whose sum cannot be made (it does not fit in memory), with the number of intervals it would have. */
  readonly #leftOut = new Map<string, number>();
  #pausedUntil = 0;
  /** Why roll-ups cannot be written now, if so. */
  problem: string | null = null;

  constructor(store: Store, worker: MatrixWorker, metrics: Metrics, settings: AggregatorConfig["rollup"]) {
    this.#store = store;
    this.#worker = worker;
    this.#metrics = metrics;
    this.settings = settings;
  }

  get pendingMinutes(): number {
    return this.#minutes.size;
  }

  /** Finds what is to be done in a catalog that has just been read. */
  adopt(): void {
    for (const day of this.#store.catalog.days.values()) {
      this.#days.add(day.day);
      for (const hour of day.hours.values()) {
        this.#hours.add(hour.hour);
        for (let row = 0; row < hour.raw.count; row++) {
          if ((hour.raw.flags[row]! & IN_ROLLUP["1m"]) !== 0) continue;
          this.#minutes.set(hour.hour * 60 + Math.floor(hour.raw.offset[row]! / 60e9), { first: 0, last: 0 });
        }
      }
    }
  }

  /** Takes note of a raw archive that has been stored. */
  stored(start: bigint): void {
    const minute = periodOf("1m", start);
    const now = Date.now();
    const pending = this.#minutes.get(minute);
    if (pending !== undefined) pending.last = now;
    else this.#minutes.set(minute, { first: now, last: now });
    this.#hours.add(Math.floor(minute / 60));
    this.#days.add(Math.floor(minute / 1440));
    if (this.#store.catalog.rollup("1m", minute) !== undefined) this.#metrics.late.inc();
  }

  /** Writes the roll-ups that are due at `now` (ms since 1970). */
  async work(now = Date.now()): Promise<void> {
    if (now < this.#pausedUntil) return;
    for (const [minute, pending] of this.#minutes) {
      const settled = now - pending.last >= this.settings.grace || now - pending.first >= PATIENCE_MS;
      if (!settled || !this.#isOver("1m", minute, now)) continue;
      if (await this.#minute(minute)) this.#minutes.delete(minute);
      if (this.#isPaused(now)) return;
    }
    for (const hour of this.#hours) {
      if (!this.#isOver("1h", hour, now) || this.#hasPending(hour)) continue;
      if (await this.#hour(hour)) this.#hours.delete(hour);
      if (this.#isPaused(now)) return;
    }
    for (const day of this.#days) {
      if (!this.#isOver("1d", day, now)) continue;
      if (Array.from({ length: 24 }, (_, hour) => day * 24 + hour).some((hour) => this.#hours.has(hour)))
        continue;
      if (await this.#day(day)) this.#days.delete(day);
      if (this.#isPaused(now)) return;
    }
  }

  #isPaused(now: number): boolean {
    return now < this.#pausedUntil;
  }

  #isOver(level: RollupLevel, period: number, now: number): boolean {
    return now >= Number(periodStart(level, period + 1) / 1_000_000n) + this.settings.grace;
  }

  #hasPending(hour: number): boolean {
    for (let minute = hour * 60; minute < hour * 60 + 60; minute++)
      if (this.#minutes.has(minute)) return true;
    return false;
  }

  /** Each of these is true when nothing is left to do for the period. */
  async #minute(minute: number): Promise<boolean> {
    const hour = this.#findHour(Math.floor(minute / 60));
    if (hour === undefined) return true;
    const [first, end] = minuteRows(hour, minute);
    if (missing(hour, first, end, IN_ROLLUP["1m"]) === 0) return true;
    // Its roll-up has expired, the hour's has not: what is late goes into the hour, where the rest is.
    if (!hour.minutes.has(minute) && !isWholeBelow(this.#findDay(minute), hour)) return true;
    return this.#roll("1m", minute);
  }

  async #hour(number: number): Promise<boolean> {
    const hour = this.#findHour(number);
    if (hour === undefined) return true;
    const late = missing(hour, 0, hour.raw.count, IN_ROLLUP["1h"]);
    if (hour.rollup !== undefined && late === 0) return true;
    const day = this.#store.catalog.days.get(Math.floor(number / 24));
    if (hour.rollup === undefined && day !== undefined && !isDayWhole(day)) return true;
    return this.#roll("1h", number);
  }

  async #day(number: number): Promise<boolean> {
    const isThere = this.#store.catalog.rollup("1d", number) !== undefined;
    return (isThere && this.#late("1d", number).length === 0) || this.#roll("1d", number);
  }

  #findDay(minute: number): Day | undefined {
    return this.#store.catalog.days.get(Math.floor(minute / 1440));
  }

  #findHour(number: number): Hour | undefined {
    return this.#store.catalog.days.get(Math.floor(number / 24))?.hours.get(number);
  }

  /** Writes the roll-up of a period: the one that is there and what it lacks, or everything one level below. */
  async #roll(level: RollupLevel, period: number): Promise<boolean> {
    const files = this.#inputs(level, period);
    const intervals = files.reduce((sum, file) => sum + file.intervals, 0);
    if (files.length === 0 || this.#leftOut.get(`${level} ${period}`) === intervals) return true;
    const [start, end] = [periodStart(level, period), periodStart(level, period + 1)];
    const path = this.#store.rollupPath(level, period);
    const wanted = {
      kind: "rollup",
      path,
      temporary: this.#store.temporaryPath(),
      period,
      start,
      end,
    } as const;
    const began = performance.now();
    try {
      const { size, manifest } = await this.#worker.run<RolledUp>({ files, wanted });
      const rollup = describeRollup(level, period, size, manifest, Date.now());
      this.#store.catalog.setRollup(rollup, manifest.parts);
    } catch (error) {
      return this.#failed(level, period, intervals, error);
    }
    this.problem = null;
    const seconds = (performance.now() - began) / 1e3;
    this.#metrics.rollupSeconds.observe({ level }, seconds);
    this.#store.logger.debug({ level, period, intervals, seconds }, "rolled up");
    return this.#late(level, period).length === 0;
  }

  #inputs(level: RollupLevel, period: number): PlannedFile[] {
    const existing = this.#store.catalog.rollup(level, period);
    if (existing !== undefined) return [this.#file(existing), ...this.#late(level, period)];
    if (level === "1m") return this.#late(level, period);
    if (level === "1h") return this.#belowHour(this.#findHour(period));
    return [...(this.#store.catalog.days.get(period)?.hours.values() ?? [])].flatMap((hour) =>
      hour.rollup === undefined
        ? this.#belowHour(hour)
        : [this.#file(hour.rollup), ...this.#late("1h", hour.hour)],
    );
  }

  /** Everything of an hour, its own roll-up aside. */
  #belowHour(hour: Hour | undefined): PlannedFile[] {
    if (hour === undefined) return [];
    const minutes = [...hour.minutes.values()].map((rollup) => this.#file(rollup));
    return [...minutes, ...this.#rowsWithout(hour, 0, hour.raw.count, IN_ROLLUP["1m"])];
  }

  #file({ level, period, intervals }: Rollup): PlannedFile {
    return { path: this.#store.rollupPath(level, period), intervals };
  }

  /** The raw archives of a period that are not in its roll-up. */
  #late(level: RollupLevel, period: number): PlannedFile[] {
    return [...this.#store.catalog.rows(level, period)].flatMap(({ hour, first, end }) =>
      this.#rowsWithout(hour, first, end, IN_ROLLUP[level]),
    );
  }

  #rowsWithout(hour: Hour, first: number, end: number, flag: number): PlannedFile[] {
    const files: PlannedFile[] = [];
    for (let row = first; row < end; row++) {
      if ((hour.raw.flags[row]! & flag) !== 0) continue;
      files.push({ path: this.#store.rawPath(this.#store.catalog.rawEntry(hour, row)), intervals: 1 });
    }
    return files;
  }

  async #failed(level: RollupLevel, period: number, intervals: number, error: unknown): Promise<boolean> {
    if (!(error instanceof TaskError)) throw error;
    const { fault, message, path } = error;
    if (fault === "cancelled" || fault === "stale") return false;
    this.#metrics.rollupFailures.inc({ level });
    if (fault === "bad") {
      await this.#store.reject(path, message);
      return false;
    }
    if (fault !== "disk") {
      // Left out until something is added to the period: what fails today fails tomorrow, and others wait.
      this.#leftOut.set(`${level} ${period}`, intervals);
      const start = timeText(periodStart(level, period));
      const mend = fault === "memory" ? "raise limits.memory_bytes" : "";
      this.#store.logger.error({ level, start, intervals, why: message, mend }, "a roll-up is left out");
      return true;
    }
    this.#pausedUntil = Date.now() + DISK_PAUSE_MS;
    this.problem = message;
    if (this.#lines.once(fault)) this.#store.logger.error({ level, why: message }, "cannot write a roll-up");
    return false;
  }
}

/** Whether a roll-up made now for a part of this hour would hold all of that part: nothing of it has expired. */
const isWholeBelow = (day: Day | undefined, hour: Hour): boolean =>
  isHourWhole(hour) && (hour.rollup !== undefined || day === undefined || isDayWhole(day));
