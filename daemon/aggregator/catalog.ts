/**
 * What is in the store, in memory: a tree of days, hours and minutes with the roll-up of each and the raw rows of each
 * hour. Only names, sizes and counts: manifests and matrices stay on disk until somebody asks.
 */
import type { Manifest } from "../../lib/manifest.js";
import { Identities, type Run } from "./identities.js";
import { LEVEL_MINUTES, type Level, periodOf, periodStart, type RollupLevel } from "./periods.js";
import { RangeSet } from "./ranges.js";
import { IN_ROLLUP, Shelf } from "./shelf.js";

/** The file of one period of a roll-up level. */
export interface Rollup {
  readonly level: RollupLevel;
  readonly period: number;
  size: number;
  /** ms since 1970 */
  written: number;
  /** Sealed intervals summed in it. Only grows, so it names the version of the file, too. */
  intervals: number;
  /** Whose intervals they are. */
  sensors: readonly string[];
}

export interface Hour {
  readonly hour: number;
  readonly raw: Shelf;
  readonly minutes: Map<number, Rollup>;
  rollup?: Rollup;
}

export interface Day {
  readonly day: number;
  readonly hours: Map<number, Hour>;
  rollup?: Rollup;
}

/** One raw archive, as the catalog knows it. */
export interface RawEntry {
  start: bigint;
  run: Run;
  sequence: number;
  size: number;
  written: number;
}

export class Catalog {
  readonly identities = new Identities();
  readonly days = new Map<number, Day>();
  readonly files: Record<Level, number> = { raw: 0, "1m": 0, "1h": 0, "1d": 0 };
  readonly bytes: Record<Level, number> = { raw: 0, "1m": 0, "1h": 0, "1d": 0 };

  get totalBytes(): number {
    return this.bytes.raw + this.bytes["1m"] + this.bytes["1h"] + this.bytes["1d"];
  }

  day(number: number): Day {
    let day = this.days.get(number);
    if (day === undefined) this.days.set(number, (day = { day: number, hours: new Map() }));
    return day;
  }

  hour(number: number): Hour {
    const { hours } = this.day(Math.floor(number / 24));
    let hour = hours.get(number);
    if (hour === undefined)
      hours.set(number, (hour = { hour: number, raw: new Shelf(), minutes: new Map() }));
    return hour;
  }

  addRaw(entry: RawEntry): void {
    const number = periodOf("1h", entry.start);
    const { run, sequence, size, written } = entry;
    const offset = Number(entry.start - periodStart("1h", number));
    this.hour(number).raw.add({ offset, run: run.id, sequence, size, written });
    run.held.add(sequence);
    this.files.raw++;
    this.bytes.raw += size;
  }

  /** A raw row as an entry. */
  rawEntry(hour: Hour, row: number): RawEntry {
    const { raw } = hour;
    return {
      start: periodStart("1h", hour.hour) + BigInt(raw.offset[row]!),
      run: this.identities.byId(raw.run[row]!),
      sequence: raw.sequence[row]!,
      size: raw.size[row]!,
      written: raw.written[row]!,
    };
  }

  /** The raw archive of an identity, if it is there; looks into the hour of `start` first. */
  findRaw(identity: { start: bigint; sensor: string; run: string; sequence: number }): RawEntry | undefined {
    const { id } = this.identities.run(identity.sensor, identity.run);
    const likely = periodOf("1h", identity.start);
    const inHour = (hour: Hour): RawEntry | undefined => {
      const { raw } = hour;
      for (let row = 0; row < raw.count; row++) {
        if (raw.run[row] === id && raw.sequence[row] === identity.sequence) return this.rawEntry(hour, row);
      }
      return undefined;
    };
    const first = this.days.get(Math.floor(likely / 24))?.hours.get(likely);
    const found = first && inHour(first);
    if (found !== undefined) return found;
    for (const day of this.days.values()) {
      for (const hour of day.hours.values()) {
        const elsewhere = inHour(hour);
        if (elsewhere !== undefined) return elsewhere;
      }
    }
    return undefined;
  }

  removeRaw(hour: Hour, gone: (row: number) => boolean): void {
    const [count, bytes] = [hour.raw.count, hour.raw.bytes];
    hour.raw.remove(gone);
    this.files.raw -= count - hour.raw.count;
    this.bytes.raw -= bytes - hour.raw.bytes;
    this.#prune(Math.floor(hour.hour / 24));
  }

