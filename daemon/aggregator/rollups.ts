/**
 * Rolls intervals up: minutes from raw archives, hours from minutes, days from hours, each once it is over. A late
 * archive is added to every level that exists already, so a roll-up plus the raw archives that are not among its parts
 * is always the whole. Work is derived from the catalog alone: nothing needs to be remembered over a restart.
 */
import { stat } from "node:fs/promises";
import { LineLimit } from "../log.js";
import type { Day, Hour, Rollup } from "./catalog.js";
import type { AggregatorConfig } from "./config.js";
import { type MatrixWorker, TaskError } from "./matrix-worker.js";
import type { Metrics } from "./metrics.js";
import { periodOf, periodStart, ROLLUP_LEVELS, type RollupLevel, timeText } from "./periods.js";
import { isDayWhole, isHourWhole, minuteRows, missing, type PlannedFile } from "./plan.js";
import { RollupWriter } from "./rollup-writer.js";
import { IN_ROLLUP } from "./shelf.js";
import type { Store } from "./store.js";

/** A minute into which late archives keep coming is rolled up after this time all the same. */
const PATIENCE_MS = 60_000;
/** After the disk was full. */
const DISK_PAUSE_MS = 5_000;

/** A period that cannot be rolled up for no known reason is tried again after this time, then ever more rarely. */
const RETRY_MS = 1_000;
const RETRY_MS_MAX = 3_600_000;
/** Periods whose failures are remembered. */
const FAILURES_MAX = 4096;

interface PendingMinute {
  /** When the first and the last of its archives came that are not rolled up, monotonic ms. */
  first: number;
  last: number;
}

interface Failure {
  attempts: number;
  /** Intervals the sum would have had: another number is another chance. */
  intervals: number;
  /** Monotonic ms. */
  retryAt: number;
}

const LONG_AGO = Number.NEGATIVE_INFINITY;
const keyOf = (level: RollupLevel, period: number): string => `${level} ${period}`;

export class Rollups {
  settings: AggregatorConfig["rollup"];
  readonly #store: Store;
  readonly #writer: RollupWriter;
  readonly #metrics: Metrics;
  readonly #lines = new LineLimit();
  readonly #minutes = new Map<number, PendingMinute>();
  readonly #hours = new Set<number>();
  readonly #days = new Set<number>();
  /** Periods to be rolled up at the next turn, whether they are over or not: retention waits for them. */
  #urged = new Map<string, { level: RollupLevel; period: number }>();
  readonly #failures = new Map<string, Failure>();
  /** Monotonic ms. */
  #pausedUntil = LONG_AGO;
  /** Calls of work() that have begun: each was a chance for what had been urged before. */
  turns = 0;
  /** Why roll-ups cannot be written now, if so. */
  problem: string | null = null;

