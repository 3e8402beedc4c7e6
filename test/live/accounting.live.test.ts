/** Every frame that was sent is counted, or lost under a name; also when the sender is far too fast. */
import assert from "node:assert/strict";
import { mkdtempSync, readFileSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { describe, test } from "node:test";
import { generate } from "../../bench/generator/generator.js";
import { eth, LINK } from "../pcap/packet.js";
import { offered, Rig, type RigOptions, sortedLines } from "./rig.js";
import { liveSkipReason } from "./tools/netns.js";
import { replayFrames } from "./tools/replay.js";

async function withRig(options: RigOptions, body: (rig: Rig) => Promise<void>): Promise<void> {
  const rig = new Rig(options);
  try {
    await rig.start();
    await body(rig);
  } finally {
    rig.close();
  }
}

/** Stops the sensor and checks what the spooled manifests say together. */
async function checkManifests(rig: Rig, sent: number): Promise<number> {
  assert.equal(await rig.stop(), 0, rig.log);
  const manifests = rig.manifests();
  let counted = 0;
  let lost = 0;
  for (const [i, manifest] of manifests.entries()) {
    assert.equal(manifest.sequence, i, "no interval is missing");
    const reasons = Object.values(manifest.reasons).reduce((sum, count) => sum + count, 0);
    assert.equal(reasons, manifest.frames, "frames = sum over reasons");
    assert.equal(manifest.packets, manifest.reasons.ipv4 + manifest.reasons.ipv6);
    if (i > 0) assert.equal(manifest.start, manifests[i - 1]!.end, "intervals follow one another");
    counted += manifest.frames;
    lost += Object.values(manifest.drops).reduce((sum, count) => sum + count, 0);
  }
  assert.equal(counted + lost, sent, "frames sent = frames counted + drops by cause, over all manifests");
  return lost;
}

describe("accounting on a veth", { skip: liveSkipReason() }, () => {
  test("at a rate it can take, nothing is lost and the matrix is the truth", async () => {
    await withRig({}, async (rig) => {
      const folder = mkdtempSync(join(tmpdir(), "sparsewire-truth-"));
      const truth = join(folder, "truth");
      const sent = await generate(rig.sender, "tx0", {
        count: 400_000,
        rate: 200_000,
        distribution: "zipf",
        links: 20_000,
        ipv6: 0.25,
        size: [60, 1000],
        truth,
      });
      assert.ok(sent.exact);
      const status = await rig.settled(sent.frames);
      assert.equal(status.counters.frames, 400_000);
      assert.equal(await checkManifests(rig, 400_000), 0);
      for (const family of [4, 6] as const) {
        const lines = sortedLines(readFileSync(`${truth}.v${family}.csv`, "utf8"));
        assert.deepEqual(
          rig.links(family),
          lines.filter((line) => !line.startsWith("src")),
          `IPv${family}`,
        );
      }
      rmSync(folder, { recursive: true });
    });
  });

  for (const attach of ["native", "generic"] as const) {
    test(`when the sender outruns the sensor (${attach})`, async (t) => {
      // Few frames and long sleeps: the sensor can take a third of what comes, wherever the test runs.
      const tables = '[memory]\nframes = 1024\n[wake]\nsleep_min = "20ms"\nsleep_max = "20ms"\n';
      const gro = attach === "generic";
      await withRig({ top: `attach = "${attach}"\n`, tables, gro }, async (rig) => {
        const sent = await generate(rig.sender, "tx0", { seconds: 3, rate: 300_000 });
        const status = await rig.settled(sent.frames);
        t.diagnostic(
          `${sent.frames} sent, ${status.counters.frames} counted, drops ${JSON.stringify(status.drops)}`,
        );
        assert.equal(offered(status), sent.frames, "live: sent = counted + drops");
        const lost = await checkManifests(rig, sent.frames);
        assert.ok(lost > sent.frames / 2, `the sensor was outrun (${lost} lost)`);
      });
    });
  }

  test("two queues, two workers: one interval each second, sums over both", async (t) => {
    await withRig({ queues: 2 }, async (rig) => {
      const before = await rig.status();
      assert.equal(before.workers.length, 2);
      assert.equal(before.effective?.queues, 2);
      const sent = await generate(rig.sender, "tx0", { count: 200_000, rate: 100_000, cpus: [0, 1] });
      const status = await rig.settled(sent.frames);
      t.diagnostic(JSON.stringify(status.workers.map(({ frames }) => frames)));
      assert.equal(status.counters.frames, sent.frames);
      assert.equal(await checkManifests(rig, sent.frames), 0);
    });
  });

  test("two queues on one worker", async () => {
    await withRig({ queues: 2, top: "workers = 1\n" }, async (rig) => {
      assert.equal((await rig.status()).workers.length, 1);
      const sent = await generate(rig.sender, "tx0", { count: 100_000, rate: 100_000, cpus: [0, 1] });
      await rig.settled(sent.frames);
      assert.equal(await checkManifests(rig, sent.frames), 0);
    });
  });

  test("windows of an exact number of packets, over two workers", async () => {
    await withRig({ queues: 2, top: "window_packets = 10000\n" }, async (rig) => {
      const sent = await generate(rig.sender, "tx0", { count: 95_000, rate: 100_000, cpus: [0, 1] });
      await rig.settled(sent.frames);
      await checkManifests(rig, sent.frames);
      const packets = rig.manifests().map((manifest) => manifest.packets);
      assert.deepEqual(packets, [...new Array(9).fill(10_000), 5000]);
    });
  });

  test("an interval whose budget is spent is sealed early, nothing is dropped", async () => {
    await withRig({ top: 'interval = "1h"\n', tables: "[memory]\nlink_budget = 131072\n" }, async (rig) => {
      const sent = await generate(rig.sender, "tx0", {
        count: 1_000_000,
        rate: 300_000,
        distribution: "distinct",
      });
      await rig.settled(sent.frames);
      assert.equal(await checkManifests(rig, sent.frames), 0);
      const causes = rig.manifests().map((manifest) => manifest.sealed_by);
      assert.ok(causes.filter((cause) => cause === "budget").length >= 3, causes.join(" "));
    });
  });

  test("jumbo frames in several buffers are one packet of their whole length", async () => {
    await withRig({ mtu: 9000 }, async (rig) => {
      const bytes = eth().ipv4("10.0.0.1", "10.0.0.2").udp(1, 2, 8000).bytes();
      const frames = Array.from({ length: 3000 }, () => ({
        bytes,
        length: bytes.length,
        linkType: LINK.ethernet,
      }));
      const sent = await replayFrames(rig.sender, "tx0", frames, { mtu: 9000 });
      assert.equal(sent.frames, 3000);
      const status = await rig.settled(sent.frames);
      assert.equal(status.counters.frames, 3000);
      assert.equal(status.counters.multi_buffer, 3000, "each came in several descriptors");
      assert.equal(await checkManifests(rig, 3000), 0);
      assert.deepEqual(rig.links(4), [`10.0.0.1,10.0.0.2,3000,${3000 * bytes.length}`]);
    });
  });
});
