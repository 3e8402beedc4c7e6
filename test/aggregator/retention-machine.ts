/**
 * A store with a history: archives of fake sensors, roll-ups by a fake matrix worker that fails in every way it can,
 * clocks and a disk that are turned by hand. What the store says of itself is compared with a plain list.
 */
import assert from "node:assert/strict";
import { mkdirSync, readFileSync, utimesSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import type { Clocks } from "../../daemon/aggregator/clocks.js";
import type { AggregatorConfig } from "../../daemon/aggregator/config.js";
import type { RolledUp, Task } from "../../daemon/aggregator/matrix-messages.js";
import { type MatrixWorker, TaskError } from "../../daemon/aggregator/matrix-worker.js";
import { createMetrics } from "../../daemon/aggregator/metrics.js";
import { ROLLUP_SENSOR, rollupRun } from "../../daemon/aggregator/periods.js";
import { planSum } from "../../daemon/aggregator/plan.js";
import { Retention } from "../../daemon/aggregator/retention.js";
import { Rollups } from "../../daemon/aggregator/rollups.js";
import { Store } from "../../daemon/aggregator/store.js";
import { decodeArchive, encodeArchive } from "../../lib/archive.js";
import type { Manifest } from "../../lib/manifest.js";
import { sumManifests } from "../../lib/sum-manifests.js";
import { archive, config, filesBelow, Lines, NOON, RUN, SECOND, temporaryFolder } from "./support.js";

export interface Interval {
  sensor: string;
  sequence: number;
  /** ns since 1970 */
  start: bigint;
  /** ms of real time when it was stored, and when by the wall clock. */
  at: number;
  wall: number;
  /** What its sum does: the archive is damaged; it is too large even alone; it fits with no archive but its like. */
  kind: "sound" | "damaged" | "huge" | "odd";
}

export const keyOf = ({ sensor, sequence }: { sensor: string; sequence: number }): string =>
  `${sensor}/${sequence}`;

/** Latest time there is, ns: where the store's years end. */
const ALL = { from: 0n, to: 2n ** 63n };
/** ms since 1970 at the beginning: 2026-01-31T12:00Z. */
export const BEGIN_MS = Number(NOON / 1_000_000n);

const manifestAt = (path: string): Manifest => decodeArchive(readFileSync(path)).manifest;

export class Machine {
  readonly all = new Map<string, Interval>();
  /** ms that have passed in truth since the beginning. */
  passed = 0;
  /** ms by which the wall clock is wrong. */
  wrongBy = 0;
  /** Most intervals in a sum that fits in memory. */
  fits = Number.POSITIVE_INFINITY;
  /** Bytes of the disk; roll-ups and uploads beyond it fail. */
  disk = 1e13;
  /** All archives have the same links: a sum is as large as the largest of its summands. Otherwise as all of them. */
  isAlike = false;
  /** No roll-up can be written, for a reason that nobody knows. */
  isBroken = false;
  /** Uploads that were turned away for lack of room in a row. */
  refused = 0;
  /** What retention has told of before the last restart. */
  toldBefore = 0;
  readonly lines = new Lines();
  readonly path: string;
  readonly #sequences = new Map<string, number>();
  readonly #settings: AggregatorConfig;
  store!: Store;
  rollups!: Rollups;
  retention!: Retention;

  constructor(store: Record<string, unknown> = {}) {
    this.path = join(temporaryFolder(), "store");
    this.#settings = config({ store: { ...store, path: this.path }, rollup: { grace: "0" } });
  }

  get now(): number {
    return BEGIN_MS + this.passed;
  }

  get wall(): number {
    return this.now + this.wrongBy;
  }

  async open(): Promise<void> {
    // The monotonic clock of a new process has nothing to do with that of the one before.
    const since = this.passed - 1e9 * Math.random();
    const clocks: Clocks = { wall: () => this.wall, monotonic: () => this.passed - since };
    this.store = new Store(this.path, this.lines.logger, clocks);
    this.store.disk = async () => ({ free: this.disk - this.#used(), size: this.disk });
    await this.store.load();
    const metrics = createMetrics("test");
    const worker = { run: (task: Task) => this.#sum(task) } as unknown as MatrixWorker;
    this.rollups = new Rollups(this.store, worker, metrics, this.#settings.rollup);
    this.rollups.adopt();
    this.retention = new Retention(this.store, this.rollups, metrics, this.#settings.store);
    await this.retention.adopt();
  }

  close(): void {
    this.toldBefore += this.retention.losses.status().intervals;
    this.store.close();
  }

  async restart(): Promise<void> {
    this.close();
    await this.open();
  }

  /** Intervals that retention has told of as deleted unsummed. */
  get told(): number {
    return this.toldBefore + this.retention.losses.status().intervals;
  }

  /** Takes an interval as an upload is taken: false when there is no room. */
  async put(sensor: string, start: bigint, kind: Interval["kind"] = "sound", padding = 0): Promise<boolean> {
    const sequence = this.#sequences.get(sensor) ?? 0;
    const bytes = archive({ sensor, sequence, start }, [
      { name: `${kind}`, data: new Uint8Array(padding).fill(7) },
    ]);
    const { max_bytes } = this.#settings.store;
    if (bytes.length > max_bytes - this.store.bytes || bytes.length > (await this.store.freeBytes())) {
      this.store.wants(bytes.length);
      this.refused++;
      return false;
    }
    this.refused = 0;
    const temporary = await this.store.temporary();
    await temporary.handle.write(bytes);
    const identity = { start, sensor, run: RUN, sequence };
    await this.store.keep(temporary, identity, bytes.length);
    this.#touch(this.store.findRaw(identity)!);
    this.rollups.stored(start);
    this.#sequences.set(sensor, sequence + 1);
    const interval = { sensor, sequence, start, at: this.now, wall: this.wall, kind };
    this.all.set(keyOf(interval), interval);
    return true;
  }

  /** One turn of maintenance, `ms` later. */
  async turn(ms = 1000): Promise<void> {
    this.passed += ms;
    await this.rollups.work();
    await this.retention.work();
  }

  /** Turns until the store has room again; fails when that takes more than `max`. */
  async untilRoom(max: number, ms = 1000): Promise<void> {
    for (let turns = 0; this.retention.isFull; turns++) {
      assert.ok(turns < max, `no room after ${max} turns: ${JSON.stringify(this.retention.status())}`);
      await this.turn(ms);
    }
  }

  /** Intervals that can be had, each checked to be there once. */
  found(): Set<string> {
    const found = new Set<string>();
    for (const { path, intervals } of planSum(this.store, ALL)) {
      const manifest = manifestAt(path);
      assert.equal(manifest.intervals, intervals);
      for (const key of expand(manifest)) {
        assert.ok(!found.has(key), `${key} is counted twice`);
        found.add(key);
      }
    }
    return found;
  }

  /** All there was is there once, is in quarantine, or has been told of. */
  check(): void {
    const found = this.found();
    let quarantined = 0;
    for (const [key, { kind }] of this.all) {
      if (found.has(key)) continue;
      if (kind === "damaged") quarantined++;
    }
    const missing = this.all.size - found.size;
    assert.ok(
      missing <= this.told + quarantined,
      `${missing} are missing, ${this.told} told, ${quarantined} bad`,
    );
    assert.ok(missing >= this.told, `${this.told} told, only ${missing} are missing`);
    for (const { sensor, sequence } of this.all.values()) {
      const key = keyOf({ sensor, sequence });
      if (found.has(key))
        assert.ok(this.store.catalog.identities.has(sensor, RUN, sequence), `${key} is unknown`);
    }
  }

  /** Keys of the raw archives that are there. */
  raw(): Set<string> {
    return new Set(filesBelow(join(this.path, "raw")).map((file) => keyOf(manifestAt(file))));
  }

  #used = (): number => this.store.bytes;

  /** Files are dated by the wall clock of the machine, not by that of this test. */
  #touch(path: string): void {
    utimesSync(path, this.wall / 1e3, this.wall / 1e3);
  }

  /** Does with manifests what a matrix worker does with matrices. */
  async #sum({ files, wanted }: Task): Promise<RolledUp> {
    assert.ok(wanted.kind === "rollup");
    if (this.isBroken) throw new TaskError("internal", "it is broken");
    const manifests = files.map(({ path }) => manifestAt(path));
    for (const [at, { intervals }] of manifests.entries()) assert.equal(intervals, files[at]!.intervals);
    this.#mayFail(files, manifests, wanted.asIs);
    const { period, part, start, end, path } = wanted;
    const identity = { sensor: ROLLUP_SENSOR, run: rollupRun(part), software: "test", sequence: period };
    const summed = sumManifests(manifests, { ...identity, mode: "rollup", start, end });
    const sizes = files.map(({ path: file }) => sizeOfMembers(file));
    const size = this.isAlike ? Math.max(...sizes) : sizes.reduce((sum, one) => sum + one, 0);
    const bytes = encodeArchive(summed, [{ name: "links", data: new Uint8Array(size) }]);
    if (bytes.length > this.disk - this.#used()) throw new TaskError("disk", "no space left on device");
    mkdirSync(join(path, ".."), { recursive: true });
    writeFileSync(path, bytes);
    this.#touch(path);
    return { size: bytes.length, manifest: summed };
  }

  #mayFail(files: Task["files"], manifests: Manifest[], asIs: boolean): void {
    const inside = manifests.flatMap(expand).map((key) => this.all.get(key)!);
    for (const [at, { parts, sensor, sequence }] of manifests.entries()) {
      const isDamaged = parts === undefined && this.all.get(keyOf({ sensor, sequence }))!.kind === "damaged";
      if (isDamaged) throw new TaskError("bad", "it is damaged", files[at]!.path);
    }
    if (asIs) {
      assert.equal(files.length, 1);
      return;
    }
    if (inside.length > this.fits && files.length > 1) throw new TaskError("memory", "too large");
    if (inside.some(({ kind }) => kind === "huge")) throw new TaskError("memory", "too large even alone");
    if (new Set(inside.map(({ kind }) => kind === "odd")).size > 1)
      throw new TaskError("internal", "no such sum");
  }
}

const sizeOfMembers = (path: string): number =>
  decodeArchive(readFileSync(path)).members.reduce((sum, { data }) => sum + data.length, 0);

/** The sealed intervals in an archive. */
export function expand(manifest: Manifest): string[] {
  if (manifest.parts === undefined) return [keyOf(manifest)];
  return manifest.parts.flatMap(({ sensor, ranges }) =>
    ranges.flatMap(([first, last]) =>
      Array.from({ length: last - first + 1 }, (_, at) => keyOf({ sensor, sequence: first + at })),
    ),
  );
}

/** A start `seconds` after now (by the true time), on a whole second. */
export const startAt = (machine: Machine, seconds: number): bigint =>
  (BigInt(Math.floor(machine.now / 1000)) + BigInt(seconds)) * SECOND;
