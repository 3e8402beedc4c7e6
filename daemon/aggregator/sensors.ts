/** What is known of each sensor: its runs from the catalog, its last interval from that interval's manifest. */
import type { Manifest } from "../../lib/manifest.js";
import type { Fleet } from "../dependability/fleet.js";
import { mapInTurns } from "../http/turns.js";
import type { RawEntry } from "./catalog.js";
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
  readonly #fleet: Fleet;
  readonly #last = new Map<string, Manifest>();
  #recalled: Promise<void> | undefined;
  /** Since this process started. */
  readonly #received = new Map<string, Totals>();

  constructor(store: Store, fleet: Fleet) {
    this.#store = store;
    this.#fleet = fleet;
  }

  /** Takes note of an interval that was just stored. */
  note(manifest: Manifest): void {
    const { sensor, packets, bytes, drops } = manifest;
    this.#fleet.arrived(manifest);
    const last = this.#last.get(sensor);
    if (last === undefined || last.start <= manifest.start) this.#last.set(sensor, manifest);
    const totals = this.#received.get(sensor) ?? { intervals: 0, packets: 0, bytes: 0, lost: 0 };
    totals.intervals++;
    totals.packets += packets;
    totals.bytes += bytes;
    totals.lost += Object.values(drops).reduce((sum, count) => sum + count, 0);
    this.#received.set(sensor, totals);
  }

  /** One JSON object per sensor, by name, with commas between them. */
  async listing(): Promise<string> {
    await (this.#recalled ??= this.#recall());
    const entries = [...this.#store.catalog.identities.entries()].sort(([a], [b]) => (a < b ? -1 : 1));
    const texts = await mapInTurns(entries, ([name, runs]) => JSON.stringify(this.#described(name, runs)));
    return texts.join(",");
  }

  #described(name: string, runs: readonly Run[]) {
    const now = BigInt(Date.now()) * 1_000_000n;
    const last = this.#last.get(name);
    return {
      name,
      lag_seconds: last === undefined ? null : Number(now - last.end) / 1e9,
      effective: last?.effective ?? null,
      software: last?.software ?? null,
      last_interval: last === undefined ? null : summaryOf(last),
      intervals: runs.reduce((sum, { held }) => sum + held.size, 0),
      since_start: this.#received.get(name) ?? { intervals: 0, packets: 0, bytes: 0, lost: 0 },
      dependability: this.#fleet.of(name) ?? null,
      runs: runs.slice(-RUNS_SHOWN).reverse().map(describeRun),
    };
  }

  /** After a restart: reads the manifest of the newest raw archive of each sensor, once. */
  async #recall(): Promise<void> {
    for (const [sensor, entry] of this.#newest()) {
      try {
        const { manifest } = await readManifestFile(this.#store.rawPath(entry));
        if (!this.#last.has(sensor)) this.#last.set(sensor, manifest);
      } catch (error) {
        // It has just expired, or is not sound: the sensor is shown without a last interval.
        this.#store.logger.debug({ sensor, err: error }, "no last interval");
      }
    }
  }

  /** The newest raw archive of each sensor that has not shipped since the start. */
  #newest(): Map<string, RawEntry> {
    const { days, identities } = this.#store.catalog;
    const wanted = new Set([...identities.entries()].map(([sensor]) => sensor));
    for (const sensor of this.#last.keys()) wanted.delete(sensor);
    const found = new Map<string, RawEntry>();
    for (const day of [...days.values()].sort((a, b) => b.day - a.day)) {
      for (const hour of [...day.hours.values()].sort((a, b) => b.hour - a.hour)) {
        const raw = hour.raw.sorted();
        for (let row = raw.count - 1; row >= 0 && wanted.size > 0; row--) {
          const { sensor } = identities.byId(raw.run[row]!);
          if (wanted.delete(sensor)) found.set(sensor, this.#store.catalog.rawEntry(hour, row));
        }
      }
    }
    return found;
  }
}

/** `missing` counts the sequence numbers between the first and the last that never arrived. */
const describeRun = ({ run, held }: Run) => ({
  run,
  first: held.first ?? null,
  last: held.last ?? null,
  intervals: held.size,
  missing: held.missing,
});
