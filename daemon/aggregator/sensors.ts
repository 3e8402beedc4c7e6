/** What is known of each sensor: its runs from the catalog, its last interval from that interval's manifest. */
import type { Manifest } from "../../lib/manifest.js";
import type { Hour, RawEntry } from "./catalog.js";
import type { Run } from "./identities.js";
import { readManifestFile } from "./manifest-file.js";
import { timeText } from "./periods.js";
import type { Store } from "./store.js";

/** The members of an interval's manifest that lists show. */
export function summaryOf(manifest: Manifest) {
  const { sensor, run, sequence, mode, effective, sealed_by, frames, packets, bytes } = manifest;
  const { drops, late, sampling, intervals, software, reasons } = manifest;
  const lost = Object.values(drops).reduce((sum, count) => sum + count, 0);
  const [start, end] = [timeText(manifest.start), timeText(manifest.end)];
  const identity = { sensor, run, sequence, interface: manifest.interface, mode, effective, start, end };
  const counts = { frames, packets, bytes, lost, drops, reasons, late, sampling };
  return { ...identity, sealed_by, intervals, ...counts, software };
}

interface Totals {
  intervals: number;
  packets: number;
  bytes: number;
  lost: number;
}

/** Runs shown of each sensor, newest first. */
const RUNS_SHOWN = 10;

export class Sensors {
  readonly #store: Store;
  readonly #last = new Map<string, Manifest>();
  /** Since this process started. */
  readonly #received = new Map<string, Totals>();

  constructor(store: Store) {
    this.#store = store;
  }

  /** Takes note of an interval that was just stored. */
  note(manifest: Manifest): void {
    const { sensor, packets, bytes, drops } = manifest;
    const last = this.#last.get(sensor);
    if (last === undefined || last.start <= manifest.start) this.#last.set(sensor, manifest);
    const totals = this.#received.get(sensor) ?? { intervals: 0, packets: 0, bytes: 0, lost: 0 };
    totals.intervals++;
    totals.packets += packets;
    totals.bytes += bytes;
    totals.lost += Object.values(drops).reduce((sum, count) => sum + count, 0);
    this.#received.set(sensor, totals);
  }

  /** One object per sensor, by name. */
  async list(): Promise<unknown[]> {
    const { identities } = this.#store.catalog;
    const now = BigInt(Date.now()) * 1_000_000n;
    const listed: unknown[] = [];
    for (const [name, runs] of [...identities.entries()].sort(([a], [b]) => (a < b ? -1 : 1))) {
      const last = await this.#lastOf(name);
      listed.push({
        name,
        lag_seconds: last === undefined ? null : Number(now - last.end) / 1e9,
        effective: last?.effective ?? null,
        software: last?.software ?? null,
        last_interval: last === undefined ? null : summaryOf(last),
        intervals: runs.reduce((sum, { held }) => sum + held.size, 0),
        since_start: this.#received.get(name) ?? { intervals: 0, packets: 0, bytes: 0, lost: 0 },
        runs: runs.slice(-RUNS_SHOWN).reverse().map(describeRun),
      });
    }
    return listed;
  }

  /** The last interval of a sensor: noted since the start, or read from its newest raw archive. */
  async #lastOf(sensor: string): Promise<Manifest | undefined> {
    const noted = this.#last.get(sensor);
    if (noted !== undefined) return noted;
    const newest = this.#newest(sensor);
    if (newest === undefined) return undefined;
    try {
      const { manifest } = await readManifestFile(this.#store.rawPath(newest));
      if (!this.#last.has(sensor)) this.#last.set(sensor, manifest);
      return manifest;
    } catch {
      return undefined;
    }
  }

  #newest(sensor: string): RawEntry | undefined {
    const { days, identities } = this.#store.catalog;
    for (const day of [...days.values()].sort((a, b) => b.day - a.day)) {
      for (const hour of [...day.hours.values()].sort((a, b) => b.hour - a.hour)) {
        const row = newestRow(hour, (run) => identities.byId(run).sensor === sensor);
        if (row !== undefined) return this.#store.catalog.rawEntry(hour, row);
      }
    }
    return undefined;
  }
}

function newestRow(hour: Hour, wanted: (run: number) => boolean): number | undefined {
  const raw = hour.raw.sorted();
  for (let row = raw.count - 1; row >= 0; row--) if (wanted(raw.run[row]!)) return row;
  return undefined;
}

/** `missing` counts the sequence numbers between the first and the last that never arrived. */
const describeRun = ({ run, held }: Run) => ({
  run,
  first: held.first ?? null,
  last: held.last ?? null,
  intervals: held.size,
  missing: held.missing,
});