  constructor(store: Store, worker: MatrixWorker, metrics: Metrics, settings: AggregatorConfig["rollup"]) {
    this.#store = store;
    this.#writer = new RollupWriter(store, worker);
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
          this.#minutes.set(hour.hour * 60 + Math.floor(hour.raw.offset[row]! / 60e9), {
            first: LONG_AGO,
            last: LONG_AGO,
          });
        }
      }
    }
  }

  /** Takes note of a raw archive that has been stored. */
  stored(start: bigint): void {
    const minute = periodOf("1m", start);
    const now = this.#store.clocks.monotonic();
    const pending = this.#minutes.get(minute);
    if (pending !== undefined) pending.last = now;
    else this.#minutes.set(minute, { first: now, last: now });
    this.#hours.add(Math.floor(minute / 60));
    this.#days.add(Math.floor(minute / 1440));
    if (this.#store.catalog.rollup("1m", minute) !== undefined) this.#metrics.late.inc();
  }

  /** Has a period rolled up at the next turn, though it may not be over: what is in it is about to be deleted. */
  urge(level: RollupLevel, period: number): void {
    this.#urged.set(keyOf(level, period), { level, period });
  }

  /** Writes the roll-ups that are due. */
  async work(): Promise<void> {
    this.turns++;
    if (this.#isPaused()) return;
    await this.#workUrged();
    const now = this.#store.clocks.monotonic();
    for (const [minute, pending] of this.#minutes) {
      if (this.#isPaused()) return;
      const settled = now - pending.last >= this.settings.grace || now - pending.first >= PATIENCE_MS;
      if (!settled || !this.#isOver("1m", minute)) continue;
      if (await this.#minute(minute)) this.#minutes.delete(minute);
    }
    for (const hour of this.#hours) {
      if (this.#isPaused()) return;
      if (!this.#isOver("1h", hour) || this.#hasPending(hour)) continue;
      if (await this.#hour(hour)) this.#hours.delete(hour);
    }
    for (const day of this.#days) {
      if (this.#isPaused()) return;
      if (!this.#isOver("1d", day)) continue;
      if (this.#hasPendingHours(day)) continue;
      if (await this.#day(day)) this.#days.delete(day);
    }
  }

  /** Finest level first. What cannot be done now is urged again by whoever wants it. */
  async #workUrged(): Promise<void> {
    const urged = [...this.#urged.values()];
    this.#urged = new Map();
    for (const wanted of ROLLUP_LEVELS) {
      for (const { level, period } of urged) {
        if (level !== wanted) continue;
        if (this.#isPaused()) return;
        if (level === "1m" && (await this.#minute(period))) this.#minutes.delete(period);
        else if (level === "1h") await this.#hour(period);
        else if (level === "1d") await this.#day(period);
      }
    }
  }

  #isPaused(): boolean {
    return this.#store.clocks.monotonic() < this.#pausedUntil;
  }

  #isOver(level: RollupLevel, period: number): boolean {
    return (
      this.#store.clocks.wall() >= Number(periodStart(level, period + 1) / 1_000_000n) + this.settings.grace
    );
  }

  #hasPending(hour: number): boolean {
    for (let minute = hour * 60; minute < hour * 60 + 60; minute++)
      if (this.#minutes.has(minute) && !this.#failures.has(keyOf("1m", minute))) return true;
    return false;
  }

  #hasPendingHours(day: number): boolean {
    const hours = Array.from({ length: 24 }, (_, hour) => day * 24 + hour);
    return hours.some((hour) => this.#hours.has(hour) && !this.#failures.has(keyOf("1h", hour)));
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
    if (files.length === 0) return true;
    const failure = this.#failures.get(keyOf(level, period));
    if (failure?.intervals === intervals && this.#store.clocks.monotonic() < failure.retryAt) return false;
    const began = performance.now();
    try {
      await this.#writer.write({ level, period }, files);
    } catch (error) {
      await this.#failed(level, period, files, error);
      return false;
    }
    this.problem = null;
    const seconds = (performance.now() - began) / 1e3;
    const left = this.#late(level, period).length;
    if (left < intervals) {
      this.#metrics.rollupSeconds.observe({ level }, seconds);
      this.#store.logger.debug({ level, period, intervals, left, seconds }, "rolled up");
    }
    if (left === 0) this.#failures.delete(keyOf(level, period));
    else this.#fail(level, period, left, "it does not fit in limits.memory_bytes, or its worker ends of it");
    return left === 0;
  }

  /** What is to be added to the roll-up of a period, or what it is to be made of. */
  #inputs(level: RollupLevel, period: number): PlannedFile[] {
    const exists = this.#store.catalog.rollup(level, period) !== undefined;
    if (exists || level === "1m") return this.#late(level, period);
    if (level === "1h") return this.#belowHour(this.#findHour(period));
    return [...(this.#store.catalog.days.get(period)?.hours.values() ?? [])].flatMap((hour) =>
      hour.rollup === undefined
        ? this.#belowHour(hour)
        : [...this.#files(hour.rollup), ...this.#late("1h", hour.hour)],
    );
  }

  /** Everything of an hour, its own roll-up aside. */
  #belowHour(hour: Hour | undefined): PlannedFile[] {
    if (hour === undefined) return [];
    const minutes = [...hour.minutes.values()].flatMap((rollup) => this.#files(rollup));
    return [...minutes, ...this.#rowsWithout(hour, 0, hour.raw.count, IN_ROLLUP["1m"])];
  }

  #files({ level, period, parts }: Rollup): PlannedFile[] {
    return parts.map(({ part, intervals }) => ({
      path: this.#store.rollupPath(level, period, part),
      intervals,
    }));
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

  async #failed(
    level: RollupLevel,
    period: number,
    files: readonly PlannedFile[],
    error: unknown,
  ): Promise<void> {
    if (!(error instanceof TaskError)) throw error;
    const { fault, message, path } = error;
    const intervals = files.reduce((sum, file) => sum + file.intervals, 0);
    // Nothing else deletes files while roll-ups are made: one that is not there has been taken away.
    if (fault === "stale" && (await isGone(path)))
      return this.#store.reject(path, "it is not there any more");
    if (fault === "cancelled" || fault === "stale") return;
    if (fault !== "bad" && fault !== "disk") return this.#fail(level, period, intervals, message);
    this.#metrics.rollupFailures.inc({ level });
    if (fault === "bad") await error.setAside(this.#store);
    else {
      this.#pausedUntil = this.#store.clocks.monotonic() + DISK_PAUSE_MS;
      this.problem = message;
      const parts = this.#store.catalog.rollup(level, period)?.parts.slice(-1) ?? [];
      const paths = this.#store.rollupPaths({ level, period, parts });
      this.#store.wants(await bytesOf([...paths, ...files.map((file) => file.path)]));
      if (this.#lines.once(fault))
        this.#store.logger.error({ level, why: message }, "cannot write a roll-up");
    }
  }

  /** Intervals that are not in the sum of their period: tried again, ever more rarely. */
  #fail(level: RollupLevel, period: number, intervals: number, why: string): void {
    this.#metrics.rollupFailures.inc({ level });
    const attempts = (this.#failures.get(keyOf(level, period))?.attempts ?? 0) + 1;
    const pause = Math.min(RETRY_MS_MAX, RETRY_MS * 4 ** Math.min(attempts, 20));
    const retryAt = this.#store.clocks.monotonic() + pause;
    this.#failures.set(keyOf(level, period), { attempts, intervals, retryAt });
    if (this.#failures.size > FAILURES_MAX) this.#failures.delete(this.#failures.keys().next().value!);
    if (attempts > 1) return;
    const start = timeText(periodStart(level, period));
    const mend =
      "raise limits.memory_bytes; it is tried again until its age is over, and deleted unsummed then";
    this.#store.logger.error({ level, start, intervals, why, mend }, "intervals cannot be summed");
  }
}

const isGone = (path: string): Promise<boolean> =>
  stat(path).then(
    () => false,
    (error: NodeJS.ErrnoException) => error.code === "ENOENT",
  );

/** Bytes of files; what has gone counts as nothing. */
async function bytesOf(paths: readonly string[]): Promise<number> {
  let bytes = 0;
  for (const path of paths) bytes += (await stat(path).catch(() => undefined))?.size ?? 0;
  return bytes;
}

/** Whether a roll-up made now for a part of this hour would hold all of that part: nothing of it has expired. */
const isWholeBelow = (day: Day | undefined, hour: Hour): boolean =>
  isHourWhole(hour) && (hour.rollup !== undefined || day === undefined || isDayWhole(day));
