/**
 * What is deleted, and when: by age and, when there is no room, the finest level and the oldest first, those about the future
 * before all others. A file goes once every roll-up that it belongs to contains it; one that is due and is not in them is
 * summed first. Where that cannot be done, it goes all the same, and that is told (losses.ts): so there is always room.
 */
import { AgeClock } from "./age-clock.js";
import { AgeFile } from "./age-file.js";
import type { Hour, Rollup } from "./catalog.js";
import type { AggregatorConfig } from "./config.js";
import { type DeletionCause, Losses } from "./losses.js";
import { readManifestFile } from "./manifest-file.js";
import type { Metrics } from "./metrics.js";
import { LEVELS, type Level } from "./periods.js";
import type { Rollups } from "./rollups.js";
import { DiskShare } from "./room.js";
import type { Store } from "./store.js";
import {
  availableInDay,
  contradicting,
  hasChanged,
  intervalsIn,
  lackingOf,
  summedRows,
  type Unit,
  unitsOf,
} from "./unit.js";

/** A unit that has been due for this time (monotonic ms), and so many turns of roll-ups long, goes unsummed. */
const GIVE_UP_MS = 60_000;
const GIVE_UP_TURNS = 3;
/** Manifests that are read in one pass to tell how many packets go unsummed. */
const MANIFESTS_READ_MAX = 1000;

interface Waiting {
  since: number;
  /** Turn of the roll-ups in which it began to wait. */
  turn: number;
  /** Intervals in it: with others it is another unit, which has its own chance. */
  intervals: number;
}

interface Gone {
  paths: readonly string[];
  bytes: number;
}

type Deleted = { level: Level | "quarantine"; cause: DeletionCause; files: number; bytes: number };

export class Retention {
  settings: AggregatorConfig["store"];
  readonly clock: AgeClock;
  readonly losses: Losses;
  readonly #store: Store;
  readonly #rollups: Rollups;
  readonly #metrics: Metrics;
  readonly #room: DiskShare;
  readonly #ages: AgeFile;
  /** Units that are due and wait to be summed, and those of them that this pass has met. */
  #waiting = new Map<string, Waiting>();
  #met = new Map<string, Waiting>();
  #deleted = new Map<string, Deleted>();
  #manifestsRead = 0;

  constructor(store: Store, rollups: Rollups, metrics: Metrics, settings: AggregatorConfig["store"]) {
    this.#store = store;
    this.#rollups = rollups;
    this.#metrics = metrics;
    this.settings = settings;
    this.clock = new AgeClock(store.clocks);
    this.losses = new Losses(metrics);
    this.#room = new DiskShare(store);
    this.#ages = new AgeFile(store);
  }

