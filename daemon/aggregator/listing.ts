/** GET /api/v1/intervals: the manifests of a range of time, newest first, a page at a time. */
import { sensorName } from "../../lib/manifest.js";
import type { Hour, Rollup } from "./catalog.js";
import { readManifestFile } from "./manifest-file.js";
import { LEVEL_MINUTES, LEVELS, periodOf, periodStart, type RollupLevel } from "./periods.js";
import { badRequest } from "./refusal.js";
import { summaryOf } from "./sensors.js";
import type { Store } from "./store.js";
import { choice, count, onlyKnown, parseRange, text } from "./times.js";

const LIMIT_DEFAULT = 100;
const LIMIT_MAX = 1000;

/** A file of the listing; `key` orders files and serves as the cursor. */
interface Listed {
  key: string;
  path: string;
}

export async function listIntervals(store: Store, query: Record<string, unknown>) {
  onlyKnown(query, ["from", "to", "sensor", "limit", "level", "cursor"]);
  const { from, to: end } = parseRange(query, { from: "0" });
  const level = choice(query, "level", LEVELS, "raw");
  const limit = count(query, "limit", LIMIT_DEFAULT, LIMIT_MAX);
  const sensor = text(query, "sensor");
  if (sensor !== undefined && !sensorName.safeParse(sensor).success) throw badRequest("sensor is not a name");
  const before = parseCursor(text(query, "cursor"));
  const to = before === undefined ? end : earlier(end, BigInt(before.slice(0, 20)) + 1n);
  if (from >= to) return { intervals: [], cursor: null };
  const files =
    level === "raw" ? rawFiles(store, from, to, sensor) : rollupFiles(store, level, from, to, sensor);
  const intervals: ReturnType<typeof summaryOf>[] = [];
  let cursor: string | null = null;
  let last: string | undefined;
  for (const { key, path } of files) {
    if (before !== undefined && key >= before) continue;
    if (intervals.length === limit) {
      cursor = Buffer.from(last!).toString("base64url");
      break;
    }
    const summary = await summaryAt(path);
    if (summary !== undefined) intervals.push(summary);
    last = key;
  }
  return { intervals, cursor };
}

/** A file that has just been deleted (retention) or is not sound is not listed. */
async function summaryAt(path: string) {
  try {
    return summaryOf((await readManifestFile(path)).manifest);
  } catch {
    return undefined;
  }
}

function parseCursor(text: string | undefined): string | undefined {
  if (text === undefined) return undefined;
  const key = /^[A-Za-z0-9_-]{1,200}$/.test(text) ? Buffer.from(text, "base64url").toString("latin1") : "";
  if (!/^\d{20}[ -~]*$/.test(key)) throw badRequest("the cursor is not one that was given out");
  return key;
}

const earlier = (a: bigint, b: bigint): bigint => (a < b ? a : b);

const startKey = (ns: bigint): string => ns.toString().padStart(20, "0");

const descending = <T>(items: Iterable<T>, by: (item: T) => number): T[] =>
  [...items].sort((a, b) => by(b) - by(a));

function hoursDown(store: Store, from: bigint, to: bigint): Hour[] {
  const [first, last] = [periodOf("1h", from), periodOf("1h", to - 1n)];
  const days = descending(store.catalog.days.values(), ({ day }) => day);
  return days
    .filter(({ day }) => day * 24 + 23 >= first && day * 24 <= last)
    .flatMap((day) => descending(day.hours.values(), ({ hour }) => hour))
    .filter(({ hour }) => hour >= first && hour <= last);
}

function* rawFiles(store: Store, from: bigint, to: bigint, sensor?: string): Generator<Listed> {
  for (const hour of hoursDown(store, from, to)) {
    const base = periodStart("1h", hour.hour);
    const [first, end] = hour.raw.between(Number(from - base), Number(to - base));
    const found: Listed[] = [];
    for (let row = first; row < end; row++) {
      const entry = store.catalog.rawEntry(hour, row);
      if (sensor !== undefined && entry.run.sensor !== sensor) continue;
      const { start, run, sequence } = entry;
      const order = sequence.toString().padStart(16, "0");
      found.push({ key: `${startKey(start)} ${run.sensor} ${run.run} ${order}`, path: store.rawPath(entry) });
    }
    yield* found.sort((a, b) => (a.key < b.key ? 1 : -1));
  }
}

function* rollupFiles(store: Store, level: RollupLevel, from: bigint, to: bigint, sensor?: string) {
  const periods: Rollup[] = [];
  for (const day of store.catalog.days.values()) {
    const hours = level === "1d" ? [] : [...day.hours.values()];
    const found =
      level === "1d"
        ? [day.rollup]
        : hours.flatMap((h) => (level === "1h" ? [h.rollup] : [...h.minutes.values()]));
    periods.push(...found.filter((rollup) => rollup !== undefined));
  }
  for (const { period, sensors } of descending(periods, (rollup) => rollup.period)) {
    const start = periodStart(level, period);
    const end = start + BigInt(LEVEL_MINUTES[level]) * 60_000_000_000n;
    if (end <= from || start >= to || (sensor !== undefined && !sensors.includes(sensor))) continue;
    yield { key: startKey(start), path: store.rollupPath(level, period) };
  }
}
