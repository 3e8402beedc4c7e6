/**
 * kill -9 of sensor or aggregator at random moments under load, over and over: what the store holds in the end must be
 * every interval of every run exactly once, and what is missing must have a name.
 * `node dist/test/live/kill-loop.js --rounds 100 [--seed N] [--besieged]` runs the long version; besieged, others send the
 * aggregator hostile archives and take its connections all the while.
 */
import assert from "node:assert/strict";
import type { ChildProcess } from "node:child_process";
import { openSync, readdirSync, readFileSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { fileURLToPath } from "node:url";
import { parseArgs } from "node:util";
import { startGenerator } from "../../bench/generator/generator.js";
import { decodeArchive } from "../../lib/archive.js";
import type { Manifest } from "../../lib/manifest.js";
import { HOSTILE } from "./besieger.js";
import { archivesIn, CLI, Rig, sleep } from "./rig.js";

const PORT = 8470;
const RATE = 100_000;
/** Kills come so long after the start of both, ms. */
const PAUSE_MS = [200, 1200] as const;

export interface KillReport {
  rounds: number;
  kills: { sensor: number; aggregator: number };
  runs: number;
  intervals: number;
  frames: number;
  crashes: number;
  /** What hostile uploads were answered, by status and code; empty unless besieged. */
  hostile: Record<string, number>;
}

const BESIEGER = fileURLToPath(new URL("./besieger.js", import.meta.url));

/** A small generator of its own (mulberry32), so that a failing seed can be tried again. */
function random(seed: number): () => number {
  let state = seed >>> 0;
  return () => {
    state = (state + 0x6d2b79f5) >>> 0;
    let t = state;
    t = Math.imul(t ^ (t >>> 15), t | 1);
    t ^= t + Math.imul(t ^ (t >>> 7), t | 61);
    return ((t ^ (t >>> 14)) >>> 0) / 2 ** 32;
  };
}

class Loop {
  readonly rig: Rig;
  readonly store: string;
  aggregator: ChildProcess | undefined;
  besieger: ChildProcess | undefined;

  constructor() {
    this.rig = new Rig({ top: 'interval = "100ms"\n', aggregator: `http://127.0.0.1:${PORT}` });
    this.store = join(this.rig.folder, "store");
    writeFileSync(
      join(this.rig.folder, "aggregator.toml"),
      `[listen]\nport = ${PORT}\n[store]\npath = "${this.store}"\n`,
    );
  }

  async startAggregator(): Promise<void> {
    const log = openSync(join(this.rig.folder, "aggregator.log"), "a");
    const args = [CLI, "aggregator", "--config", join(this.rig.folder, "aggregator.toml")];
    this.aggregator = this.rig.receiver.spawn(process.execPath, args, { stdio: ["ignore", log, log] });
    // No waiting: the sensor finds out by itself when it is there again.
  }

  besiege(seed: number): void {
    const args = [BESIEGER, `http://127.0.0.1:${PORT}`, String(seed)];
    this.besieger = this.rig.receiver.spawn(process.execPath, args, { stdio: ["pipe", "pipe", "inherit"] });
  }

  /** Ends the siege: what the hostile uploads were answered. */
  async relieve(): Promise<Record<string, number>> {
    if (this.besieger === undefined) return {};
    const { stdin, stdout } = this.besieger;
    stdin!.end();
    let text = "";
    for await (const chunk of stdout!.setEncoding("utf8")) text += chunk;
    const { answers, faults } = JSON.parse(text) as { answers: Record<string, number>; faults: string[] };
    assert.deepEqual(faults, [], "no hostile archive is taken that must not be, and none makes it fail");
    return answers;
  }

  async kill(child: ChildProcess): Promise<void> {
    if (child.exitCode !== null || child.signalCode !== null)
      throw new Error(`a child ended by itself: ${this.logs()}`);
    const gone = new Promise((resolve) => child.once("exit", resolve));
    child.kill("SIGKILL");
    await gone;
  }

  logs(): string {
    return ["sensor.log", "aggregator.log"]
      .map((name) => readFileSync(join(this.rig.folder, name), "utf8").split("\n").slice(-10).join("\n"))
      .join("\n");
  }

  /** The kernel takes the program off when its last reference goes, a moment after the process. */
  async checkDetached(): Promise<void> {
    for (let tries = 0; tries < 20; tries++) {
      if (!this.rig.receiver.exec("ip", "link", "show", "rx0").includes("prog/xdp")) return;
      await sleep(50);
    }
    assert.fail("the killed sensor's XDP program is still on the interface");
  }
}

export async function killLoop(rounds: number, seed: number, { besieged = false } = {}): Promise<KillReport> {
  const next = random(seed);
  const loop = new Loop();
  const { rig } = loop;
  const kills = { sensor: 0, aggregator: 0 };
  try {
    await loop.startAggregator();
    await rig.start();
    const load = await startGenerator(rig.sender, "tx0", { seconds: 3600, rate: RATE, distribution: "zipf" });
    if (besieged) loop.besiege(seed);
    for (let round = 0; round < rounds; round++) {
      await sleep(PAUSE_MS[0] + next() * (PAUSE_MS[1] - PAUSE_MS[0]));
      const isSensor = next() < 0.5;
      kills[isSensor ? "sensor" : "aggregator"]++;
      if (isSensor) {
        await loop.kill(rig.child!);
        await loop.checkDetached();
        await rig.start();
      } else {
        await loop.kill(loop.aggregator!);
        await loop.startAggregator();
      }
    }
    load.child.kill("SIGINT");
    await load.report.catch(() => undefined);
    const hostile = await loop.relieve();
    // The sensor ships what it has, once the aggregator is there again: it may have been killed a moment ago.
    const { ship: before } = await rig.status();
    for (let tries = 0; tries < 300; tries++) {
      const { spool, ship } = await rig.status();
      const isShipping = ship!.lastError === null && ship!.acknowledged > before!.acknowledged;
      if (isShipping && spool!.depth + spool!.waiting <= 1) break;
      await sleep(100);
    }
    assert.equal(await rig.stop(), 0, loop.logs());
    loop.aggregator!.kill("SIGTERM");
    return { rounds, kills, hostile, ...check(loop) };
  } finally {
    rig.close();
  }
}

/** Every run whole from its first interval to its last, each interval once, each crash named by the next run. */
function check(loop: Loop): Omit<KillReport, "rounds" | "kills" | "hostile"> {
  assert.deepEqual(archivesIn(loop.rig.spool), [], "everything was shipped");
  const manifests = archivesIn(join(loop.store, "raw"))
    .map((path) => decodeArchive(readFileSync(path)).manifest)
    .filter(({ sensor }) => !sensor.startsWith(HOSTILE));
  const aside = readdirSync(join(loop.store, "quarantine")).filter((name) => !name.includes(HOSTILE));
  assert.deepEqual(aside, [], "nothing of the sensor is set aside");
  const runs = new Map<string, Manifest[]>();
  for (const manifest of manifests) runs.set(manifest.run, [...(runs.get(manifest.run) ?? []), manifest]);
  let crashes = 0;
  for (const [run, intervals] of runs) {
    const sequences = intervals.map(({ sequence }) => sequence).sort((a, b) => a - b);
    assert.deepEqual(
      sequences,
      sequences.map((_, i) => i),
      `run ${run} has each interval once, and all of them`,
    );
    const named = (intervals[0]!.previous ?? []).filter(({ ended }) => ended === "crash");
    crashes += named.length;
    assert.equal(
      intervals[0]!.lost?.crash ?? 0,
      named.length,
      "each interval that was open is counted as lost",
    );
    for (const { run: before, sequence } of named) {
      // The note of the last spooled interval may be one behind: the crash came between the two.
      const last = (runs.get(before)?.length ?? 0) - 1;
      const noted = sequence ?? -1;
      assert.ok(
        last === noted || last === noted + 1,
        `run ${before} ends at ${last}, its successor says ${noted}`,
      );
    }
  }
  return {
    runs: runs.size,
    intervals: manifests.length,
    frames: manifests.reduce((sum, { frames }) => sum + frames, 0),
    crashes,
  };
}

if (process.argv[1]?.endsWith("kill-loop.js")) {
  const { values } = parseArgs({
    options: { rounds: { type: "string" }, seed: { type: "string" }, besieged: { type: "boolean" } },
  });
  const seed = Number(values.seed ?? Date.now() % 1e9);
  process.stdout.write(`seed ${seed}\n`);
  const report = await killLoop(Number(values.rounds ?? 100), seed, { besieged: values.besieged ?? false });
  process.stdout.write(`${JSON.stringify(report)}\n`);
}
