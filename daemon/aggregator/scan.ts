/** Rebuilding the catalog from the files of a store: names for raw archives, manifests for roll-ups. */
import { type Dirent, statSync } from "node:fs";
import { readdir, rm } from "node:fs/promises";
import { basename, dirname, join, relative } from "node:path";
import { archiveName, parseArchiveName } from "../../lib/archive.js";
import { SparsewireError } from "../../lib/errors.js";
import type { Manifest } from "../../lib/manifest.js";
import { errnoOf } from "../errno.js";
import type { Catalog, Rollup, RollupPart } from "./catalog.js";
import { isStorageError } from "./durable.js";
import { readManifestFile } from "./manifest-file.js";
import {
  levelFolder,
  periodOf,
  periodStart,
  ROLLUP_LEVELS,
  type RollupLevel,
  rollupPart,
  START_NS_MAX,
} from "./periods.js";
import { isDayWhole, isHourWhole, minuteRows, missing } from "./plan.js";
import { IN_ROLLUP } from "./shelf.js";
import type { Store } from "./store.js";

/** Removes what an earlier process was receiving. What cannot be removed is in nobody's way, and told. */
export async function clearTemporary({ path, logger }: Store): Promise<void> {
  const folder = join(path, "tmp");
  const names = await readdir(folder).catch((error) => {
    throw unreadable(folder, error);
  });
  for (const name of names) {
    await rm(join(folder, name), { recursive: true, force: true }).catch((error) => {
      logger.warn({ file: join(folder, name), code: errnoOf(error) }, "cannot be removed");
    });
  }
}

/** Fills the store's catalog. Raw first: a roll-up then marks the rows that it contains. */
export async function scanStore(store: Store, signal?: AbortSignal): Promise<void> {
  for await (const path of filesBelow(join(store.path, "raw"), signal)) {
    const why = addRaw(store, path);
    if (why !== undefined) await store.quarantine(path, why);
  }
  for (const level of ROLLUP_LEVELS) {
    const halfMade = new Set<number>();
    for await (const path of filesBelow(join(store.path, "rollup", level), signal)) {
      try {
        const { manifest, size } = await readManifestFile(path);
        const { period, part } = checkRollup(store, level, path, manifest);
        const described = describePart(part, size, manifest, statSync(path).mtimeMs);
        // Parts come in order of their numbers.
        if (part !== 0 && store.catalog.rollup(level, period) === undefined) halfMade.add(period);
        store.catalog.setRollup(level, period, described, manifest.parts);
      } catch (error) {
        // A file that cannot be read now is not shown to be unsound; without it a period would be summed anew, with less.
        if (isStorageError(error)) throw unreadable(path, error);
        await store.quarantine(path, error instanceof Error ? error.message : String(error));
      }
    }
    for (const period of halfMade) await dropHalfMade(store, level, period);
  }
}

/**
 * Part 0 is written last: where it is missing, either the writing of the roll-up was interrupted, and what it is made of is
 * still there; or the file was lost, and the other parts are all there is.
 */
async function dropHalfMade(store: Store, level: RollupLevel, period: number): Promise<void> {
  const rollup = store.catalog.rollup(level, period);
  if (rollup === undefined || !rollupIsSpare(store.catalog, rollup)) return;
  store.catalog.removeRollup(rollup);
  for (const path of store.rollupPaths(rollup)) await store.remove(path);
}

/** Whether all of a roll-up is there in finer files, too: it could be made again. */
export function rollupIsSpare(catalog: Catalog, { level, period, intervals }: Rollup): boolean {
  if (level === "1d") return isDayWhole(catalog.day(period));
  const hour = catalog.hour(level === "1h" ? period : Math.floor(period / 60));
  if (level === "1h") return isHourWhole(hour);
  const [first, end] = minuteRows(hour, period);
  return end - first - missing(hour, first, end, IN_ROLLUP["1m"]) >= intervals;
}

/** A part of a roll-up as the catalog knows it, from its manifest. */
export function describePart(
  part: number,
  size: number,
  manifest: Pick<Manifest, "intervals" | "parts">,
  written: number,
): RollupPart {
  const sensors = [...new Set((manifest.parts ?? []).map(({ sensor }) => sensor))];
  return { part, size, written, intervals: manifest.intervals, sensors };
}

/** Reads a part of a roll-up from its file: its description, and the intervals in it. */
export async function readPart(store: Store, level: RollupLevel, period: number, part: number) {
  const path = store.rollupPath(level, period, part);
  const { manifest, size } = await readManifestFile(path);
  return {
    described: describePart(part, size, manifest, statSync(path).mtimeMs),
    contained: manifest.parts,
  };
}

/** Adds a raw archive by its name; says what is wrong with it otherwise. */
function addRaw(store: Store, path: string): string | undefined {
  const identity = parseArchiveName(basename(path));
  if (identity === undefined) return "its name is not that of an archive";
  const { start, sensor, run, sequence } = identity;
  if (start >= START_NS_MAX || folderOf(store, path) !== levelFolder("raw", start)) {
    return "it lies in the folder of another time";
  }
  const stat = sizeOf(path);
  if (stat.size === 0) return "it is empty";
  const { catalog } = store;
  if (catalog.identities.has(sensor, run, sequence)) return "the interval is there under another name";
  const entry = { start, run: catalog.identities.run(sensor, run), sequence };
  catalog.addRaw({ ...entry, size: stat.size, written: stat.mtimeMs });
  return undefined;
}

function sizeOf(path: string): { size: number; mtimeMs: number } {
  try {
    return statSync(path);
  } catch (error) {
    throw unreadable(path, error);
  }
}

/** Nothing can be said of a store of which a part cannot be read: it is no empty one. */
export const unreadable = (path: string, cause: unknown): SparsewireError =>
  new SparsewireError("STORE_UNUSABLE", `${path} cannot be read (${errnoOf(cause)})`, {
    mend: "mend the disk or the rights of the file, or take it out of the store, and start again",
    cause,
  });

function checkRollup(
  store: Store,
  level: RollupLevel,
  path: string,
  manifest: Manifest,
): { period: number; part: number } {
  const period = periodOf(level, manifest.start);
  const counted = (manifest.parts ?? []).reduce(
    (sum, { ranges }) => sum + ranges.reduce((inner, [first, last]) => inner + last - first + 1, 0),
    0,
  );
  if (manifest.mode !== "rollup") throw new Error("it is not a roll-up");
  if (manifest.start >= START_NS_MAX || manifest.start !== periodStart(level, period)) {
    throw new Error(`it does not start with a period of ${level}`);
  }
  const part = rollupPart(manifest.run);
  if (part === undefined) throw new Error("its run is not the number of a part");
  if (basename(path) !== archiveName(manifest) || path !== store.rollupPath(level, period, part)) {
    throw new Error("its name or folder is not what its manifest says");
  }
  if (counted !== manifest.intervals) throw new Error("its parts are not the intervals it counts");
  return { period, part };
}

const folderOf = (store: Store, path: string): string => relative(store.path, dirname(path));

/** Regular files below a folder, in order of their paths. Anything else (links, sockets) is left alone. */
async function* filesBelow(folder: string, signal?: AbortSignal): AsyncGenerator<string> {
  signal?.throwIfAborted();
  const entries: Dirent[] = await readdir(folder, { withFileTypes: true }).catch((error) => {
    throw unreadable(folder, error);
  });
  entries.sort((a, b) => (a.name < b.name ? -1 : 1));
  for (const entry of entries) {
    const path = join(folder, entry.name);
    if (entry.isDirectory()) yield* filesBelow(path, signal);
    else if (entry.isFile()) yield path;
  }
}
