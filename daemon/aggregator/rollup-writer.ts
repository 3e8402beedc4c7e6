/**
 * Writes the roll-up of a period: one file, or, when the sum does not fit in limits.memory_bytes, several, each of which
 * does ("parts"). Parts of a new roll-up are there all or none: part 0 is written last, and without it the others do not
 * count. A roll-up that is there grows by one part at a time, in its last one while that fits.
 */
import { join } from "node:path";
import type { RolledUp } from "./matrix-messages.js";
import { type MatrixWorker, TaskError } from "./matrix-worker.js";
import { periodStart, type RollupLevel } from "./periods.js";
import type { PlannedFile } from "./plan.js";
import { describePart } from "./scan.js";
import type { Store } from "./store.js";

/** A part that has been written: what of, its entry of the catalog, and the intervals in it. */
interface Made {
  files: readonly PlannedFile[];
  described: ReturnType<typeof describePart>;
  contained: RolledUp["manifest"]["parts"];
}

interface Period {
  level: RollupLevel;
  period: number;
}

export class RollupWriter {
  readonly #store: Store;
  readonly #worker: MatrixWorker;

  constructor(store: Store, worker: MatrixWorker) {
    this.#store = store;
    this.#worker = worker;
  }

  /**
   * Adds files to the roll-up of a period, or makes it of them. A raw archive that cannot be summed even alone stays outside.
   * Throws TaskError (bad, stale, disk, cancelled): what was in the roll-up still is, and a new one does not exist.
   */
  async write(of: Period, files: readonly PlannedFile[]): Promise<void> {
    const existing = this.#store.catalog.rollup(of.level, of.period);
    if (existing === undefined) return this.#make(of, files);
    const { part, intervals } = existing.parts.at(-1)!;
    const path = this.#store.rollupPath(of.level, of.period, part);
    const made = await this.#sum(of, part, [{ path, intervals }, ...files]);
    if (made !== undefined) this.#takeIn(of, made);
    else for await (const more of this.#split(of, files, part + 1, false)) this.#takeIn(of, more);
  }

  async #make(of: Period, files: readonly PlannedFile[]): Promise<void> {
    const all: Made[] = [];
    try {
      for await (const made of this.#split(of, files, 1, true)) all.push(made);
      if (all.length > 0 && all.at(-1)!.described.part !== 0) all.push(await this.#renumber(of, all.pop()!));
    } catch (error) {
      for (const made of all) await this.#remove(of, made).catch(() => undefined);
      throw error;
    }
    for (const made of all) this.#takeIn(of, made);
  }

  /** Makes the last part that was written part 0: a file behind it stayed outside. */
  async #renumber(of: Period, last: Made): Promise<Made> {
    const made = await this.#sum(of, 0, last.files, last.files.length === 1);
    await this.#remove(of, last);
    if (made === undefined) throw new TaskError("internal", "a sum that was made cannot be made again");
    return made;
  }

  /** Sums of all files, in few groups that fit, as the parts `next`, `next` + 1 ...; the last one as part 0 if asked to. */
  async *#split(
    of: Period,
    files: readonly PlannedFile[],
    next: number,
    lastIsZero: boolean,
  ): AsyncGenerator<Made> {
    const groups = [files];
    for (let group = groups.shift(); group !== undefined; group = groups.shift()) {
      const part = lastIsZero && groups.length === 0 ? 0 : next;
      let made = await this.#sum(of, part, group);
      if (made === undefined && group.length > 1) {
        const half = Math.ceil(group.length / 2);
        groups.unshift(group.slice(0, half), group.slice(half));
        continue;
      }
      made ??= await this.#alone(of, part, group[0]!);
      if (made === undefined) continue;
      if (part === next) next++;
      yield made;
    }
  }

  /** Writes the sum as a part; undefined when it cannot be made: these files do not fit, or do not fit together. */
  async #sum(
    of: Period,
    part: number,
    files: readonly PlannedFile[],
    asIs = false,
  ): Promise<Made | undefined> {
    const { level, period } = of;
    const wanted = {
      kind: "rollup",
      path: this.#store.rollupPath(level, period, part),
      temporary: this.#store.temporaryPath(),
      period,
      part,
      start: periodStart(level, period),
      end: periodStart(level, period + 1),
      asIs,
    } as const;
    try {
      const { size, manifest } = await this.#worker.run<RolledUp>({ files, wanted });
      const described = describePart(part, size, manifest, this.#store.clocks.wall());
      return { files, described, contained: manifest.parts };
    } catch (error) {
      const isTooMuch =
        error instanceof TaskError && (error.fault === "memory" || error.fault === "internal");
      if (!isTooMuch || asIs) throw error;
      this.#store.logger.debug({ level, period, part, files: files.length, why: error.message }, "no sum");
      return undefined;
    }
  }

  /**
   * One file that cannot be summed. A sum of ours is taken over as it is. A raw archive stays raw, outside the roll-up: that it
   * does not fit now is no proof against it. It expires unsummed in the end.
   */
  async #alone(of: Period, part: number, file: PlannedFile): Promise<Made | undefined> {
    const isRaw = file.path.startsWith(join(this.#store.path, "raw", "/"));
    return isRaw ? undefined : this.#sum(of, part, [file], true);
  }

  #remove({ level, period }: Period, { described }: Made): Promise<void> {
    return this.#store.remove(this.#store.rollupPath(level, period, described.part));
  }

  #takeIn({ level, period }: Period, { described, contained }: Made): void {
    this.#store.catalog.setRollup(level, period, described, contained);
  }
}