  /** Takes the time from a catalog that has just been read. */
  async adopt(): Promise<void> {
    this.clock.begin(this.#ages.load() ?? this.#store.catalog.newest);
    this.#sayClock(this.clock.heldBack > 0);
    await this.#ages.save(this.clock.trusted);
  }

  /** Whether room is to be made. */
  get isFull(): boolean {
    return this.#room.isShort(this.settings.max_bytes);
  }

  status() {
    return {
      deleted_unsummed: this.losses.status(),
      waiting: this.#waiting.size,
      clock_held_back_seconds: Math.round(this.clock.heldBack / 1e3),
    };
  }

  /** Deletes what is due, and asks for the roll-ups that must be written before more can be. */
  async work(): Promise<void> {
    this.#sayClock(this.clock.look());
    await this.#ages.save(this.clock.trusted);
    this.#met = new Map();
    this.#manifestsRead = 0;
    await this.#quarantine("age", (since) => this.clock.ageOf(since, since) >= this.settings.keep_1m);
    for (const level of LEVELS) {
      for (const unit of unitsOf(this.#store.catalog, level)) {
        if (this.#isOld(unit)) await this.#expire(unit, "age");
      }
    }
    const { must, want, cause } = await this.#room.look(this.settings.max_bytes);
    if (want > 0) await this.#makeRoom(must, want, cause);
    this.#waiting = this.#met;
    for (const entry of this.#deleted.values()) {
      if (entry.files > 0) this.#store.logger.info(entry, "archives deleted by retention");
    }
    this.#deleted = new Map();
    this.losses.say(this.#store.logger, this.#store.clocks.wall());
  }

  /** Every file of a unit must be old enough. */
  #isOld({ level, hour, rows, rollups, start }: Unit): boolean {
    const keep = this.settings[`keep_${level}`];
    const startMs = Number(start / 1_000_000n);
    const isOld = (written: number): boolean => this.clock.ageOf(written, startMs) >= keep;
    if (rows === undefined) return rollups.every(({ written }) => isOld(written));
    for (let row = rows[0]; row < rows[1]; row++) if (!isOld(hour!.raw.written[row]!)) return false;
    return true;
  }

  /**
   * Frees `want` bytes of what is summed; of what is not, and cannot be, only `must`. What can be summed is waited for: the
   * next coarser level is not touched before.
   */
  async #makeRoom(must: number, want: number, cause: DeletionCause): Promise<void> {
    let freed = 0;
    freed += await this.#quarantine(cause, () => freed < want);
    for (const level of LEVELS) {
      let promised = 0;
      for (const unit of this.#futureFirst(level)) {
        if (freed >= want) return;
        if (level !== "1d" && lackingOf(unit).length === 0) freed += (await this.#expire(unit, cause)) ?? 0;
        else if (level === "raw")
          freed += await this.#removeAll(this.#forgetRows(unit.hour!, summedRows(unit), cause));
      }
      for (const unit of this.#futureFirst(level)) {
        if (freed + promised >= must) break;
        const bytes = await this.#expire(unit, cause);
        if (bytes === undefined) promised += unit.bytes;
        else freed += bytes;
      }
      if (freed >= must || promised > 0) return;
    }
  }

  *#futureFirst(level: Level): Generator<Unit> {
    const now = BigInt(Math.floor(this.#store.clocks.wall())) * 1_000_000n;
    for (const isFuture of [true, false]) {
      for (const unit of unitsOf(this.#store.catalog, level)) if (unit.start > now === isFuture) yield unit;
    }
  }

  /** Deletes a unit that is due, or has it summed first. Returns the bytes that are free now; undefined: not yet. */
  async #expire(unit: Unit, cause: DeletionCause): Promise<number | undefined> {
    const lacking = lackingOf(unit);
    const isEarly = unit.level === "1d" && cause !== "age";
    if (isEarly) return this.#deleteUnsummed(unit, cause);
    if (lacking.length === 0) return this.#removeAll(this.#forgetUnit(unit, cause));
    const key = `${cause === "age"} ${unit.level} ${unit.period}`;
    if (this.#isHopeless(key, intervalsIn(unit))) return this.#deleteUnsummed(unit, cause);
    for (const [level, period] of lacking) this.#rollups.urge(level, period);
    return undefined;
  }

  #isHopeless(key: string, intervals: number): boolean {
    const now = this.#store.clocks.monotonic();
    const { turns } = this.#rollups;
    const before = this.#waiting.get(key);
    const waiting = before?.intervals === intervals ? before : { since: now, turn: turns, intervals };
    this.#met.set(key, waiting);
    return turns - waiting.turn >= GIVE_UP_TURNS && now - waiting.since >= GIVE_UP_MS;
  }

  async #deleteUnsummed(unit: Unit, cause: DeletionCause): Promise<number | undefined> {
    const { level, period, day } = unit;
    const packets = await this.#packetsOf(unit);
    // Archives may have come meanwhile: then it is another unit.
    if (hasChanged(unit)) return undefined;
    const before = availableInDay(day);
    const isRaw = unit.rows !== undefined;
    const gone = [
      ...(isRaw ? this.#forget(contradicting(unit), cause) : []),
      ...this.#forgetUnit(unit, cause),
    ];
    const intervals = before - availableInDay(day);
    if (intervals > 0) this.losses.note({ level, period, cause, intervals, packets });
    return this.#removeAll(gone);
  }

  /** Takes a unit out of the catalog; what is to be removed from the disk. Without a pause: row numbers must hold. */
  #forgetUnit({ hour, rows, rollups }: Unit, cause: DeletionCause): Gone[] {
    if (rows === undefined) return this.#forget(rollups, cause);
    return this.#forgetRows(hour!, rangeOf(rows), cause);
  }

  #forgetRows(hour: Hour, rows: ReadonlySet<number>, cause: DeletionCause): Gone[] {
    if (rows.size === 0) return [];
    const paths = this.#rawPaths(hour, rows);
    let bytes = 0;
    for (const row of rows) bytes += hour.raw.size[row]!;
    this.#store.catalog.removeRaw(hour, (row) => rows.has(row));
    this.#note("raw", cause, paths.length, bytes);
    return [{ paths, bytes }];
  }

  #forget(rollups: readonly Rollup[], cause: DeletionCause): Gone[] {
    return rollups.map((rollup) => {
      this.#store.catalog.removeRollup(rollup);
      this.#note(rollup.level, cause, rollup.parts.length, rollup.size);
      return { paths: this.#store.rollupPaths(rollup), bytes: rollup.size };
    });
  }

  /** Removes files; returns their bytes. One that cannot be deleted is back in the catalog after a restart. */
  async #removeAll(gone: readonly Gone[]): Promise<number> {
    for (const path of gone.flatMap(({ paths }) => paths)) {
      try {
        await this.#store.remove(path);
      } catch (error) {
        const { code } = error as NodeJS.ErrnoException;
        this.#store.logger.error({ file: path, code }, "cannot be deleted");
      }
    }
    return gone.reduce((sum, { bytes }) => sum + bytes, 0);
  }

  #rawPaths(hour: Hour, rows: Iterable<number>): string[] {
    return Array.from(rows, (row) => this.#store.rawPath(this.#store.catalog.rawEntry(hour, row)));
  }

  /** Packets in the files of a unit; null when a manifest cannot be read, or too many would have to be. */
  async #packetsOf({ hour, rows, rollups }: Unit): Promise<number | null> {
    const rollupPaths = rollups.flatMap((rollup) => this.#store.rollupPaths(rollup));
    const paths = rows === undefined ? rollupPaths : this.#rawPaths(hour!, rangeOf(rows));
    this.#manifestsRead += paths.length;
    if (this.#manifestsRead > MANIFESTS_READ_MAX) return null;
    let packets = 0;
    try {
      for (const path of paths) packets += (await readManifestFile(path)).manifest.packets;
    } catch {
      return null;
    }
    return packets;
  }

  async #quarantine(cause: DeletionCause, isDue: (since: number) => boolean): Promise<number> {
    try {
      const { files, bytes } = await this.#store.quarantined.expire(isDue);
      this.#note("quarantine", cause, files, bytes);
      return bytes;
    } catch (error) {
      const { code } = error as NodeJS.ErrnoException;
      this.#store.logger.error({ folder: "quarantine", code }, "cannot be deleted");
      return 0;
    }
  }

  #note(level: Level | "quarantine", cause: DeletionCause, files: number, bytes: number): void {
    const entry = this.#deleted.get(`${level} ${cause}`) ?? { level, cause, files: 0, bytes: 0 };
    entry.files += files;
    entry.bytes += bytes;
    this.#deleted.set(`${level} ${cause}`, entry);
    this.#metrics.deleted.inc({ level, cause }, files);
  }

  #sayClock(hasStepped: boolean): void {
    if (!hasStepped) return;
    const seconds = Math.round(this.clock.heldBack / 1e3);
    const mend = "if the clock of this host is wrong, set it; if it is right, nothing is to be done";
    this.#store.logger.warn(
      { seconds, mend },
      "the clock is ahead of what has passed: ages follow it slowly",
    );
  }
}

const rangeOf = ([first, end]: readonly [number, number]): Set<number> =>
  new Set(Array.from({ length: end - first }, (_, at) => first + at));
