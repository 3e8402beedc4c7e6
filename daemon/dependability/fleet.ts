/** The dependability of all sensors that ship to an aggregator: a record each, its clock, its file beside the store. */
import { join } from "node:path";
import { ArrivalRecord, isArrivalState } from "../../lib/dependability/arrival-record.js";
import { type WindowRatios, windowRatios } from "../../lib/dependability/ratios.js";
import { ServiceClock } from "../../lib/dependability/service-clock.js";
import type { Manifest } from "../../lib/manifest.js";
import type { Logger } from "../log.js";
import { isComplete, lossOf, STATE_FILE } from "./sensor-dependability.js";
import { StateFile } from "./state-file.js";

const SAVE_EVERY_MS = 60_000;
/** Sensors that are followed: a record takes up to 10 kB. */
const SENSORS_MAX = 4096;

export interface FleetOptions {
  /** The store's folder. */
  folder: string;
  /** How late an interval may arrive beyond its own length, ms. */
  graceMs: number;
  logger: Logger;
  wall?: () => number;
  monotonic?: () => number;
}

export class Fleet {
  graceMs: number;
  readonly #wall: () => number;
  readonly #file: StateFile;
  readonly #logger: Logger;
  readonly #records = new Map<string, ArrivalRecord>();
  readonly #clock: ServiceClock;
  readonly #timer: NodeJS.Timeout;
  #isTooLarge = false;

  /** Reads what the run before left. */
  constructor(options: FleetOptions) {
    this.graceMs = options.graceMs;
    this.#logger = options.logger;
    this.#wall = options.wall ?? Date.now;
    this.#file = new StateFile(join(options.folder, STATE_FILE), options.logger);
    const saved = this.#file.load();
    this.#clock = new ServiceClock(saved?.clock, this.#wall, options.monotonic ?? (() => performance.now()));
    for (const record of (saved?.records ?? []).slice(0, SENSORS_MAX)) {
      const { sensor, state } = (record ?? {}) as { sensor?: unknown; state?: unknown };
      if (typeof sensor === "string" && isArrivalState(state, saved!.clock.clock_ms))
        this.#records.set(sensor, new ArrivalRecord(state));
      else this.#logger.error({ file: this.#file.path, sensor }, "a record is damaged: measured anew");
    }
    this.#timer = setInterval(() => void this.#save(), SAVE_EVERY_MS);
    this.#timer.unref();
  }

  /** An interval has been stored. Those of a capture file are no service: nothing more is due after them. */
  arrived(manifest: Manifest): void {
    if (manifest.mode === "pcap") return;
    const { sensor, run, sequence, sealed_by, frames, drops } = manifest;
    const endWallMs = Number(manifest.end / 1_000_000n);
    const lengthMs = endWallMs - Number(manifest.start / 1_000_000n);
    const end = this.#clock.at(endWallMs);
    const start = Math.max(0, end - lengthMs);
    let record = this.#records.get(sensor);
    if (record === undefined) {
      if (!this.#hasRoom()) return;
      this.#records.set(sensor, (record = new ArrivalRecord(start)));
    }
    record.arrived(this.#clock.now(), this.graceMs, {
      run,
      sequence,
      start,
      end,
      endWallMs,
      lengthMs,
      endedBy: sealed_by === "clock" || sealed_by === "packets" ? sealed_by : "other",
      isComplete: isComplete(manifest),
      counted: frames,
      offered: frames + lossOf(drops),
    });
  }

  /** Of one sensor; undefined when it is not followed. */
  of(sensor: string): WindowRatios | undefined {
    const record = this.#records.get(sensor);
    return record && windowRatios([record.totals(this.#clock.now(), this.graceMs)]);
  }

  /** Of all sensors together. */
  all(): WindowRatios {
    const now = this.#clock.now();
    return windowRatios([...this.#records.values()].map((record) => record.totals(now, this.graceMs)));
  }

  /** Saves for the last time. */
  async stop(): Promise<void> {
    clearInterval(this.#timer);
    await this.#save();
  }

  /** Room for one more sensor; those of which no window knows any more go. */
  #hasRoom(): boolean {
    if (this.#records.size < SENSORS_MAX) return true;
    this.#forget();
    const hasRoom = this.#records.size < SENSORS_MAX;
    if (!hasRoom && !this.#isTooLarge)
      this.#logger.warn({ sensors: SENSORS_MAX }, "more sensors than dependability is measured of");
    this.#isTooLarge = !hasRoom;
    return hasRoom;
  }

  #forget(): void {
    const now = this.#clock.now();
    for (const [sensor, record] of this.#records) if (record.isForgotten(now)) this.#records.delete(sensor);
  }

  async #save(): Promise<void> {
    this.#forget();
    const now = this.#clock.now();
    const records = [...this.#records].map(([sensor, record]) => {
      record.settle(now, this.graceMs);
      return { sensor, state: record.toJSON() };
    });
    await this.#file.save(this.#clock.save(), records);
  }
}
