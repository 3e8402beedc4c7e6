/**
 * The store as a state machine against a plain list of intervals: whatever order archives arrive, roll-ups are written,
 * retention deletes, files are lost and the process starts again in, a plan over any range either names each interval
 * of the range exactly once, or says that the range is too fine.
 */
import assert from "node:assert/strict";
import { mkdirSync, readFileSync, rmSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { pino } from "pino";
import type { RolledUp, Task } from "../../daemon/aggregator/matrix-messages.js";
import type { MatrixWorker } from "../../daemon/aggregator/matrix-worker.js";
import { createMetrics } from "../../daemon/aggregator/metrics.js";
import { ROLLUP_SENSOR, rollupRun } from "../../daemon/aggregator/periods.js";
import { type PlanOptions, planSum } from "../../daemon/aggregator/plan.js";
import { Refusal } from "../../daemon/aggregator/refusal.js";
import { Retention } from "../../daemon/aggregator/retention.js";
import { Rollups } from "../../daemon/aggregator/rollups.js";
import { Store } from "../../daemon/aggregator/store.js";
import { decodeArchive, encodeArchive } from "../../lib/archive.js";
import type { Manifest } from "../../lib/manifest.js";
import { sumManifests } from "../../lib/sum-manifests.js";
import { archive, config, filesBelow, RUN, SECOND, temporaryFolder, test } from "./support.js";
import { random } from "./traffic.js";

const seed = Number(process.env.SPARSEWIRE_FUZZ_SEED ?? Date.now() % 1e9);
const milliseconds = 1000 * Number(process.env.SPARSEWIRE_FUZZ_SECONDS ?? 3);

/** 2026-01-31T22:30:00Z: three hours from here cross an hour and a day. */
const BEGIN = 1_769_898_600n * SECOND;
const SPAN_SECONDS = 3 * 3600;
const SENSORS = ["a", "b"];

interface Interval {
  sensor: string;
  sequence: number;
  start: bigint;
}
const keyOf = ({ sensor, sequence }: { sensor: string; sequence: number }): string => `${sensor}/${sequence}`;

const manifestAt = (path: string): Manifest => decodeArchive(readFileSync(path)).manifest;

/** Does with manifests what a matrix worker does with matrices. */
const worker = {
  async run(task: Task): Promise<RolledUp> {
    assert.ok(task.wanted.kind === "rollup");
    const { path, temporary: _temporary, period, part, start, end } = task.wanted;
    const manifests = task.files.map((file) => manifestAt(file.path));
    for (const [at, { intervals }] of manifests.entries()) assert.equal(intervals, task.files[at]!.intervals);
    const identity = { sensor: ROLLUP_SENSOR, run: rollupRun(part), software: "test", sequence: period };
    const summed = sumManifests(manifests, { ...identity, mode: "rollup", start, end });
    const bytes = encodeArchive(summed, []);
    mkdirSync(join(path, ".."), { recursive: true });
    writeFileSync(path, bytes);
    return { size: bytes.length, manifest: summed };
  },
} as unknown as MatrixWorker;

class Machine {
  readonly all: Interval[] = [];
  readonly path = temporaryFolder();
  readonly #next: () => number;
  readonly #sequences = new Map<string, number>();
  #store!: Store;
  #rollups!: Rollups;
  #retention!: Retention;
  /** ms by which both clocks are ahead of real time: what is there now was written so long ago. */
  #later = 0;

  constructor(next: () => number) {
    this.#next = next;
  }

  async open(): Promise<void> {
    const settings = config({
      store: { keep_raw: "2s", keep_1m: "10s", keep_1h: "100s", keep_1d: "36500d" },
      rollup: { grace: "0" },
    });
    const metrics = createMetrics("test");
    this.#later = 0;
    this.#store = new Store(this.path, pino({ level: "silent" }), {
      wall: () => Date.now() + this.#later,
      monotonic: () => performance.now() + this.#later,
    });
    await this.#store.load();
    this.#rollups = new Rollups(this.#store, worker, metrics, settings.rollup);
    this.#rollups.adopt();
    this.#retention = new Retention(this.#store, this.#rollups, metrics, settings.store);
    await this.#retention.adopt();
  }

  close(): void {
    this.#store.close();
  }

  pick(below: number): number {
    return Math.floor(this.#next() * below);
  }

  async store(): Promise<void> {
    const sensor = SENSORS[this.pick(SENSORS.length)]!;
    const start = BEGIN + BigInt(this.pick(SPAN_SECONDS / 20) * 20) * SECOND;
    const sequence = this.#sequences.get(sensor) ?? 0;
    this.#sequences.set(sensor, sequence + 1);
    const bytes = archive({ sensor, sequence, start });
    const temporary = await this.#store.temporary();
    await temporary.handle.write(bytes);
    await this.#store.keep(temporary, { start, sensor, run: RUN, sequence }, bytes.length);
    this.#rollups.stored(start);
    this.all.push({ sensor, sequence, start });
  }

  rollUp(): Promise<void> {
    this.#later += 1;
    return this.#rollups.work();
  }

  expire(): Promise<void> {
    this.#later += [0, 3_000, 20_000, 200_000][this.pick(4)]!;
    return this.#retention.work();
  }

  async restart(): Promise<void> {
    this.close();
    await this.open();
  }

  /** Somebody deletes a roll-up that can be made again: raw archives of its minute are all there. */
  async loseMinute(): Promise<void> {
    const minutes = filesBelow(join(this.path, "rollup/1m"));
    const path = minutes[this.pick(minutes.length)];
    if (path === undefined) return;
    const raw = new Set(filesBelow(join(this.path, "raw")).map((file) => keyOf(manifestAt(file))));
    const parts = expand(manifestAt(path));
    if (!parts.every((key) => raw.has(key))) return;
    this.close();
    rmSync(path);
    await this.open();
  }

  check(options: Omit<PlanOptions, "coarsest">, mayRefuse: boolean): void {
    const { from, to, sensor } = options;
    const wanted = this.all.filter(
      (one) => one.start >= from && one.start < to && (sensor === undefined || one.sensor === sensor),
    );
    let files: ReturnType<typeof planSum>;
    try {
      files = planSum(this.#store, options);
    } catch (error) {
      assert.ok(mayRefuse && error instanceof Refusal && error.code === "TOO_FINE", String(error));
      return;
    }
    const found = files.flatMap(({ path, intervals }) => {
      const manifest = manifestAt(path);
      assert.equal(manifest.intervals, intervals);
      return expand(manifest);
    });
    assert.deepEqual(found.sort(), wanted.map(keyOf).sort());
  }

  checkIdentities(): void {
    const { identities } = this.#store.catalog;
    for (const { sensor, sequence } of this.all) assert.ok(identities.has(sensor, RUN, sequence));
  }
}

/** The sealed intervals in an archive. */
function expand(manifest: Manifest): string[] {
  if (manifest.parts === undefined) return [keyOf(manifest)];
  return manifest.parts.flatMap(({ sensor, ranges }) =>
    ranges.flatMap(([first, last]) =>
      Array.from({ length: last - first + 1 }, (_, at) => keyOf({ sensor, sequence: first + at })),
    ),
  );
}

async function life(next: () => number): Promise<number> {
  const machine = new Machine(next);
  await machine.open();
  const whole = { from: BEGIN - 86_400n * SECOND, to: BEGIN + 2n * 86_400n * SECOND };
  const at = () =>
    BEGIN + BigInt(machine.pick(SPAN_SECONDS / 60 + 1) * 60 + (machine.pick(3) === 0 ? 20 : 0)) * SECOND;
  const hour = () => BEGIN - 1800n * SECOND + BigInt(machine.pick(5) * 3600) * SECOND;
  for (let step = 0; step < 60; step++) {
    const action = machine.pick(10);
    if (action < 4) for (let n = machine.pick(12); n >= 0; n--) await machine.store();
    else if (action < 6) await machine.rollUp();
    else if (action < 8) await machine.expire();
    else if (action < 9) await machine.restart();
    else await machine.loseMinute();
    machine.check(whole, false);
    machine.checkIdentities();
    for (const edge of [at, hour]) {
      const [a, b] = [edge(), edge()];
      if (a === b) continue;
      const range = { from: a < b ? a : b, to: a < b ? b : a };
      machine.check(range, true);
      machine.check({ ...range, sensor: SENSORS[machine.pick(2)] }, true);
    }
  }
  machine.close();
  return machine.all.length;
}

test("a plan names each interval exactly once, whatever has happened to the store", async (t) => {
  const end = Date.now() + milliseconds;
  let lives = 0;
  let intervals = 0;
  for (; lives === 0 || Date.now() < end; lives++) {
    const own = seed + lives;
    try {
      intervals += await life(random(own));
    } catch (error) {
      throw new Error(`with SPARSEWIRE_FUZZ_SEED=${own}: ${(error as Error).message}`, { cause: error });
    }
  }
  t.diagnostic(`seed ${seed}, ${lives} lives, ${intervals} intervals`);
});
