/** The files that carry dependability through restarts: whole, damaged, from elsewhere. */
import assert from "node:assert/strict";
import { execFileSync } from "node:child_process";
import {
  existsSync,
  lstatSync,
  mkdirSync,
  mkdtempSync,
  readdirSync,
  readFileSync,
  rmSync,
  symlinkSync,
  truncateSync,
  writeFileSync,
} from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { type TestContext, test } from "node:test";
import { pino } from "pino";
import { Fleet } from "../../daemon/dependability/fleet.js";
import { SensorDependability, STATE_FILE } from "../../daemon/dependability/sensor-dependability.js";
import { parseState } from "../../daemon/dependability/state-file.js";
import { archiveName } from "../../lib/archive.js";
import type { Manifest } from "../../lib/manifest.js";
import { DROP_CAUSES } from "../../lib/reasons.js";
import { exampleHead } from "../archive/example.js";

const RUN = "0123456789abcdef";
const NO_DROPS = Object.fromEntries(DROP_CAUSES.map((cause) => [cause, 0])) as Manifest["drops"];

class Bench {
  readonly folder: string;
  readonly lines: Record<string, unknown>[] = [];
  readonly logger = pino(
    { level: "debug" },
    { write: (line: string) => void this.lines.push(JSON.parse(line)) },
  );
  wall = 1_700_000_000_000;
  monotonic = 5000;
  sequence = 0;
  /** Whatever is made here saves its state: it ends before the folder goes. */
  readonly #made: { stop(): Promise<void> }[] = [];

  constructor(t: TestContext) {
    this.folder = mkdtempSync(join(tmpdir(), "sparsewire-dependability-"));
    t.after(async () => {
      await Promise.all(this.#made.map((each) => each.stop()));
      rmSync(this.folder, { recursive: true, force: true });
    });
  }

  #keep<T extends { stop(): Promise<void> }>(made: T): T {
    this.#made.push(made);
    return made;
  }

  get path(): string {
    return join(this.folder, STATE_FILE);
  }

  get clocks() {
    return { wall: () => this.wall, monotonic: () => this.monotonic };
  }

  sensor(waiting: string[] = []): SensorDependability {
    const { folder, logger } = this;
    return this.#keep(
      new SensorDependability({
        intervalMs: 1000,
        graceMs: 30_000,
        folder,
        waiting,
        logger,
        ...this.clocks,
      }),
    );
  }

  fleet(): Fleet {
    const { folder, logger, clocks } = this;
    return this.#keep(new Fleet({ folder, graceMs: 30_000, logger, ...clocks }));
  }

  pass(ms: number): void {
    this.wall += ms;
    this.monotonic += ms;
  }

  /** Seconds of a sensor that does its work; drops in the first of them. */
  work(sensor: SensorDependability, seconds: number, drops = 0): void {
    for (let i = 0; i < seconds; i++) {
      this.pass(1000);
      const sequence = this.sequence++;
      const it = { run: RUN, sequence, drops: { ...NO_DROPS, rx_dropped: i === 0 ? drops : 0 } };
      sensor.sealed({ ...it, sampling: 1 });
      sensor.counted({ ...it, frames: 100 });
      sensor.delivered(it);
    }
  }

  manifest(sensor: string, sequence: number, changes: Partial<Manifest> = {}): Manifest {
    const end = BigInt(this.wall) * 1_000_000n;
    const head = exampleHead({ sensor, run: RUN, sequence, start: end - 1_000_000_000n, end, ...changes });
    return { ...head, format: "sparsewire-interval/1", members: [] };
  }
}

test("a sensor's figures go on where they were, an outage between", async (t) => {
  const bench = new Bench(t);
  const first = bench.sensor();
  bench.work(first, 90, 50);
  await first.stop();
  assert.deepEqual(readdirSync(bench.folder), [STATE_FILE]);
  bench.wall += 10_000;
  bench.monotonic = 0;
  const second = bench.sensor();
  const { windows, is_kept } = second.status();
  assert.ok(is_kept);
  assert.equal(windows["30d"].covered_s, 100);
  assert.equal(windows["1h"].availability, 0.89);
  assert.equal(windows["1h"].reliability, 0.9);
  assert.ok(Math.abs(windows["1d"].dependability! - 0.89 * 0.9) < 1e-12);
  assert.ok(Math.abs(windows["1d"].performability! - 0.89 * 0.9 * (9000 / 9050)) < 1e-12);
  await second.stop();
});

test("what waits in the spool through a restart is delivered in time by the next run", async (t) => {
  const bench = new Bench(t);
  const first = bench.sensor();
  bench.work(first, 10);
  await first.stop();
  // Sealed and spooled after the last save, then kill -9: only the spool knows.
  const start = BigInt(bench.wall) * 1_000_000n;
  const name = archiveName({ start, sensor: "s", run: RUN, sequence: 10 });
  bench.wall += 2000;
  const second = bench.sensor([name, "not an archive"]);
  second.delivered({ run: RUN, sequence: 10 });
  const { windows } = second.status();
  assert.equal(windows["1h"].reliability, 11 / 12);
  await second.stop();
});

