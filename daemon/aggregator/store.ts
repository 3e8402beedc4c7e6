/**
 * The folder of archives: raw/YYYY/MM/DD/HH and rollup/{1m,1h,1d}/YYYY/MM/DD hold the only truth, tmp what is being
 * received, quarantine what turned out not to be sound. Everything else is derived from these at the start.
 */
import { randomBytes } from "node:crypto";
import { mkdirSync } from "node:fs";
import { type FileHandle, open, rmdir, statfs } from "node:fs/promises";
import { basename, dirname, join } from "node:path";
import { type ArchiveIdentity, archiveName, parseArchiveName } from "../../lib/archive.js";
import { EXIT, SparsewireError } from "../../lib/errors.js";
import { keepDescriptors } from "../descriptors.js";
import { errnoOf } from "../errno.js";
import { lockFolder, weakLock } from "../lock.js";
import type { Logger } from "../log.js";
import { Catalog, type RawEntry, type Rollup } from "./catalog.js";
import { type Clocks, SYSTEM_CLOCKS } from "./clocks.js";
import { removeIfThere, settle } from "./durable.js";
import {
  levelFolder,
  periodOf,
  periodStart,
  ROLLUP_LEVELS,
  ROLLUP_SENSOR,
  type RollupLevel,
  rollupPart,
  rollupRun,
} from "./periods.js";
import { Quarantine } from "./quarantine.js";
import { clearTemporary, readPart, rollupIsSpare, scanStore } from "./scan.js";

/** What uploads leave free of the file system. */
const RESERVE_BYTES_MAX = 256 << 20;
const RESERVE_SHARE = 0.02;

/** A file that is being received. */
export interface Temporary {
  readonly path: string;
  readonly handle: FileHandle;
}

/** Folders of a store. */
const FOLDERS = ["raw", "tmp", "quarantine", ...ROLLUP_LEVELS.map((level) => `rollup/${level}`)];

export class Store {
  readonly catalog = new Catalog();
  readonly quarantined: Quarantine;
  /** Bytes of the largest upload that was turned away for lack of room since there was room for it; 0: none. */
  wanted = 0;
  readonly #unlock: () => void;

