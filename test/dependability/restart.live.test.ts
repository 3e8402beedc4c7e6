/** Dependability of real processes: a sensor that is stopped and one that is killed, seen by itself and by the aggregator. */
import assert from "node:assert/strict";
import type { ChildProcess } from "node:child_process";
import { openSync, readFileSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { describe, test } from "node:test";
import type { WindowRatios } from "../../lib/dependability/ratios.js";
import { CLI, Rig, sleep } from "../live/rig.js";
import { liveSkipReason } from "../live/tools/netns.js";

const PORT = 8470;

class Pair {
  readonly rig = new Rig({
    top: 'interval = "200ms"\n',
    aggregator: `http://127.0.0.1:${PORT}`,
    tables: '[dependability]\nlateness = "1s"',
  });
  #aggregator: ChildProcess | undefined;

  async startAggregator(): Promise<void> {
    const { folder, receiver } = this.rig;
    const config = join(folder, "aggregator.toml");
    writeFileSync(
      config,
      `[listen]\nport = ${PORT}\n[store]\npath = "${join(folder, "store")}"\n[dependability]\nlateness = "1s"\n`,
    );
    const log = openSync(join(folder, "aggregator.log"), "a");
    this.#aggregator = receiver.spawn(process.execPath, [CLI, "aggregator", "--config", config], {
      stdio: ["ignore", log, log],
    });
    for (const deadline = Date.now() + 15_000; Date.now() < deadline; await sleep(50)) {
      if (this.ask("/-/ready") !== "") return;
    }
    assert.fail(`the aggregator does not answer: ${readFileSync(join(folder, "aggregator.log"), "utf8")}`);
  }

  async stopAggregator(signal: NodeJS.Signals): Promise<void> {
    const child = this.#aggregator!;
    const gone = new Promise((resolve) => child.once("exit", resolve));
    child.kill(signal);
    await gone;
  }

  /** The aggregator's answer; "" while it has none. */
  ask(path: string): string {
    const url = JSON.stringify(`http://127.0.0.1:${PORT}${path}`);
    const script = `fetch(${url}).then(a=>a.ok?a.text():"").then(t=>process.stdout.write(t)).catch(()=>{})`;
    return this.rig.receiver.exec(process.execPath, "-e", script);
  }

  /** What the aggregator makes of the sensor. */
  seen(): WindowRatios {
    const { sensors } = JSON.parse(this.ask("/api/v1/sensors")) as {
      sensors: { name: string; dependability: WindowRatios }[];
    };
    return sensors.find(({ name }) => name === "rig")!.dependability;
  }

  async own(): Promise<WindowRatios> {
    return (await this.rig.status()).dependability!.windows;
  }

  close(): void {
    this.rig.close();
  }
}

describe("dependability of processes", { skip: liveSkipReason() }, () => {
  test("a stop, a kill -9 and a dead sensor cost what they took, and restarts remember", async () => {
    const pair = new Pair();
    const { rig } = pair;
    try {
      await pair.startAggregator();
      await rig.start();
      await sleep(1500);
      const healthy = (await pair.own())["1h"];
      assert.equal(healthy.availability, 1);
      assert.equal(healthy.reliability, 1);
      assert.equal(pair.seen()["1h"].reliability, 1);
      const text = await rig.metrics();
      assert.match(text, /^sparsewire_service_availability_ratio\{window="1h"\} 1$/m);
      assert.match(text, /^sparsewire_service_performability_ratio\{window="30d"\} 1$/m);

      // A stop of its own: what was measured stays, the pause is an outage.
      assert.equal(await rig.stop(), 0, rig.log);
      await sleep(1200);
      await rig.start();
      await sleep(1000);
      const restarted = (await pair.own())["1h"];
      assert.ok(restarted.covered_s > healthy.covered_s + 1, JSON.stringify(restarted));
      assert.ok(restarted.availability! > 0.2 && restarted.availability! < 0.95, JSON.stringify(restarted));
      assert.ok(restarted.reliability! > 0.2 && restarted.reliability! < 0.95, JSON.stringify(restarted));

      // kill -9: also what was measured since the last save is an outage, and that is told, not hidden.
      await rig.stop("SIGKILL");
      await sleep(700);
      await rig.start();
      await sleep(1000);
      const killed = (await pair.own())["1h"];
      assert.ok(killed.covered_s > restarted.covered_s, JSON.stringify(killed));
      assert.ok(killed.availability! > 0 && killed.availability! < 0.95, JSON.stringify(killed));

      // The aggregator saw the same outages by what did not come, and forgets nothing in a restart of its own.
      const before = pair.seen()["1h"];
      assert.ok(before.availability! > 0.2 && before.availability! < 0.95, JSON.stringify(before));
      assert.ok(before.reliability! > 0.2 && before.reliability! < 0.95, JSON.stringify(before));
      await pair.stopAggregator("SIGTERM");
      await rig.stop("SIGKILL");
      await pair.startAggregator();
      await sleep(2500);
      const dead = pair.seen()["1h"];
      assert.ok(dead.covered_s > before.covered_s, JSON.stringify([before, dead]));
      assert.ok(dead.reliability! < before.reliability!, JSON.stringify([before, dead]));
      assert.match(pair.ask("/metrics"), /^sparsewire_service_reliability_ratio\{window="1d"\} 0\.\d+$/m);
    } finally {
      pair.close();
    }
  });
});
