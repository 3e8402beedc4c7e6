/**
 * Which files make up the sum over a range of time: the coarsest roll-ups that lie inside the range, and raw archives
 * at its edges; and besides each roll-up the raw archives that arrived too late to be in it. Each interval is in
 * exactly one of the files. An interval belongs to the range in which it starts.
 */
import type { Catalog, Day, Hour, Rollup } from "./catalog.js";
import { LEVEL_MINUTES, periodStart, type RollupLevel, timeText } from "./periods.js";
import { Refusal } from "./refusal.js";
import { IN_ROLLUP } from "./shelf.js";
import type { Store } from "./store.js";

export interface PlannedFile {
  path: string;
  /** What the roll-up contained when the plan was made: another number is another version. 1 for raw archives. */
  intervals: number;
}

export interface PlanOptions {
  from: bigint;
  to: bigint;
  /** Only the intervals of this sensor. */
  sensor?: string | undefined;
  /** Coarsest roll-ups to use; "raw" for none. Default 1d. */
  coarsest?: RollupLevel | "raw";
  /** More files than that are refused (413). */
  maxFiles?: number;
}

/**
 * Throws Refusal TOO_FINE (416) when the range cuts through a roll-up whose parts have expired, TOO_MANY_ARCHIVES
 * (413) when it needs more than `maxFiles`.
 */
export function planSum(store: Store, options: PlanOptions): PlannedFile[] {
  const planner = new Planner(store, options);
  for (const day of ordered(store.catalog.days.values(), (one) => one.day)) planner.day(day);
  return planner.files;
}

/** Intervals of a minute that can be had: those in its roll-up and the raw ones that are not. */
function availableInMinute(hour: Hour, minute: number): number {
  const rollup = hour.minutes.get(minute);
  const [first, end] = minuteRows(hour, minute);
  return (rollup?.intervals ?? 0) + missing(hour, first, end, rollup === undefined ? 0 : IN_ROLLUP["1m"]);
}

/** Intervals of an hour that can be had from its minutes and raw archives, leaving its own roll-up aside. */
export function availableBelowHour(hour: Hour): number {
  let sum = 0;
  for (let minute = hour.hour * 60; minute < hour.hour * 60 + 60; minute++) {
    sum += availableInMinute(hour, minute);
  }
  return sum;
}

export const availableInHour = (hour: Hour): number =>
  hour.rollup === undefined
    ? availableBelowHour(hour)
    : hour.rollup.intervals + missing(hour, 0, hour.raw.count, IN_ROLLUP["1h"]);

/** Intervals of a day that can be had from its hours, leaving its own roll-up aside. */
export function availableBelowDay(day: Day): number {
  let sum = 0;
  for (const hour of day.hours.values()) sum += availableInHour(hour);
  return sum;
}

/** Whether an hour's roll-up could be made again from its minutes and raw archives. */
export const isHourWhole = (hour: Hour): boolean =>
  hour.rollup === undefined || availableBelowHour(hour) >= availableInHour(hour);

export function isDayWhole(day: Day): boolean {
  if (day.rollup === undefined) return true;
  let late = 0;
  for (const hour of day.hours.values()) late += missing(hour, 0, hour.raw.count, IN_ROLLUP["1d"]);
  return availableBelowDay(day) >= day.rollup.intervals + late;
}

/** Rows of a minute's raw archives. */
export function minuteRows(hour: Hour, minute: number): [first: number, end: number] {
  const offset = (minute - hour.hour * 60) * 60e9;
  return hour.raw.between(offset, offset + 60e9);
}

/** Rows of [first, end) that lack the flag; all of them for flag 0. */
export function missing(hour: Hour, first: number, end: number, flag: number): number {
  let count = 0;
  for (let row = first; row < end; row++) if ((hour.raw.flags[row]! & flag) === 0) count++;
  return count;
}

class Planner {
  readonly files: PlannedFile[] = [];
  readonly #store: Store;
  readonly #catalog: Catalog;
  readonly #options: PlanOptions;
  readonly #coarsestMinutes: number;

  constructor(store: Store, options: PlanOptions) {
    this.#store = store;
    this.#catalog = store.catalog;
    this.#options = options;
    const coarsest = options.coarsest ?? "1d";
    this.#coarsestMinutes = coarsest === "raw" ? 0 : LEVEL_MINUTES[coarsest];
  }

