/** GET /api/v1/intervals: the manifests of a range of time, newest first, a page at a time. */
import { sensorName } from "../../lib/manifest.js";
import type { Hour, Rollup } from "./catalog.js";
import { readManifestFile } from "./manifest-file.js";
import { LEVEL_MINUTES, LEVELS, periodOf, periodStart, type RollupLevel, rollupRun } from "./periods.js";
import { badRequest } from "./refusal.js";
import { summaryOf } from "./sensors.js";
import type { Store } from "./store.js";
import { choice, count, onlyKnown, parseRange, text } from "./times.js";

const LIMIT_DEFAULT = 100;
const LIMIT_MAX = 1000;
/** Characters of summaries that are remembered. */
const SUMMARY_CHARS_MAX = 32 << 20;

/** A file of the listing; `key` orders files and serves as the cursor. */
interface Listed {
  key: string;
  path: string;
}

/** The summaries of raw archives as JSON; their files never change. */
class Summaries {
  readonly #texts = new Map<string, string>();
  #chars = 0;

  /** Undefined for a file that has just been deleted (retention), or is not sound: it is not listed. */
  async at(path: string, isRaw: boolean): Promise<string | undefined> {
    const known = this.#texts.get(path);
    if (known !== undefined) return known;
    try {
      const text = JSON.stringify(summaryOf((await readManifestFile(path)).manifest));
      if (isRaw) this.#keep(path, text);
      return text;
    } catch {
      return undefined;
    }
  }

  #keep(path: string, text: string): void {
    this.#texts.set(path, text);
    this.#chars += path.length + text.length;
    for (const [oldest, { length }] of this.#texts) {
      if (this.#chars <= SUMMARY_CHARS_MAX) return;
      this.#texts.delete(oldest);
      this.#chars -= oldest.length + length;
    }
  }
}

/** Pages of the listing as JSON; one that several ask for at the same time is made once. */
export class Listings {
  readonly #store: Store;
  readonly #summaries = new Summaries();
  readonly #making = new Map<string, Promise<Buffer>>();

  constructor(store: Store) {
    this.#store = store;
  }

  /** Rejects with the refusal of a query that makes no sense. */
  page(query: Record<string, unknown>): Promise<Buffer> {
    // What has been acknowledged since a page was begun must be in the next one.
    const key = JSON.stringify([this.#store.catalog.files, query]);
    const known = this.#making.get(key);
    if (known !== undefined) return known;
    const made = listIntervals(this.#store, this.#summaries, query).then((text) => Buffer.from(text));
    this.#making.set(key, made);
    const forget = (): void => void this.#making.delete(key);
    made.then(forget, forget);
    return made;
  }
}

async function listIntervals(
  store: Store,
  summaries: Summaries,
  query: Record<string, unknown>,
): Promise<string> {
  onlyKnown(query, ["from", "to", "sensor", "limit", "level", "cursor"]);
  const { from, to: end } = parseRange(query, { from: "0" });
  const level = choice(query, "level", LEVELS, "raw");
  const limit = count(query, "limit", LIMIT_DEFAULT, LIMIT_MAX);
  const sensor = text(query, "sensor");
  if (sensor !== undefined && !sensorName.safeParse(sensor).success) throw badRequest("sensor is not a name");
  const before = parseCursor(text(query, "cursor"));
  const to = before === undefined ? end : earlier(end, BigInt(before.slice(0, 20)) + 1n);
  if (from >= to) return page([], null);
  const files =
    level === "raw" ? rawFiles(store, from, to, sensor) : rollupFiles(store, level, from, to, sensor);
  const intervals: string[] = [];
  let cursor: string | null = null;
  let last: string | undefined;
  for (const { key, path } of files) {
    if (before !== undefined && key >= before) continue;
    if (intervals.length === limit) {
      cursor = Buffer.from(last!).toString("base64url");
      break;
    }
    const summary = await summaries.at(path, level === "raw");
    if (summary !== undefined) intervals.push(summary);
    last = key;
  }
  return page(intervals, cursor);
}

const page = (intervals: string[], cursor: string | null): string =>
  `{"intervals":[${intervals.join(",")}],"cursor":${JSON.stringify(cursor)}}`;

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
  for (const { period, sensors, parts } of descending(periods, (rollup) => rollup.period)) {
    const start = periodStart(level, period);
    const end = start + BigInt(LEVEL_MINUTES[level]) * 60_000_000_000n;
    if (end <= from || start >= to || (sensor !== undefined && !sensors.includes(sensor))) continue;
    // The key of part 0 is that of a roll-up that has one part only; the others follow it.
    for (const { part } of descending(parts, (one) => one.part)) {
      const key = part === 0 ? startKey(start) : `${startKey(start)} ${rollupRun(part)}`;
      yield { key, path: store.rollupPath(level, period, part) };
    }
  }
}
