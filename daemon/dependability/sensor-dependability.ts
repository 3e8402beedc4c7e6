/** The dependability of a running sensor: its record, its clock and its file beside the spool. */
import { mkdirSync } from "node:fs";
import { join } from "node:path";
import { parseArchiveName } from "../../lib/archive.js";
import { type WindowRatios, windowRatios } from "../../lib/dependability/ratios.js";
import {
  isSensorState,
  SensorRecord,
  type SensorState,
  type Waiting,
} from "../../lib/dependability/sensor-record.js";
import { ServiceClock } from "../../lib/dependability/service-clock.js";
import type { ManifestHead } from "../../lib/manifest.js";
import type { Logger } from "../log.js";
import { StateFile } from "./state-file.js";

export const STATE_FILE = "dependability.json";
/** A crash costs what happened since the last save: it counts as an outage. */
const SAVE_EVERY_MS = 10_000;

export interface DependabilityStatus {
  /** Whether it outlives a restart: only where there is a spool to keep it beside. */
  is_kept: boolean;
  windows: WindowRatios;
}

export interface SensorDependabilityOptions {
  /** Length of an interval, ms; 0 where intervals end by their packets. */
  intervalMs: number;
  /** How late an interval may be delivered beyond its own length, ms. */
  graceMs: number;
  /** The spool's folder; undefined where nothing is shipped. */
  folder: string | undefined;
  /** Names of the archives that wait there. */
  waiting: readonly string[];
  logger: Logger;
  wall?: () => number;
  monotonic?: () => number;
}

export class SensorDependability {
  readonly #clock: ServiceClock;
  readonly #record: SensorRecord;
  readonly #file: StateFile | undefined;
  #timer: NodeJS.Timeout | undefined;

  /** Capture begins now. */
  constructor(options: SensorDependabilityOptions) {
    const { intervalMs, graceMs, folder, logger } = options;
    const wall = options.wall ?? Date.now;
    this.#file = folder === undefined ? undefined : new StateFile(join(folder, STATE_FILE), logger);
    if (folder !== undefined) mkdirSync(folder, { recursive: true });
    let saved = this.#file?.load();
    let state = saved?.records[0];
    if (saved !== undefined && !isSensorState(state, saved.clock.clock_ms)) {
      this.#file!.setAside("its record is not sound");
      saved = undefined;
      state = undefined;
    }
    this.#clock = new ServiceClock(saved?.clock, wall, options.monotonic ?? (() => performance.now()));
    const waiting = options.waiting.flatMap((name): Waiting[] => {
      const identity = parseArchiveName(name);
      if (identity === undefined) return [];
      const endMs = Number(identity.start / 1_000_000n) + intervalMs;
      return [{ key: keyOf(identity), end: this.#clock.at(endMs) }];
    });
    this.#record = new SensorRecord(
      intervalMs,
      intervalMs + graceMs,
      this.#clock.now(),
      state as SensorState | undefined,
      waiting,
    );
    if (this.#file !== undefined) {
      // At once: a run that crashes before its first save has been there, too.
      void this.#save();
      this.#timer = setInterval(() => void this.#save(), SAVE_EVERY_MS);
      this.#timer.unref();
    }
  }

  /** An interval is closed in every sandbox. */
  sealed(it: Identity & Pick<ManifestHead, "drops" | "sampling">): void {
    this.#record.sealed(this.#clock.now(), keyOf(it), isComplete(it));
  }

  /** Its archive is made: what is in it is known. */
  counted(it: Identity & Pick<ManifestHead, "drops" | "frames">): void {
    this.#record.counted(this.#clock.now(), keyOf(it), it.frames, it.frames + lossOf(it.drops));
  }

  /** The aggregator has it; where there is none, it is there to be asked for. */
  delivered(it: Identity): void {
    this.#record.delivered(this.#clock.now(), keyOf(it));
  }

  status(): DependabilityStatus {
    return {
      is_kept: this.#file !== undefined,
      windows: windowRatios([this.#record.totals(this.#clock.now())]),
    };
  }

  /** Saves for the last time. */
  async stop(): Promise<void> {
    clearInterval(this.#timer);
    await this.#save();
  }

  async #save(): Promise<void> {
    this.#record.settle(this.#clock.now());
    await this.#file?.save(this.#clock.save(), [this.#record.toJSON()]);
  }
}

interface Identity {
  run: string;
  sequence: number;
}

const keyOf = ({ run, sequence }: Identity): string => `${run}/${sequence}`;

/** Packets that were offered and are not in the interval. */
export const lossOf = (drops: Record<string, number>): number =>
  Object.values(drops).reduce((sum, count) => sum + count, 0);

/** Whether every packet that was offered is in the interval. */
export const isComplete = ({ drops, sampling }: Pick<ManifestHead, "drops" | "sampling">): boolean =>
  sampling === 1 && lossOf(drops) === 0;
