/**
 * Random histories of a store: uploads of every kind, roll-ups that fail, clocks that step, disks that are full, restarts.
 * Whatever happens: each interval is in the sums once, or has been told as deleted, or is in quarantine; nothing is deleted
 * before its time unless room is needed; and there is room again after a bounded time.
 */
import assert from "node:assert/strict";
import { STEP_MS_MAX } from "../../daemon/aggregator/age-clock.js";
import { type Interval, Machine, startAt } from "./retention-machine.js";
import { test } from "./support.js";
import { random } from "./traffic.js";

const seed = Number(process.env.SPARSEWIRE_FUZZ_SEED ?? Date.now() % 1e9);
const milliseconds = 1000 * Number(process.env.SPARSEWIRE_FUZZ_SECONDS ?? 4);

const HOUR_MS = 3_600_000;
const DAY_MS = 24 * HOUR_MS;
const YEARS_MS = 20 * 365 * DAY_MS;
const KEEP = { keep_raw: "2h", keep_1m: "12h", keep_1h: "3d", keep_1d: "30d" };
const KEEP_RAW_MS = 2 * HOUR_MS;
/** Oldest interval that a sensor of these histories delivers. */
const LATE_SECONDS = 5400;

const KINDS: Interval["kind"][] = ["sound", "sound", "sound", "sound", "damaged", "huge", "odd"];

class Life {
  readonly machine: Machine;
  readonly #next: () => number;
  readonly #isSmall: boolean;

  constructor(next: () => number) {
    this.#next = next;
    this.#isSmall = next() < 0.6;
    const machine = new Machine({ ...KEEP, max_bytes: this.#isSmall && next() < 0.5 ? "1MiB" : "1GiB" });
    if (this.#isSmall && next() < 0.6) machine.disk = 600_000 + Math.floor(next() * 600_000);
    if (next() < 0.5) machine.fits = 2 + Math.floor(next() * 8);
    this.machine = machine;
  }

  pick(below: number): number {
    return Math.floor(this.#next() * below);
  }

  async upload(): Promise<void> {
    // Nothing tells the age of what is dated far back and about the future; an aggregator whose clock is behind refuses it.
    const isFuture = this.pick(12) === 0 && this.machine.wrongBy >= 0;
    for (let n = this.pick(10); n >= 0; n--) {
      const ago = isFuture ? -YEARS_MS / 1000 - this.pick(4000) : this.pick(LATE_SECONDS);
      const kind = KINDS[this.pick(KINDS.length)]!;
      const sensor = ["a", "b", "c"][this.pick(3)]!;
      await this.machine.put(
        sensor,
        startAt(this.machine, -ago),
        kind,
        this.#isSmall ? this.pick(20_000) : 0,
      );
    }
  }

  async run(): Promise<void> {
    const turns = 1 + this.pick(8);
    const ms = [1000, 10_000, 60_000, HOUR_MS / 2, 5 * HOUR_MS][this.pick(5)]!;
    for (let turn = 0; turn < turns; turn++) await this.#turn(ms);
  }

  /** A turn that must not delete raw archives before their time, if it need not make room. */
  async #turn(ms: number): Promise<void> {
    const { machine } = this;
    const before = machine.raw();
    const lines = machine.lines.all.length;
    await machine.turn(ms);
    const causes = machine.lines.all.slice(lines).map(({ cause }) => cause);
    if (causes.includes("bytes") || causes.includes("disk")) return;
    const after = machine.raw();
    for (const key of before) {
      if (after.has(key)) continue;
      const { at, wall, kind } = machine.all.get(key)!;
      // What a wrong clock has dated is as old as its contents.
      const age = machine.now - at + (wall === at ? 0 : LATE_SECONDS * 1000);
      assert.ok(
        kind === "damaged" || age >= KEEP_RAW_MS - STEP_MS_MAX - ms,
        `${key} deleted at ${age / HOUR_MS} h`,
      );
    }
  }

  /** The wall clock is wrong for a while, shorter than it would be believed; then right again. */
  async stepClock(): Promise<void> {
    const { machine } = this;
    machine.wrongBy = [YEARS_MS, DAY_MS, HOUR_MS, -HOUR_MS, -DAY_MS, -YEARS_MS][this.pick(6)]!;
    for (let step = 0; step < 3; step++) {
      const action = this.pick(4);
      if (action === 0) await this.upload();
      else if (action === 1) await machine.restart();
      else for (let turn = 0; turn < 5; turn++) await this.#turn(60_000);
      machine.check();
    }
    machine.wrongBy = 0;
  }

  async breakSums(): Promise<void> {
    this.machine.isBroken = true;
    for (let turn = this.pick(20); turn >= 0; turn--) await this.#turn(5000);
    this.machine.isBroken = false;
  }

  async step(): Promise<void> {
    const action = this.pick(12);
    if (action < 5) await this.upload();
    else if (action < 8) await this.run();
    else if (action < 9) await this.machine.restart();
    else if (action < 10) await this.stepClock();
    else if (action < 11) await this.breakSums();
    else await this.machine.untilRoom(300);
    this.machine.check();
  }

  /** Whatever is left: there is room within minutes, and in the end nothing is left. */
  async end(): Promise<void> {
    const { machine } = this;
    await machine.untilRoom(400);
    for (let turns = 0; !(await machine.put("last", startAt(machine, -10))); turns++) {
      assert.ok(turns < 200, "an upload is taken in the end");
      await machine.turn();
    }
    machine.check();
    // A standstill, a clock that has to be caught up with, four levels of age: all of it in bounded time.
    for (let turn = 0; turn < 400 && machine.store.bytes > 0; turn++) {
      for (let n = 0; n < 5; n++) await machine.turn(30_000);
      await machine.turn(8 * HOUR_MS);
    }
    assert.equal(machine.store.bytes, 0, "all has expired");
    machine.close();
  }
}

test("whatever happens to a store, its sums are exact but for what it tells, and it has room", async (t) => {
  const end = Date.now() + milliseconds;
  let lives = 0;
  let intervals = 0;
  let told = 0;
  for (; lives === 0 || Date.now() < end; lives++) {
    const life = new Life(random(seed + lives));
    try {
      await life.machine.open();
      for (let step = 0; step < 25; step++) await life.step();
      told += life.machine.told;
      await life.end();
    } catch (error) {
      const { message } = error as Error;
      throw new Error(`with SPARSEWIRE_FUZZ_SEED=${seed + lives} SPARSEWIRE_FUZZ_SECONDS=0: ${message}`, {
        cause: error,
      });
    }
    intervals += life.machine.all.size;
  }
  t.diagnostic(`seed ${seed}, ${lives} lives, ${intervals} intervals, ${told} told as deleted unsummed`);
});