test("the wall clock may be set while it runs: no outage is made or hidden", async (t) => {
  const bench = new Bench(t);
  const sensor = bench.sensor();
  for (const step of [86_400_000, -200_000_000, 3_600_000, -1]) {
    bench.work(sensor, 30);
    bench.wall += step;
  }
  const { availability, reliability, covered_s } = sensor.status().windows["1d"];
  assert.deepEqual(
    { availability, reliability, covered_s },
    { availability: 1, reliability: 1, covered_s: 120 },
  );
  await sensor.stop();
});

test("a damaged file is named, kept aside and begun anew", async (t) => {
  const bench = new Bench(t);
  const first = bench.sensor();
  bench.work(first, 10);
  await first.stop();
  const text = readFileSync(bench.path, "utf8");
  const damages = [
    "",
    "\0\0\0\0",
    "{}\n",
    "null\n",
    text.slice(0, -20),
    text.slice(0, text.indexOf("\n") + 1),
    text.replace("sparsewire-dependability/1", "sparsewire-dependability/9"),
    text.replace(/"clock_ms":\d+/, '"clock_ms":1'),
    text.replace(/"booked_to":\d+/, '"booked_to":1e300'),
    text.replace(/"buckets":\[\[\[\d+/, '"buckets":[[[-1'),
    text.replace(/"pending":\[/, '"pending":[[1,2,3],'),
  ];
  for (const damage of damages) {
    writeFileSync(bench.path, damage);
    bench.lines.length = 0;
    const sensor = bench.sensor();
    assert.match(
      String(bench.lines[0]?.msg),
      /is damaged and kept as .*\.damaged; .* measured anew/,
      damage.slice(0, 300),
    );
    assert.ok(existsSync(`${bench.path}.damaged`));
    bench.work(sensor, 5);
    assert.equal(sensor.status().windows["1h"].covered_s, 5);
    await sensor.stop();
    const next = bench.sensor();
    assert.equal(next.status().windows["1h"].covered_s, 5, "the new file is sound");
    await next.stop();
  }
});

test("what is no file at all neither holds the start up nor is read: a pipe, a link, a folder, gigabytes of nothing", async (t) => {
  const makers: [string, (path: string) => void][] = [
    ["pipe", (path) => void execFileSync("mkfifo", [path])],
    ["link", (path) => symlinkSync("/etc/hostname", path)],
    ["folder", (path) => mkdirSync(path)],
    [
      "gigabytes",
      (path) => {
        writeFileSync(path, "");
        truncateSync(path, 8 * 2 ** 30);
      },
    ],
  ];
  for (const [name, make] of makers) {
    const world = new Bench(t);
    make(world.path);
    const sensor = world.sensor();
    assert.match(String(world.lines[0]?.msg), /is damaged and kept as/, name);
    await sensor.stop();
    assert.ok(lstatSync(world.path).isFile(), `${name}: begun anew`);
    assert.ok(existsSync(`${world.path}.damaged`) || name === "link", name);
  }
});

test("a disk that fails costs a warning, not the sensor", async (t) => {
  const bench = new Bench(t);
  const sensor = bench.sensor();
  rmSync(bench.folder, { recursive: true });
  bench.work(sensor, 3);
  await sensor.stop();
  assert.match(String(bench.lines.at(-1)?.msg), /cannot be saved/);
  assert.equal(sensor.status().windows["1h"].reliability, 1);
});

test("any damage of a byte is told or harmless", async (t) => {
  const bench = new Bench(t);
  const first = bench.sensor();
  bench.work(first, 3);
  await first.stop();
  const text = readFileSync(bench.path, "latin1");
  for (let at = 0; at < text.length; at++) {
    for (const other of ["\0", "9", "]", '"', "\n"]) {
      try {
        parseState(text.slice(0, at) + other + text.slice(at + 1));
      } catch (error) {
        assert.ok(error instanceof Error);
      }
    }
  }
});

test("a fleet: each sensor of its own, all together, and through a restart", async (t) => {
  const bench = new Bench(t);
  const fleet = bench.fleet();
  for (let i = 0; i < 60; i++) {
    bench.pass(1000);
    fleet.arrived(bench.manifest("good", i));
    if (i < 20) fleet.arrived(bench.manifest("dead", i));
    fleet.arrived(bench.manifest("lossy", i, i % 2 ? {} : { drops: { ...NO_DROPS, rx_ring_full: 10 } }));
  }
  bench.pass(31_000);
  assert.equal(fleet.of("good")!["1h"].dependability, 1);
  assert.equal(fleet.of("lossy")!["1h"].availability, 0.5);
  assert.equal(fleet.of("dead")!["1h"].reliability, 1 / 3);
  assert.equal(fleet.of("nobody"), undefined);
  const { availability } = fleet.all()["1h"];
  assert.equal(availability, (60 + 30 + 20) / 180);
  const before = fleet.of("dead");
  await fleet.stop();
  const again = bench.fleet();
  assert.deepEqual(again.of("dead"), before);
  bench.pass(20_000);
  assert.ok(again.of("dead")!["1h"].reliability! < 1 / 3, "and goes on missing what does not come");
  await again.stop();
  writeFileSync(bench.path, readFileSync(bench.path, "utf8").replace('"sensor":"good"', '"sensor":7'));
  const damaged = bench.fleet();
  assert.equal(damaged.of("good"), undefined);
  assert.ok(damaged.of("dead"));
  await damaged.stop();
});
