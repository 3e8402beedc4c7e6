/**
 * How many new runs may begin. Each stays in the memory of identities and in the parts of every sum for years, so one sensor
 * that makes up a run for each upload would fill both. A sensor that restarts all day long stays within.
 */
import { comeBack } from "./refusal.js";

/** New runs in a day, of one sensor and of all. */
export const NEW_RUNS = { sensor: 1000, all: 50_000 } as const;
const DAY_MS = 86_400_000;
const RETRY_SECONDS = 600;

export class RunGate {
  readonly #now: () => number;
  readonly #bySensor = new Map<string, number>();
  #all = 0;
  #since: number;

  constructor(now: () => number = () => performance.now()) {
    this.#now = now;
    this.#since = now();
  }

  /** Throws Refusal (503) when `sensor` may not begin another run today: the interval can wait in its spool. */
  check(sensor: string): void {
    if (this.#now() - this.#since >= DAY_MS) {
      this.#bySensor.clear();
      [this.#all, this.#since] = [0, this.#now()];
    }
    const own = this.#bySensor.get(sensor) ?? 0;
    if (own < NEW_RUNS.sensor && this.#all < NEW_RUNS.all) return;
    const whose = own < NEW_RUNS.sensor ? "all sensors" : sensor;
    throw comeBack(`too many new runs of ${whose} today`, "too_many", RETRY_SECONDS);
  }

  /** A run has begun. */
  began(sensor: string): void {
    this.#bySensor.set(sensor, (this.#bySensor.get(sensor) ?? 0) + 1);
    this.#all++;
  }
}
