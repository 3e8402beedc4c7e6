import assert from "node:assert/strict";
import { mkdtempSync, readFileSync, rmSync, writeFileSync } from "node:fs";
import { availableParallelism, tmpdir } from "node:os";
import { join } from "node:path";
import { after, describe, it } from "node:test";
import { startFloor } from "../../bench/floor/floor.js";
import { DISTRIBUTIONS, generate, startGenerator } from "../../bench/generator/generator.js";
import { type CapturedFrame, readCapture, writeEthernetPcap } from "./tools/frames.js";
import { liveSkipReason, NetworkLab } from "./tools/netns.js";
import { replayFrames } from "./tools/replay.js";
import { record, tcpdumpSkipReason } from "./tools/tcpdump.js";
import { startTool } from "./tools/tool.js";

const skip = liveSkipReason() ?? tcpdumpSkipReason() ?? false;
const PREFIX = "bn-";

/** A sender and a receiver joined by a silent veth pair. */
function pair(lab: NetworkLab, options: { queues?: number; mtu?: number; gro?: boolean } = {}) {
  const sender = lab.namespace("tx");
  const receiver = lab.namespace("rx");
  lab.veth(sender, "tx0", receiver, "rx0", options);
  return { sender, receiver };
}

function totalsOf(path: string): { rows: number; packets: number; bytes: number } {
  const [header, ...rows] = readFileSync(path, "utf8").trimEnd().split("\n");
  assert.equal(header, "src,dst,packets,bytes");
  const columns = rows.map((row) => row.split(","));
  const sum = (i: number) => columns.reduce((total, column) => total + Number(column[i]), 0);
  return { rows: rows.length, packets: sum(2), bytes: sum(3) };
}

describe("network lab", { skip, timeout: 60_000 }, () => {
  it("carries no frame of its own", async () => {
    using lab = new NetworkLab(PREFIX);
    const { sender, receiver } = pair(lab);
    await new Promise((resolve) => setTimeout(resolve, 500));
    for (const counters of [sender.counters("tx0"), receiver.counters("rx0")]) {
      assert.deepEqual([counters.rxPackets, counters.txPackets], [0, 0]);
    }
  });

  it("removes its namespaces and what runs in them", () => {
    const lab = new NetworkLab(PREFIX);
    const { sender } = pair(lab);
    const child = sender.spawn("sleep", ["60"]);
    lab.close();
    assert.ok(child.killed);
    assert.throws(() => sender.exec("true"), /No such file|Cannot open/);
  });
});

describe("packet generator", { skip, timeout: 60_000 }, () => {
  const folder = mkdtempSync(join(tmpdir(), "sparsewire-generator-"));
  after(() => rmSync(folder, { recursive: true, force: true }));

  for (const distribution of DISTRIBUTIONS) {
    it(`hands over an exact count (${distribution}), as the receiving end confirms`, async () => {
      using lab = new NetworkLab(PREFIX);
      const { sender, receiver } = pair(lab, { gro: true });
      const truth = join(folder, distribution);
      const report = await generate(sender, "tx0", {
        count: 20_011,
        rate: 500_000,
        distribution,
        links: 1000,
        ipv6: 0.25,
        size: [60, 400],
        truth,
      });
      assert.equal(report.frames, 20_011);
      assert.equal(report.exact, true);
      const { driver, rxDropped } = receiver.counters("rx0");
      assert.equal(driver.rx_queue_0_xdp_packets, 20_011);
      assert.equal(driver.rx_queue_0_xdp_bytes, report.bytes);
      assert.equal(rxDropped, 0);
      const [v4, v6] = [totalsOf(`${truth}.v4.csv`), totalsOf(`${truth}.v6.csv`)];
      assert.equal(v4.packets + v6.packets, report.frames);
      assert.equal(v4.bytes + v6.bytes, report.bytes);
      assert.equal(v4.rows + v6.rows, report.truth_links);
      assert.ok(v6.rows > 0, "a quarter of the links is IPv6");
      if (distribution === "distinct") assert.equal(report.truth_links, report.frames);
    });
  }

  it("sends frames that tcpdump sees as the truth has them", async () => {
    using lab = new NetworkLab(PREFIX);
    const { sender, receiver } = pair(lab, { gro: true });
    const recording = await record(receiver, "rx0");
    const report = await generate(sender, "tx0", {
      count: 3000,
      rate: 20_000,
      links: 50,
      size: [64, 90],
      truth: join(folder, "seen"),
    });
    assert.equal(matrixOf(await recording.stop()), readFileSync(`${join(folder, "seen")}.v4.csv`, "utf8"));
    assert.equal(report.exact, true);
  });

  it("keeps its pace without bursts and without drift", async () => {
    using lab = new NetworkLab(PREFIX);
    const { sender, receiver } = pair(lab);
    const floor = await startFloor(receiver, "rx0", { seconds: 20 });
    await floor.ready;
    const report = await generate(sender, "tx0", { seconds: 1, rate: 200_000, cpus: [0] });
    floor.child.kill("SIGINT");
    const received = await floor.report;
    assert.equal(received.frames + received.rx_dropped, report.frames);
    assert.ok(report.burst_max <= 64, `a burst of ${report.burst_max}`);
    const drift = Math.abs(report.redirected - 200_000 * report.seconds);
    assert.ok(
      drift <= Math.max(64, (report.lag_max_us * 200_000) / 1e6 + 2),
      `${drift} frames off the schedule`,
    );
  });

  it("names the frames that nobody could receive", async () => {
    using lab = new NetworkLab(PREFIX);
    const { sender } = pair(lab); // no XDP program and no GRO: the far end has no NAPI to poll with
    const report = await generate(sender, "tx0", { count: 1000, rate: 100_000 });
    assert.deepEqual([report.frames, report.redirected, report.exact], [0, 1000, false]);
    assert.equal(report.xmit_errors + report.redirect_errors, 1000);
  });

  it("names the frames that are longer than the MTU", async () => {
    using lab = new NetworkLab(PREFIX);
    const { sender } = pair(lab, { gro: true, mtu: 500 });
    const report = await generate(sender, "tx0", { count: 1000, rate: 100_000, size: 1000 });
    assert.deepEqual([report.frames, report.exact], [0, false]);
    assert.equal(report.xmit_errors + report.redirect_errors, 1000);
  });

  const oneCpu = availableParallelism() < 2 && "needs two CPUs";
  it("feeds every queue when it sends from as many CPUs", { skip: oneCpu }, async () => {
    using lab = new NetworkLab(PREFIX);
    const { sender, receiver } = pair(lab, { gro: true, queues: 2 });
    const report = await generate(sender, "tx0", { count: 10_001, rate: 100_000, cpus: [0, 1] });
    const { driver } = receiver.counters("rx0");
    assert.equal(report.frames, 10_001);
    assert.deepEqual([driver.rx_queue_0_xdp_packets, driver.rx_queue_1_xdp_packets], [5001, 5000]);
  });

  it("stops when it is told to, with its report", async () => {
    using lab = new NetworkLab(PREFIX);
    const { sender } = pair(lab, { gro: true });
    const running = await startGenerator(sender, "tx0", { seconds: 60, rate: 10_000 });
    setTimeout(() => running.child.kill("SIGINT"), 300);
    const report = await running.report;
    assert.ok(report.frames > 0 && report.seconds < 5);
  });

  it("refuses nonsense with exit code 2", async () => {
    using lab = new NetworkLab(PREFIX);
    const { sender } = pair(lab);
    for (const args of [
      ["--count", "-1"],
      ["--links", "0"],
      ["--size", "10"],
      ["--distribution", "normal"],
      [],
    ]) {
      const tool = await startTool(sender, "generate", ["--interface", "tx0", ...args]);
      await assert.rejects(tool.report, /ended with 2: generate: /);
    }
  });
});

