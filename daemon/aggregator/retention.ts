/**
 * What is deleted, and when: by age (since a file was written) and, when the store is over its size, the oldest first.
 * A raw archive goes only once every roll-up that it belongs to contains it; a minute only once its hour does, an hour
 * only once its day does. So whatever is deleted, the sums stay whole, and duplicates stay known.
 */
import type { Day, Hour, Rollup } from "./catalog.js";
import type { AggregatorConfig } from "./config.js";
import type { Metrics } from "./metrics.js";
import type { Level } from "./periods.js";
import { availableBelowDay, availableBelowHour, missing } from "./plan.js";
import { IN_ROLLUP } from "./shelf.js";
import type { Store } from "./store.js";

/** Over `max_bytes` times the first, the oldest files go, until the store is below the second. */
const FULL_SHARE = 0.95;
const RELIEVED_SHARE = 0.85;

type Cause = "age" | "bytes";

export class Retention {
  settings: AggregatorConfig["store"];
  readonly #store: Store;
  readonly #metrics: Metrics;

  constructor(store: Store, metrics: Metrics, settings: AggregatorConfig["store"]) {
    this.#store = store;
    this.#metrics = metrics;
    this.settings = settings;
  }

  get isFull(): boolean {
    return this.#isOver(FULL_SHARE);
  }

  #isOver(share: number): boolean {
    return this.#store.catalog.totalBytes > this.settings.max_bytes * share;
  }

  /** Deletes what is due at `now` (ms since 1970). */
  async work(now = Date.now()): Promise<void> {
    const deleted = new Map<string, { level: Level; cause: Cause; files: number; bytes: number }>();
    const note = (level: Level, cause: Cause, files: number, bytes: number): void => {
      if (files === 0) return;
      const entry = deleted.get(`${level} ${cause}`) ?? { level, cause, files: 0, bytes: 0 };
      deleted.set(`${level} ${cause}`, {
        ...entry,
        files: entry.files + files,
        bytes: entry.bytes + bytes,
      });
      this.#metrics.deleted.inc({ level, cause }, files);
    };
    await this.#pass("age", (level, written) => now - written >= this.#keep(level), note);
    const isOver = (): boolean => this.#isOver(RELIEVED_SHARE);
    if (this.isFull) await this.#pass("bytes", isOver, note);
    for (const entry of deleted.values()) this.#store.logger.info(entry, "archives deleted by retention");
  }

  #keep(level: Level): number {
    return this.settings[`keep_${level}`];
  }

  /** Goes through the store, finest level and oldest period first, and deletes what `isDue` and may go. */
  async #pass(
    cause: Cause,
    isDue: (level: Level, written: number) => boolean,
    note: (level: Level, cause: Cause, files: number, bytes: number) => void,
  ): Promise<void> {
    const days = [...this.#store.catalog.days.values()].sort((a, b) => a.day - b.day);
    const hours = days.flatMap((day) =>
      [...day.hours.values()].sort((a, b) => a.hour - b.hour).map((hour) => ({ day, hour })),
    );
    for (const { day, hour } of hours) {
      for (let minute = hour.hour * 60; minute < hour.hour * 60 + 60; minute++) {
        const [files, bytes] = await this.#rawMinute(day, hour, minute, (written) => isDue("raw", written));
        note("raw", cause, files, bytes);
      }
    }
    for (const { hour } of hours) {
      const minutes = [...hour.minutes.values()];
      if (minutes.length > 0 && minutes.every(({ written }) => isDue("1m", written)) && isInHour(hour)) {
        for (const rollup of minutes) note("1m", cause, 1, await this.#rollup(rollup));
      }
    }
    for (const day of days) {
      const inDay = [...day.hours.values()]
        .map(({ rollup }) => rollup)
        .filter((rollup) => rollup !== undefined);
      if (inDay.length > 0 && inDay.every(({ written }) => isDue("1h", written)) && isInDay(day)) {
        for (const rollup of inDay) note("1h", cause, 1, await this.#rollup(rollup));
      }
    }
    for (const { rollup } of days) {
      if (rollup !== undefined && isDue("1d", rollup.written))
        note("1d", cause, 1, await this.#rollup(rollup));
    }
  }

  /** Deletes the raw archives of a minute, all or none. */
  async #rawMinute(
    day: Day,
    hour: Hour,
    minute: number,
    isDue: (written: number) => boolean,
  ): Promise<[files: number, bytes: number]> {
    const { raw } = hour;
    const offset = (minute - hour.hour * 60) * 60e9;
    const [first, end] = raw.between(offset, offset + 60e9);
    const flags = wantedFlags(day, hour, minute);
    if (first === end || flags === 0) return [0, 0];
    for (let row = first; row < end; row++) {
      if ((raw.flags[row]! & flags) !== flags || !isDue(raw.written[row]!)) return [0, 0];
    }
    const paths: string[] = [];
    let bytes = 0;
    for (let row = first; row < end; row++) {
      paths.push(this.#store.rawPath(this.#store.catalog.rawEntry(hour, row)));
      bytes += raw.size[row]!;
    }
    this.#store.catalog.removeRaw(hour, (row) => row >= first && row < end);
    for (const path of paths) await this.#delete(path);
    return [paths.length, bytes];
  }

  async #rollup(rollup: Rollup): Promise<number> {
    this.#store.catalog.removeRollup(rollup);
    await this.#delete(this.#store.rollupPath(rollup.level, rollup.period));
    return rollup.size;
  }

  /** A file that cannot be deleted is back in the catalog after a restart. */
  async #delete(path: string): Promise<void> {
    try {
      await this.#store.remove(path);
    } catch (error) {
      const { code } = error as NodeJS.ErrnoException;
      this.#store.logger.error({ file: path, code }, "cannot be deleted");
    }
  }
}

/** The roll-ups that exist for a minute must contain its raw archives; 0 when there is none at all. */
function wantedFlags(day: Day, hour: Hour, minute: number): number {
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