  constructor(
    readonly path: string,
    readonly logger: Logger,
    readonly clocks: Clocks = SYSTEM_CLOCKS,
  ) {
    keepDescriptors();
    this.quarantined = new Quarantine(join(path, "quarantine"));
    try {
      this.#makeFolders();
      this.#unlock = lockFolder(
        path,
        (holder) =>
          new SparsewireError("STORE_LOCKED", `the store ${path} is in use by ${holder}`, {
            mend: "stop that aggregator, or give this one another store.path",
          }),
        { weak: (why) => logger.warn(weakLock(path, why)) },
      );
    } catch (error) {
      if (error instanceof SparsewireError) throw error;
      const code = errnoOf(error);
      throw new SparsewireError("STORE_UNUSABLE", `the store ${path} cannot be used (${code ?? error})`, {
        exit: code === "EACCES" || code === "EPERM" ? EXIT.notPermitted : EXIT.failure,
        mend: "make it a folder that this user may write, or set store.path",
        cause: error,
      });
    }
  }

  /** Rebuilds the catalog from the files. Nothing that is found stops it: what is not sound goes to quarantine. */
  async load(signal?: AbortSignal): Promise<void> {
    await clearTemporary(this);
    await this.quarantined.load();
    await scanStore(this, signal);
  }

  /** Bytes of all that the store keeps, with what is in quarantine. */
  get bytes(): number {
    return this.catalog.totalBytes + this.quarantined.bytes;
  }

  /** Makes the folders of the store that are not there: somebody may delete them under it. */
  #makeFolders(): void {
    for (const folder of FOLDERS) mkdirSync(join(this.path, folder), { recursive: true, mode: 0o750 });
  }

  close(): void {
    this.#unlock();
  }

  /** Path of a raw archive. */
  rawPath(entry: RawEntry): string {
    const { start, run, sequence } = entry;
    return this.#path("raw", { start, sensor: run.sensor, run: run.run, sequence });
  }

  /** Path of the raw archive of an interval, or undefined when the store has none (any more). */
  findRaw(identity: ArchiveIdentity): string | undefined {
    const entry = this.catalog.findRaw(identity);
    return entry === undefined ? undefined : this.rawPath(entry);
  }

  rollupPath(level: RollupLevel, period: number, part: number): string {
    const start = periodStart(level, period);
    return this.#path(level, { start, sensor: ROLLUP_SENSOR, run: rollupRun(part), sequence: period });
  }

  /** Paths of the files of a roll-up. */
  rollupPaths({ level, period, parts }: Pick<Rollup, "level" | "period" | "parts">): string[] {
    return parts.map(({ part }) => this.rollupPath(level, period, part));
  }

  #path(level: RollupLevel | "raw", identity: ArchiveIdentity): string {
    return join(this.path, levelFolder(level, identity.start), archiveName(identity));
  }

  /** A name in tmp that nobody has. */
  temporaryPath(): string {
    return join(this.path, "tmp", `${randomBytes(8).toString("hex")}.tmp`);
  }

  async temporary(): Promise<Temporary> {
    const path = this.temporaryPath();
    const make = () => open(path, "wx+", 0o640);
    const handle = await make().catch((error: NodeJS.ErrnoException) => {
      if (error.code !== "ENOENT") throw error;
      this.#makeFolders();
      return make();
    });
    return { path, handle };
  }

  /** Gives up a file that was being received. */
  async discard({ path, handle }: Temporary): Promise<void> {
    await handle.close().catch(() => undefined);
    await removeIfThere(path);
  }

  /**
   * Makes a received file part of the store: on return it is on stable storage under its name, and in the catalog.
   * When it throws (a file system error), nothing has been added.
   */
  async keep(temporary: Temporary, identity: ArchiveIdentity, size: number): Promise<void> {
    const { start, sensor, run, sequence } = identity;
    const path = this.#path("raw", identity);
    try {
      await settle(temporary.handle, temporary.path, path);
    } catch (error) {
      // The rename may have happened, its fsync not: an archive nobody was promised must not stay.
      await removeIfThere(path).catch(() => undefined);
      throw error;
    }
    const entry = { start, run: this.catalog.identities.run(sensor, run), sequence, size };
    this.catalog.addRaw({ ...entry, written: this.clocks.wall() });
  }

  /** Moves a file that is not sound out of the way, counts and logs it. */
  async quarantine(path: string, why: string): Promise<void> {
    this.logger.error({ file: path, why }, "not a sound archive: moved to quarantine");
    await this.quarantined.take(path, this.clocks.wall()).catch((error: NodeJS.ErrnoException) => {
      this.logger.error({ file: path, code: error.code }, "cannot be moved");
    });
  }

  /** The same for a file of the catalog that turned out not to be sound when its matrices were read. */
  async reject(path: string, why: string): Promise<void> {
    const identity = parseArchiveName(basename(path));
    const level = ROLLUP_LEVELS.find((one) => path.startsWith(join(this.path, "rollup", one, "/")));
    if (identity !== undefined && level !== undefined) {
      const rollup = this.catalog.rollup(level, identity.sequence);
      const part = rollupPart(identity.run);
      if (rollup !== undefined && part !== undefined) await this.#dropPart(rollup, part);
    } else if (identity !== undefined) {
      const number = periodOf("1h", identity.start);
      const hour = this.catalog.days.get(Math.floor(number / 24))?.hours.get(number);
      const { id } = this.catalog.identities.run(identity.sensor, identity.run);
      const isIt = (row: number) => hour?.raw.run[row] === id && hour.raw.sequence[row] === identity.sequence;
      if (hour !== undefined) this.catalog.removeRaw(hour, isIt);
    }
    await this.quarantine(path, why);
  }

  /** Takes one part out of a roll-up. The others go with it where all of it can be made again from what is finer. */
  async #dropPart(rollup: Rollup, part: number): Promise<void> {
    const { level, period } = rollup;
    const others = rollup.parts.filter((one) => one.part !== part);
    const isSpare = rollupIsSpare(this.catalog, rollup);
    const read = isSpare
      ? []
      : await Promise.all(others.map((other) => readPart(this, level, period, other.part)));
    this.catalog.removeRollup(rollup);
    if (isSpare)
      await Promise.all(this.rollupPaths({ level, period, parts: others }).map((file) => this.remove(file)));
    else
      for (const { described, contained } of read)
        this.catalog.setRollup(level, period, described, contained);
  }

  /** Deletes a file, and the folders that are empty without it. */
  async remove(path: string): Promise<void> {
    await removeIfThere(path);
    const stop = [join(this.path, "raw"), ...ROLLUP_LEVELS.map((level) => join(this.path, "rollup", level))];
    for (let folder = dirname(path); !stop.includes(folder); folder = dirname(folder)) {
      try {
        await rmdir(folder);
      } catch {
        return;
      }
    }
  }

  /**
   * Bytes that uploads may take of the file system: the last of it is left for roll-ups, and as much as the sum of what is in
   * none yet can take.
   */
  async freeBytes(): Promise<number> {
    const { free, size } = await this.disk();
    return free - Math.min(RESERVE_BYTES_MAX, size * RESERVE_SHARE) - this.catalog.unsummedBytes;
  }

  /** The store's file system, in bytes. */
  async disk(): Promise<{ free: number; size: number }> {
    const { bavail, blocks, bsize } = await statfs(this.path);
    return { free: bavail * bsize, size: blocks * bsize };
  }

  /** Says that an upload of so many bytes was turned away for lack of room. Retention makes room for it. */
  wants(bytes: number): void {
    this.wanted = Math.max(this.wanted, bytes);
  }

  /** Throws the file system's error when nothing can be written (and synced) now. */
  async probe(): Promise<void> {
    const temporary = await this.temporary();
    try {
      await temporary.handle.write(new Uint8Array(4096));
      await temporary.handle.sync();
    } finally {
      await this.discard(temporary);
    }
  }
}