describe("replayer", { skip, timeout: 60_000 }, () => {
  it("sends every Ethernet frame byte by byte, and says which it cannot send", async () => {
    using lab = new NetworkLab(PREFIX);
    const { sender, receiver } = pair(lab, { mtu: 9000 });
    const frames: CapturedFrame[] = Array.from({ length: 300 }, (_, i) => ethernet(14 + i * 29, i));
    const odd = [ethernet(13, 1), ethernet(9015, 2), { ...ethernet(60, 3), linkType: 101 }];
    const recording = await record(receiver, "rx0");
    const report = await replayFrames(sender, "tx0", [...frames, ...odd], { mtu: 9000 });
    const seen = await recording.stop();
    assert.equal(report.frames, 300);
    assert.deepEqual(report.skipped, { notEthernet: 1, short: 1, long: 1 });
    assert.deepEqual(
      seen.map(({ bytes }) => Buffer.from(bytes).toString("hex")),
      frames.map(({ bytes }) => Buffer.from(bytes).toString("hex")),
    );
  });

  it("reads back what it writes", () => {
    const folder = mkdtempSync(join(tmpdir(), "sparsewire-replay-"));
    const frames = [ethernet(60, 1).bytes, ethernet(61, 2).bytes];
    const file = join(folder, "a.pcap");
    writeFileSync(file, writeEthernetPcap(frames));
    assert.deepEqual(
      readCapture(file).map(({ bytes }) => Buffer.from(bytes)),
      frames.map((bytes) => Buffer.from(bytes)),
    );
    rmSync(folder, { recursive: true });
  });
});

/** A frame of an experimental ethertype with bytes that depend on `seed`. */
function ethernet(length: number, seed: number): CapturedFrame {
  const bytes = Uint8Array.from({ length }, (_, i) => (i * 7 + seed) & 0xff);
  bytes.set([2, 0, 0, 0, 0, 2, 2, 0, 0, 0, 0, 1, 0x88, 0xb5].slice(0, length));
  return { bytes, length, linkType: 1 };
}

/** The traffic matrix of plain IPv4 frames, in the format of the truth files. */
function matrixOf(frames: readonly CapturedFrame[]): string {
  const links = new Map<bigint, { packets: number; bytes: number }>();
  for (const { bytes, length } of frames) {
    const key = new DataView(bytes.buffer, bytes.byteOffset).getBigUint64(26);
    const link = links.get(key) ?? { packets: 0, bytes: 0 };
    links.set(key, { packets: link.packets + 1, bytes: link.bytes + length });
  }
  const address = (n: bigint) => [24n, 16n, 8n, 0n].map((shift) => (n >> shift) & 255n).join(".");
  const rows = [...links].sort(([a], [b]) => (a < b ? -1 : 1));
  const lines = rows.map(
    ([key, { packets, bytes }]) => `${address(key >> 32n)},${address(key & 0xffffffffn)},${packets},${bytes}`,
  );
  return `src,dst,packets,bytes\n${lines.join("\n")}\n`;
}