  day(day: Day): void {
    if (!this.#overlaps("1d", day.day)) return;
    const hours = () => ordered(day.hours.values(), ({ hour }) => hour);
    if (this.#usable(day.rollup)) {
      this.#rollup(day.rollup);
      for (const hour of hours()) this.#rows(hour, 0, hour.raw.sorted().count, IN_ROLLUP["1d"]);
      return;
    }
    this.#mustSplit(day.rollup, () => isDayWhole(day));
    for (const hour of hours()) this.#hour(hour);
  }

  #hour(hour: Hour): void {
    if (!this.#overlaps("1h", hour.hour)) return;
    if (this.#usable(hour.rollup)) {
      this.#rollup(hour.rollup);
      this.#rows(hour, 0, hour.raw.sorted().count, IN_ROLLUP["1h"]);
      return;
    }
    this.#mustSplit(hour.rollup, () => isHourWhole(hour));
    for (let minute = hour.hour * 60; minute < hour.hour * 60 + 60; minute++) this.#minute(hour, minute);
  }

  #minute(hour: Hour, minute: number): void {
    if (!this.#overlaps("1m", minute)) return;
    const rollup = hour.minutes.get(minute);
    const [first, end] = minuteRows(hour, minute);
    if (this.#usable(rollup)) {
      this.#rollup(rollup);
      this.#rows(hour, first, end, IN_ROLLUP["1m"]);
      return;
    }
    this.#mustSplit(
      rollup,
      () => end - first - missing(hour, first, end, IN_ROLLUP["1m"]) === rollup!.intervals,
    );
    this.#rows(hour, first, end, 0);
  }

  /** Whether a roll-up can stand for its period: it lies in the range, and holds nobody else's intervals. */
  #usable(rollup: Rollup | undefined): rollup is Rollup {
    if (rollup === undefined || LEVEL_MINUTES[rollup.level] > this.#coarsestMinutes) return false;
    const { from, to, sensor } = this.#options;
    const { level, period, sensors } = rollup;
    if (periodStart(level, period) < from || periodStart(level, period + 1) > to) return false;
    return sensor === undefined || sensors.length === 0 || (sensors.length === 1 && sensors[0] === sensor);
  }

  /** A roll-up that cannot be used must be had in parts. */
  #mustSplit(rollup: Rollup | undefined, isWhole: () => boolean): void {
    const { sensor } = this.#options;
    if (rollup === undefined || (sensor !== undefined && !rollup.sensors.includes(sensor)) || isWhole())
      return;
    const { level, period } = rollup;
    const [start, end] = [periodStart(level, period), periodStart(level, period + 1)];
    const forSensor = sensor === undefined ? "" : `, or leave out sensor`;
    throw new Refusal(
      `${timeText(start)} to ${timeText(end)} is kept only as one ${level} roll-up of all sensors by now`,
      {
        status: 416,
        cause: "bad_request",
        code: "TOO_FINE",
        mend: `let from and to fall on ${timeText(start)} or ${timeText(end)}${forSensor}`,
      },
    );
  }

  #overlaps(level: RollupLevel, period: number): boolean {
    return (
      periodStart(level, period) < this.#options.to && periodStart(level, period + 1) > this.#options.from
    );
  }

  #rollup({ level, period, parts }: Rollup): void {
    for (const { part, intervals } of parts)
      this.#add(this.#store.rollupPath(level, period, part), intervals);
  }

  /** The raw archives of rows [first, end) that are in the range and lack the flag. */
  #rows(hour: Hour, first: number, end: number, flag: number): void {
    const { from, to, sensor } = this.#options;
    const { raw } = hour;
    for (let row = first; row < end; row++) {
      if ((raw.flags[row]! & flag) !== 0) continue;
      const entry = this.#catalog.rawEntry(hour, row);
      if (entry.start < from || entry.start >= to) continue;
      if (sensor === undefined || entry.run.sensor === sensor) this.#add(this.#store.rawPath(entry), 1);
    }
  }

  #add(path: string, intervals: number): void {
    const { maxFiles = Number.POSITIVE_INFINITY } = this.#options;
    if (this.files.length >= maxFiles) {
      throw new Refusal(`the range needs more than limits.max_query_archives (${maxFiles}) archives`, {
        status: 413,
        cause: "too_large",
        code: "TOO_MANY_ARCHIVES",
        mend: "ask for a shorter range, or one that begins and ends on full minutes or hours",
      });
    }
    this.files.push({ path, intervals });
  }
}

const ordered = <T>(items: Iterable<T>, by: (item: T) => number): T[] =>
  [...items].sort((a, b) => by(a) - by(b));
