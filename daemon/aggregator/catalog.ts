/**
 * What is in the store, in memory: a tree of days, hours and minutes with the roll-up of each and the raw rows of each
 * hour. Only names, sizes and counts: manifests and matrices stay on disk until somebody asks.
 */
import type { Manifest } from "../../lib/manifest.js";
import { Identities, type Run } from "./identities.js";
import { LEVEL_MINUTES, type Level, periodOf, periodStart, type RollupLevel } from "./periods.js";
import { RangeSet } from "./ranges.js";
import { IN_ROLLUP, Shelf } from "./shelf.js";

/** One file of a roll-up. There is one, unless the sum did not fit in memory. */
export interface RollupPart {
  readonly part: number;
  readonly size: number;
  /** ms since 1970 */
  readonly written: number;
  /** Sealed intervals summed in it. Only grows, so it names the version of the file, too. */
  readonly intervals: number;
  /** Whose intervals they are. */
  readonly sensors: readonly string[];
}

/** The sum over one period: its parts together, each interval in exactly one of them. */
export interface Rollup {
  readonly level: RollupLevel;
  readonly period: number;
  /** In order of their numbers; never empty. */
  readonly parts: readonly RollupPart[];
  readonly size: number;
  /** ms since 1970, of the part written last. */
  readonly written: number;
  readonly intervals: number;
  readonly sensors: readonly string[];
}

const rollupOf = (level: RollupLevel, period: number, parts: readonly RollupPart[]): Rollup => ({
  level,
  period,
  parts,
  size: parts.reduce((sum, { size }) => sum + size, 0),
  written: parts.reduce((latest, { written }) => Math.max(latest, written), 0),
  intervals: parts.reduce((sum, { intervals }) => sum + intervals, 0),
  sensors: parts.length === 1 ? parts[0]!.sensors : [...new Set(parts.flatMap(({ sensors }) => sensors))],
});

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

  /** Bytes of the raw archives that are in no roll-up yet: their sum is still to be written, and needs room. */
  unsummedBytes = 0;

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
    this.unsummedBytes += size;
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
    const { size, flags } = hour.raw;
    hour.raw.remove((row) => {
      if (!gone(row)) return false;
      if (flags[row] === 0) this.unsummedBytes -= size[row]!;
      return true;
    });
    this.files.raw -= count - hour.raw.count;
    this.bytes.raw -= bytes - hour.raw.bytes;
    this.#prune(Math.floor(hour.hour / 24));
  }

  /** When the newest file was written, ms since 1970; undefined when there is none. */
  get newest(): number | undefined {
    let newest: number | undefined;
    for (const day of this.days.values()) {
      const hours = [...day.hours.values()];
      const rollups = [day.rollup, ...hours.flatMap(({ rollup, minutes }) => [rollup, ...minutes.values()])];
      for (const rollup of rollups) newest = Math.max(newest ?? 0, rollup?.written ?? 0);
      for (const { raw } of hours) {
        for (let row = 0; row < raw.count; row++) newest = Math.max(newest ?? 0, raw.written[row]!);
      }
    }
    return newest;
  }

  rollup(level: RollupLevel, period: number): Rollup | undefined {
    const day = this.days.get(Math.floor((period * LEVEL_MINUTES[level]) / 1440));
    if (level === "1d") return day?.rollup;
    const hour = day?.hours.get(Math.floor((period * LEVEL_MINUTES[level]) / 60));
    return level === "1h" ? hour?.rollup : hour?.minutes.get(period);
  }

  /**
   * Takes in a part of a roll-up that has been written: replaces that of the same number, and marks the rows in it.
   * `contained` are the intervals in it.
   */
  setRollup(level: RollupLevel, period: number, part: RollupPart, contained: Manifest["parts"]): void {
    const before = this.rollup(level, period);
    const others = before?.parts.filter((other) => other.part !== part.part) ?? [];
    const parts = [...others, part].sort((a, b) => a.part - b.part);
    const rollup = rollupOf(level, period, parts);
    this.files[level] += parts.length - (before?.parts.length ?? 0);
    this.bytes[level] += rollup.size - (before?.size ?? 0);
    this.#place(level, period, rollup);
    this.identities.addParts(contained);
    this.#mark(level, period, contained);
  }

  /** Forgets a roll-up whose files are gone. Rows it contained that still exist are there to be rolled up again. */
  removeRollup({ level, period }: Pick<Rollup, "level" | "period">): void {
    const rollup = this.rollup(level, period);
    if (rollup === undefined) return;
    this.#place(level, period, undefined);
    this.files[level] -= rollup.parts.length;
    this.bytes[level] -= rollup.size;
    for (const { hour, first, end } of this.rows(level, period)) {
      const { flags, size } = hour.raw;
      for (let row = first; row < end; row++) {
        const before = flags[row]!;
        flags[row] = before & ~IN_ROLLUP[level];
        if (before !== 0 && flags[row] === 0) this.unsummedBytes += size[row]!;
      }
    }
    this.#prune(Math.floor((period * LEVEL_MINUTES[level]) / 1440));
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

  /** Marks the rows of a period that are in a part of its roll-up. */
  #mark(level: RollupLevel, period: number, parts: Manifest["parts"]): void {
    const contained = new Map<number, RangeSet>();
    for (const { sensor, run, ranges } of parts ?? []) {
      const set = new RangeSet();
      for (const [first, last] of ranges) set.add(first, last);
      contained.set(this.identities.run(sensor, run).id, set);
    }
    for (const { hour, first, end } of this.rows(level, period)) {
      const { flags, run, sequence, size } = hour.raw;
      for (let row = first; row < end; row++) {
        if (!contained.get(run[row]!)?.has(sequence[row]!)) continue;
        if (flags[row] === 0) this.unsummedBytes -= size[row]!;
        flags[row]! |= IN_ROLLUP[level];
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