  rollup(level: RollupLevel, period: number): Rollup | undefined {
    const day = this.days.get(Math.floor((period * LEVEL_MINUTES[level]) / 1440));
    if (level === "1d") return day?.rollup;
    const hour = day?.hours.get(Math.floor((period * LEVEL_MINUTES[level]) / 60));
    return level === "1h" ? hour?.rollup : hour?.minutes.get(period);
  }

  /** Takes in a roll-up that has been written: replaces that of the same period, and marks the rows it contains. */
  setRollup(rollup: Rollup, parts: Manifest["parts"]): void {
    const before = this.rollup(rollup.level, rollup.period);
    this.files[rollup.level] += before === undefined ? 1 : 0;
    this.bytes[rollup.level] += rollup.size - (before?.size ?? 0);
    this.#place(rollup.level, rollup.period, rollup);
    this.identities.addParts(parts);
    this.#mark(rollup, parts);
  }

  /** Forgets a roll-up whose file is gone. Rows it contained that still exist are there to be rolled up again. */
  removeRollup(rollup: Rollup): void {
    this.#place(rollup.level, rollup.period, undefined);
    this.files[rollup.level]--;
    this.bytes[rollup.level] -= rollup.size;
    for (const { hour, first, end } of this.rows(rollup.level, rollup.period)) {
      for (let row = first; row < end; row++) hour.raw.flags[row]! &= ~IN_ROLLUP[rollup.level];
    }
    this.#prune(Math.floor((rollup.period * LEVEL_MINUTES[rollup.level]) / 1440));
  }

  /** The hours of a period with the rows [first, end) of its raw archives. */
  *rows(level: RollupLevel, period: number): Generator<{ hour: Hour; first: number; end: number }> {
    const day = this.days.get(Math.floor((period * LEVEL_MINUTES[level]) / 1440));
    if (day === undefined) return;
    if (level === "1d") {
      for (const hour of day.hours.values()) yield { hour, first: 0, end: hour.raw.sorted().count };
      return;
    }
    const hour = day.hours.get(Math.floor((period * LEVEL_MINUTES[level]) / 60));
    if (hour === undefined) return;
    if (level === "1h") yield { hour, first: 0, end: hour.raw.sorted().count };
    else {
      const minute = (period % 60) * 60e9;
      const [first, end] = hour.raw.between(minute, minute + 60e9);
      yield { hour, first, end };
    }
  }

  #place(level: RollupLevel, period: number, rollup: Rollup | undefined): void {
    const dayOrHour =
      level === "1d" ? this.day(period) : this.hour(level === "1h" ? period : Math.floor(period / 60));
    if (level === "1m") {
      const { minutes } = dayOrHour as Hour;
      if (rollup === undefined) minutes.delete(period);
      else minutes.set(period, rollup);
    } else if (rollup === undefined) delete dayOrHour.rollup;
    else dayOrHour.rollup = rollup;
  }

  #mark(rollup: Rollup, parts: Manifest["parts"]): void {
    const flag = IN_ROLLUP[rollup.level];
    const contained = new Map<number, RangeSet>();
    for (const { sensor, run, ranges } of parts ?? []) {
      const set = new RangeSet();
      for (const [first, last] of ranges) set.add(first, last);
      contained.set(this.identities.run(sensor, run).id, set);
    }
    for (const { hour, first, end } of this.rows(rollup.level, rollup.period)) {
      const { flags, run, sequence } = hour.raw;
      for (let row = first; row < end; row++) {
        if (contained.get(run[row]!)?.has(sequence[row]!)) flags[row]! |= flag;
        else flags[row]! &= ~flag;
      }
    }
  }

  /** Drops hours and the day when nothing is left in them. */
  #prune(dayNumber: number): void {
    const day = this.days.get(dayNumber);
    if (day === undefined) return;
    for (const hour of day.hours.values()) {
      if (hour.raw.count === 0 && hour.minutes.size === 0 && hour.rollup === undefined)
        day.hours.delete(hour.hour);
    }
    if (day.hours.size === 0 && day.rollup === undefined) this.days.delete(dayNumber);
  }
}
