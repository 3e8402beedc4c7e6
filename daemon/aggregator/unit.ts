/**
 * What retention deletes at once: the raw archives of a minute, the minutes of an hour, the hours of a day, or a day. Best
 * together, since a period of which something has gone can no longer be split into finer ones.
 */
import type { Catalog, Day, Hour, Rollup } from "./catalog.js";
import { type Level, periodStart, type RollupLevel } from "./periods.js";
import { availableBelowDay, availableBelowHour, minuteRows, missing } from "./plan.js";
import { IN_ROLLUP } from "./shelf.js";

export interface Unit {
  readonly level: Level;
  /** Number of its minute (raw), hour (1m) or day (1h, 1d). */
  readonly period: number;
  readonly day: Day;
  readonly hour?: Hour;
  /** Raw rows of the hour, [first, end). */
  readonly rows?: readonly [first: number, end: number];
  readonly rollups: readonly Rollup[];
  readonly bytes: number;
  /** First ns of its period. */
  readonly start: bigint;
}

/** The units of a level, oldest first. Made one by one: what is deleted in between is seen. */
export function* unitsOf(catalog: Catalog, level: Level): Generator<Unit> {
  for (const day of [...catalog.days.values()].sort((a, b) => a.day - b.day)) {
    const hours = [...day.hours.values()].sort((a, b) => a.hour - b.hour);
    if (level === "raw") for (const hour of hours) yield* minutesOf(day, hour);
    if (level === "1m") {
      for (const hour of hours) yield* unitOf("1m", hour.hour, day, [...hour.minutes.values()], hour);
    }
    if (level === "1h") yield* unitOf("1h", day.day, day, hours.map(({ rollup }) => rollup).filter(isThere));
    if (level === "1d") yield* unitOf("1d", day.day, day, [day.rollup].filter(isThere));
  }
}

const isThere = (rollup: Rollup | undefined): rollup is Rollup => rollup !== undefined;

function* minutesOf(day: Day, hour: Hour): Generator<Unit> {
  for (let minute = hour.hour * 60; minute < hour.hour * 60 + 60; minute++) {
    if (hour.raw.count === 0) return;
    const rows = minuteRows(hour, minute);
    if (rows[0] === rows[1]) continue;
    let bytes = 0;
    for (let row = rows[0]; row < rows[1]; row++) bytes += hour.raw.size[row]!;
    const start = periodStart("1m", minute);
    yield { level: "raw", period: minute, day, hour, rows, rollups: [], bytes, start };
  }
}

function* unitOf(
  level: RollupLevel,
  period: number,
  day: Day,
  rollups: readonly Rollup[],
  hour?: Hour,
): Generator<Unit> {
  if (rollups.length === 0) return;
  const bytes = rollups.reduce((sum, { size }) => sum + size, 0);
  const start = hour === undefined ? periodStart("1d", period) : periodStart("1h", period);
  yield { level, period, day, ...(hour && { hour }), rollups, bytes, start };
}

/**
 * The roll-ups that must be written (again) until the unit can go without loss of anything: those that exist must contain
 * it, and there must be one. Empty: it can go.
 */
export function lackingOf(unit: Unit): [level: RollupLevel, period: number][] {
  const { level, period, day, hour } = unit;
  if (level === "raw") return lackingOfRows(unit);
  if (level === "1m") return isInHour(hour!) ? [] : [["1h", period]];
  if (level === "1h") return isInDay(day) ? [] : [["1d", period]];
  return [];
}

function lackingOfRows({ day, hour, rows, period }: Unit): [RollupLevel, number][] {
  const wanted = flagsWanted(day, hour!, period);
  if (wanted === 0) return [["1m", period]];
  let lacking = 0;
  for (let row = rows![0]; row < rows![1]; row++) lacking |= wanted & ~hour!.raw.flags[row]!;
  const all = [["1m", period] as const, ["1h", hour!.hour] as const, ["1d", day.day] as const];
  return all.filter(([one]) => (lacking & IN_ROLLUP[one]) !== 0).map(([one, number]) => [one, number]);
}

/** The rows of a minute that are in all of its roll-ups, though others of it are not: they can go if there is no room. */
export function summedRows({ day, hour, rows, period }: Unit): Set<number> {
  const wanted = flagsWanted(day, hour!, period);
  const summed = new Set<number>();
  for (let row = rows![0]; wanted !== 0 && row < rows![1]; row++) {
    if ((hour!.raw.flags[row]! & wanted) === wanted) summed.add(row);
  }
  return summed;
}

/** The roll-ups that exist for a minute must contain its raw archives; 0 when there is none at all. */
function flagsWanted(day: Day, hour: Hour, minute: number): number {
  return (
    (hour.minutes.has(minute) ? IN_ROLLUP["1m"] : 0) |
    (hour.rollup === undefined ? 0 : IN_ROLLUP["1h"]) |
    (day.rollup === undefined ? 0 : IN_ROLLUP["1d"])
  );
}

/** Whether an hour's roll-up contains all that its minutes do. */
function isInHour(hour: Hour): boolean {
  const { rollup, raw } = hour;
  if (rollup === undefined || missing(hour, 0, raw.count, IN_ROLLUP["1h"]) > 0) return false;
  return availableBelowHour(hour) <= rollup.intervals;
}

function isInDay(day: Day): boolean {
  if (day.rollup === undefined) return false;
  for (const hour of day.hours.values()) {
    if (missing(hour, 0, hour.raw.count, IN_ROLLUP["1d"]) > 0) return false;
  }
  return availableBelowDay(day) <= day.rollup.intervals;
}

/**
 * Finer roll-ups of rows that are deleted although a coarser one lacks them. They would tell of intervals that the coarser
 * one does not know; all else in them is in the coarser one, or still there as raw archives.
 */
export function contradicting({ day, hour, rows, period }: Unit): Rollup[] {
  const { flags } = hour!.raw;
  let [hasMinute, hasHour] = [false, false];
  for (let row = rows![0]; row < rows![1]; row++) {
    const lacks = flagsWanted(day, hour!, period) & ~flags[row]!;
    hasMinute ||= (flags[row]! & IN_ROLLUP["1m"]) !== 0 && lacks !== 0;
    hasHour ||= (flags[row]! & IN_ROLLUP["1h"]) !== 0 && (lacks & IN_ROLLUP["1d"]) !== 0;
  }
  return [hasMinute ? hour!.minutes.get(period) : undefined, hasHour ? hour!.rollup : undefined].filter(
    isThere,
  );
}

export const intervalsIn = ({ rows, rollups }: Unit): number =>
  rows === undefined ? rollups.reduce((sum, { intervals }) => sum + intervals, 0) : rows[1] - rows[0];

/** Intervals of a day that can be had, from whichever files. */
export function availableInDay(day: Day): number {
  if (day.rollup === undefined) return availableBelowDay(day);
  let sum = day.rollup.intervals;
  for (const hour of day.hours.values()) sum += missing(hour, 0, hour.raw.count, IN_ROLLUP["1d"]);
  return sum;
}

/** Whether the unit is no longer what it was when it was made: rows have come, a roll-up has been written or has gone. */
export function hasChanged({ level, period, day, hour, rows, rollups }: Unit): boolean {
  if (rows !== undefined) {
    const [first, end] = minuteRows(hour!, period);
    return first !== rows[0] || end !== rows[1];
  }
  const now = (rollup: Rollup): Rollup | undefined => {
    if (level === "1m") return hour!.minutes.get(rollup.period);
    return level === "1d" ? day.rollup : day.hours.get(rollup.period)?.rollup;
  };
  return rollups.some((rollup) => now(rollup) !== rollup);
}
