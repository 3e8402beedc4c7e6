/**
 * Every errno at every call: a sensor's delivery and an aggregator, each a process, of which one call after the other is
 * made to fail. Nothing may be deleted, nothing counted twice, and what waits is delivered once the cause is gone.
 * `node dist/test/delivery/errno.js [--seed N] [--pairs N] [--starts N]` runs all of it, or as much as is asked for.
 */
import assert from "node:assert/strict";
import { type ChildProcess, fork, spawn } from "node:child_process";
import { once } from "node:events";
import { mkdtempSync, readdirSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { createInterface } from "node:readline";
import { fileURLToPath } from "node:url";
import { parseArgs } from "node:util";
import type { DeliveryFigures } from "../../daemon/service/protocol.js";
import { metric } from "../aggregator/client.js";
import { Random } from "../pcap/fuzz.js";
import {
  type Call,
  compileFaults,
  ERRORS,
  type Fault,
  Faults,
  FILE_CALLS,
  isPossible,
  SOCKET_CALLS,
} from "./faults.js";
import { interval } from "./interval.js";

const SENSING = fileURLToPath(new URL("sensing-process.js", import.meta.url));
const AGGREGATOR = fileURLToPath(new URL("../aggregator/server-process.js", import.meta.url));
/** How long a fault that does not come is waited for. */
const FAULT_MS = 300;
const MENDED_MS = 20_000;

type Side = "sensor" | "aggregator";

export interface Pair {
  side: Side;
  call: Call;
  error: Fault;
  skip: number;
  times: number;
}

export interface ErrnoReport {
  pairs: number;
  /** Pairs whose call was made, and failed. */
  struck: number;
  failures: number;
  starts: number;
  refusedStarts: number;
  intervals: number;
  duplicates: number;
}

/** Every pair of a running sensor and aggregator, in a random order. */
export function allPairs(random: Random): Pair[] {
  const pairs = (["sensor", "aggregator"] as const).flatMap((side) =>
    [...FILE_CALLS, ...SOCKET_CALLS].flatMap((call) =>
      ERRORS.filter((error) => isPossible(call, error)).map((error) => {
        return { side, call, error, skip: random.pick([0, 0, 1, 2]), times: random.pick([1, 2, 6]) };
      }),
    ),
  );
  for (let at = pairs.length - 1; at > 0; at--) {
    const other = random.int(at + 1);
    [pairs[at], pairs[other]] = [pairs[other]!, pairs[at]!];
  }
  return pairs;
}

export class ErrnoCampaign {
  readonly report: ErrnoReport = {
    pairs: 0,
    struck: 0,
    failures: 0,
    starts: 0,
    refusedStarts: 0,
    intervals: 0,
    duplicates: 0,
  };
  readonly #folder = mkdtempSync(join(tmpdir(), "sparsewire-errno-"));
  readonly #spool = join(this.#folder, "spool");
  readonly #store = join(this.#folder, "store");
  readonly #faults: Record<Side, Faults>;
  readonly #children: Partial<Record<Side, ChildProcess>> = {};
  readonly #logs: Record<Side, string> = { sensor: "", aggregator: "" };
  #port = 0;
  #runs = 0;
  #figures: DeliveryFigures & { sealed: number } = undefined as never;
  /** Intervals that the sensor found in its spool. */
  #found = 0;
  /** Intervals of sensors that have ended, and those that it found. */
  #before = 0;

  constructor() {
    const library = compileFaults(this.#folder);
    this.#faults = {
      sensor: new Faults(library, join(this.#folder, "sensor.faults"), this.#spool),
      aggregator: new Faults(library, join(this.#folder, "aggregator.faults"), this.#store),
    };
  }

  async open(): Promise<void> {
    assert.ok(await this.#startAggregator(), this.#logs.aggregator);
    assert.ok(await this.#startSensor(), this.#logs.sensor);
  }

  async close(): Promise<void> {
    for (const child of Object.values(this.#children)) {
      if (child.exitCode !== null || child.signalCode !== null) continue;
      child.kill("SIGKILL");
      await once(child, "exit");
    }
    for (const faults of Object.values(this.#faults)) faults.close();
    rmSync(this.#folder, { recursive: true, force: true });
  }

  /** Two intervals are sealed while a call fails; then it fails no more. */
  async run(pair: Pair): Promise<void> {
    const faults = this.#faults[pair.side];
    faults.arm(pair.call, pair.error, pair);
    await this.#ask("seal");
    await this.#ask("seal");
    await this.#until(async () => faults.isUsedUp || (await this.#isDelivered()), FAULT_MS);
    faults.disarm();
    // Sooner than it was to come: an interval may make the call just once.
    if (faults.hits === 0 && pair.skip > 0 && faults.seen.includes(pair.call))
      return this.run({ ...pair, skip: 0 });
    this.report.pairs++;
    this.report.failures += faults.hits;
    if (faults.hits > 0) this.report.struck++;
    const done = await this.#until(() => this.#isDelivered(), MENDED_MS);
    assert.ok(
      done,
      `not delivered after ${describe(pair)}: ${JSON.stringify(this.#figures)}\n${this.#tail()}`,
    );
    await this.#check(describe(pair));
  }

  /** A start while a call fails. */
  startUnder(pair: Pair): Promise<void> {
    return pair.side === "sensor" ? this.#startSensorUnder(pair) : this.#startAggregatorUnder(pair);
  }

  /** A sensor that is started over a spool with intervals while a call fails: it comes up, or says why not. */
  async #startSensorUnder(pair: Pair): Promise<void> {
    await this.#stop("sensor");
    const run = this.#newRun();
    for (let sequence = 0; sequence < 2; sequence++) {
      const { name, archive } = interval(run, sequence);
      writeFileSync(join(this.#spool, name), archive);
    }
    writeFileSync(join(this.#spool, ".tmp-left.part"), "x");
    writeFileSync(
      join(this.#spool, "run.json"),
      JSON.stringify({ run, sequence: 1, isClean: true, previous: [] }),
    );
    this.#before += 2;
    this.#found = 2;
    await this.#startUnder(pair, () => this.#startSensor());
    assert.ok(
      await this.#until(() => this.#isDelivered(), MENDED_MS),
      `${describe(pair)} at a start\n${this.#tail()}`,
    );
    await this.#check(`${describe(pair)} at a start`);
  }

  /** The same with an aggregator and its store. */
  async #startAggregatorUnder(pair: Pair): Promise<void> {
    await this.#stop("aggregator");
    await this.#startUnder(pair, () => this.#startAggregator());
    await this.#ask("seal");
    assert.ok(
      await this.#until(() => this.#isDelivered(), MENDED_MS),
      `${describe(pair)} at a start\n${this.#tail()}`,
    );
    await this.#check(`${describe(pair)} at a start`);
  }

  async #startUnder(pair: Pair, start: () => Promise<boolean>): Promise<void> {
    const faults = this.#faults[pair.side];
    faults.arm(pair.call, pair.error, pair);
    this.#logs[pair.side] = "";
    const isUp = await start();
    faults.disarm();
    this.report.starts++;
    this.report.failures += faults.hits;
    if (isUp) return;
    this.report.refusedStarts++;
    assert.ok(faults.hits > 0, `did not start, for nothing:\n${this.#tail()}`);
    // Node.js itself ends a process for whom close(2) fails after a file was read as text.
    const why = /cannot be (used|read) \(E[A-Z0-9]+\)|Assertion failed: .*uv_fs_close/;
    assert.match(this.#logs[pair.side], why, `${describe(pair)}: a start that is refused says why`);
    assert.ok(await start(), `not even without faults:\n${this.#tail()}`);
  }

  async #check(when: string): Promise<void> {
    assert.deepEqual(this.#figures.lost, {}, when);
    const kept = readdirSync(this.#spool).filter((name) => /\.tar(\.refused|\.damaged)?$/.test(name));
    assert.deepEqual(kept, [], when);
    const all = this.#before + this.#figures.sealed;
    const raw = readdirSync(join(this.#store, "raw"), { recursive: true }).filter((name) =>
      `${name}`.endsWith(".tar"),
    );
    assert.equal(raw.length, all, `${when}: files in the store`);
    assert.deepEqual(readdirSync(join(this.#store, "quarantine")), [], when);
    this.report.intervals = all;
    this.report.duplicates = this.#figures.duplicates;
    assert.ok(
      !this.#logs.aggregator.includes("a request failed"),
      `${when}: an internal error\n${this.#tail()}`,
    );
  }

  async #isDelivered(): Promise<boolean> {
    const { acknowledged, waiting, sealed } = await this.#ask("figures");
    return acknowledged === sealed + this.#found && waiting === 0;
  }

  async #ask(message: "seal" | "figures"): Promise<DeliveryFigures & { sealed: number }> {
    const child = this.#children.sensor!;
    assert.ok(child.connected, `the sensor's process has ended\n${this.#tail()}`);
    child.send(message);
    [this.#figures] = await once(child, "message");
    return this.#figures;
  }

  /** False when it ended instead of coming up. */
  async #startSensor(): Promise<boolean> {
    const url = `http://127.0.0.1:${this.#port}`;
    const child = fork(SENSING, [JSON.stringify({ spool: this.#spool, url, run: this.#newRun() })], {
      env: { ...process.env, ...this.#faults.sensor.env },
      stdio: ["ignore", "ignore", "pipe", "ipc"],
    });
    this.#follow("sensor", child);
    const up = await Promise.race([once(child, "message"), once(child, "close").then(() => undefined)]);
    if (up !== undefined) [this.#figures] = up;
    return up !== undefined;
  }

  async #startAggregator(): Promise<boolean> {
    const settings = {
      listen: { port: this.#port },
      store: { path: this.#store },
      rollup: { grace: "0" },
    };
    const child = spawn(process.execPath, [AGGREGATOR, JSON.stringify(settings)], {
      env: { ...process.env, ...this.#faults.aggregator.env },
      stdio: ["ignore", "pipe", "pipe"],
    });
    this.#follow("aggregator", child);
    const line = once(createInterface({ input: child.stdout! }), "line");
    const up = await Promise.race([line, once(child, "close").then(() => undefined)]);
    if (up !== undefined) this.#port = Number(new URL(up[0] as string).port);
    return up !== undefined;
  }

  #follow(side: Side, child: ChildProcess): void {
    this.#children[side] = child;
    child.stderr!.setEncoding("utf8").on("data", (text: string) => {
      this.#logs[side] = (this.#logs[side] + text).slice(-100_000);
    });
  }

  async #stop(side: Side): Promise<void> {
    const child = this.#children[side]!;
    if (side === "sensor") this.#before += this.#figures.sealed;
    if (side === "sensor") child.send("close");
    else child.kill("SIGKILL");
    await once(child, "exit");
  }

  async #until(isTrue: () => boolean | Promise<boolean>, milliseconds: number): Promise<boolean> {
    const deadline = performance.now() + milliseconds;
    while (performance.now() < deadline) {
      if (await isTrue()) return true;
      await new Promise((resolve) => setTimeout(resolve, 4));
    }
    return false;
  }

  #newRun(): string {
    return (++this.#runs).toString(16).padStart(16, "0");
  }

  #tail(): string {
    return Object.entries(this.#logs)
      .map(([side, log]) => `${side}: ${log.split("\n").slice(-12).join("\n")}`)
      .join("\n");
  }

  /** What the aggregator has counted, after all: each interval once. */
  async stored(): Promise<number> {
    return metric(`http://127.0.0.1:${this.#port}`, 'intervals_received_total{result="stored"}');
  }
}

const describe = ({ side, call, error, skip, times }: Pair): string =>
  `${times} x ${call} = ${error} of the ${side} after ${skip}`;

/** Calls that a start makes. */
const START_CALLS: Call[] = [
  "open",
  "read",
  "write",
  "rename",
  "unlink",
  "mkdir",
  "stat",
  "close",
  "list",
  "fsync",
];

export const allStarts = (random: Random): Pair[] =>
  allPairs(random)
    .filter(({ call, error }) => START_CALLS.includes(call) && error !== "short")
    .map((pair) => ({ ...pair, times: random.pick([1, 1000]) }));

if (process.argv[1] === fileURLToPath(import.meta.url)) {
  const { values } = parseArgs({
    options: { seed: { type: "string" }, pairs: { type: "string" }, starts: { type: "string" } },
  });
  const seed = Number(values.seed ?? Date.now() % 1e6);
  process.stdout.write(`seed ${seed}\n`);
  const random = new Random(seed);
  const campaign = new ErrnoCampaign();
  try {
    await campaign.open();
    for (const pair of allPairs(random).slice(0, Number(values.pairs ?? 1e6))) await campaign.run(pair);
    process.stdout.write(`${JSON.stringify(campaign.report)}\n`);
    for (const pair of allStarts(random).slice(0, Number(values.starts ?? 1e6))) {
      await campaign.startUnder(pair);
    }
    process.stdout.write(`${JSON.stringify(campaign.report)}\n`);
  } finally {
    await campaign.close();
  }
}
