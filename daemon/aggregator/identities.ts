/**
 * Which intervals the store holds, by (sensor, run, sequence): what makes an upload a duplicate. Rebuilt at the start
 * from the names of the raw archives and the `parts` of the roll-ups, so that it outlives the raw archives.
 */
import type { Manifest } from "../../lib/manifest.js";
import { RangeSet } from "./ranges.js";

export interface Run {
  /** Small integer that stands for (sensor, run) in the catalog. */
  readonly id: number;
  readonly sensor: string;
  readonly run: string;
  /** Sequence numbers that are in the store, raw or rolled up. */
  readonly held: RangeSet;
}

export class Identities {
  readonly #runs: Run[] = [];
  readonly #bySensor = new Map<string, Map<string, Run>>();

  /** The entry of a run; made when it is new. */
  run(sensor: string, run: string): Run {
    let runs = this.#bySensor.get(sensor);
    if (runs === undefined) this.#bySensor.set(sensor, (runs = new Map()));
    let entry = runs.get(run);
    if (entry === undefined) {
      entry = { id: this.#runs.length, sensor, run, held: new RangeSet() };
      this.#runs.push(entry);
      runs.set(run, entry);
    }
    return entry;
  }

  /** The entry of a run, if there is one. */
  find(sensor: string, run: string): Run | undefined {
    return this.#bySensor.get(sensor)?.get(run);
  }

  byId(id: number): Run {
    return this.#runs[id]!;
  }

  has(sensor: string, run: string, sequence: number): boolean {
    return this.#bySensor.get(sensor)?.get(run)?.held.has(sequence) ?? false;
  }

  hasSensor(sensor: string): boolean {
    return this.#bySensor.has(sensor);
  }

  get sensors(): number {
    return this.#bySensor.size;
  }

  /** Sensors with their runs, in the order in which they were first seen. */
  *entries(): Generator<[sensor: string, runs: Run[]]> {
    for (const [sensor, runs] of this.#bySensor) {
      const held = [...runs.values()].filter((run) => run.held.size > 0);
      if (held.length > 0) yield [sensor, held];
    }
  }

  /** Takes in what a roll-up is made of. */
  addParts(parts: Manifest["parts"]): void {
    for (const { sensor, run, ranges } of parts ?? []) {
      const { held } = this.run(sensor, run);
      for (const [first, last] of ranges) held.add(first, last);
    }
  }
}
