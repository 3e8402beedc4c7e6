/** Mode inline when something goes away: the sensor, a link, an interface. */
import assert from "node:assert/strict";
import { spawnSync } from "node:child_process";
import { existsSync, readdirSync } from "node:fs";
import { join } from "node:path";
import { describe, test } from "node:test";
import { generate, startGenerator } from "../../bench/generator/generator.js";
import { forwardSum } from "../../lib/forward.js";
import { accounted, type InlineOptions, InlineRig } from "./inline-rig.js";
import { CLI, sleep } from "./rig.js";
import { liveSkipReason } from "./tools/netns.js";
import { serveStream, startStream } from "./tools/stream.js";

const ADDRESSES = ["10.9.0.1/24", "10.9.0.2/24"] as const;

async function withRig(options: InlineOptions, body: (rig: InlineRig) => Promise<void>): Promise<void> {
  const rig = new InlineRig(options);
  try {
    await rig.start();
    await body(rig);
  } finally {
    rig.close();
  }
}

const release = (rig: InlineRig): string =>
  rig.receiver.exec(
    process.execPath,
    CLI,
    "sensor",
    "--release",
    "--config",
    join(rig.folder, "sensor.toml"),
  );

const programOn = (rig: InlineRig, name: string): boolean =>
  /xdp/.test(rig.receiver.exec("ip", "link", "show", "dev", name));

describe("mode inline when something goes away", { skip: liveSkipReason() }, () => {
  test("fails open: a TCP connection lives through kill -9, a restart, a stop and a restart", async () => {
    await withRig({ addresses: ADDRESSES, onExit: "open" }, async (rig) => {
      await serveStream(rig.right, "10.9.0.2", 7000);
      const stream = startStream(rig.left, "10.9.0.2", 7000);
      await sleep(300);
      await rig.stop("SIGKILL");
      await sleep(300);
      await rig.start();
      await sleep(300);
      assert.equal(await rig.stop(), 0, rig.log);
      await sleep(300);
      await rig.start();
      await sleep(300);
      const report = await stream.finish();
      assert.ok(report.equal && report.bytes > 1 << 20, JSON.stringify(report));
      assert.ok((await rig.status()).forward![0]!.forwarded > 0, "the new sensor forwards");
      await rig.stop();
      assert.ok(programOn(rig, "rx0") && programOn(rig, "rx1"));
      assert.match(release(rig), /no longer bridged/);
      assert.deepEqual(readdirSync(join(rig.pins, "inline")), []);
      assert.ok(!programOn(rig, "rx0") && !programOn(rig, "rx1"));
      assert.match(release(rig), /nothing was bridging/);
    });
  });

  test("fails closed: after kill -9 nothing passes and nothing is left", async () => {
    await withRig({ onExit: "closed" }, async (rig) => {
      await generate(rig.left, "tx0", { count: 1000, rate: 10_000 });
      await rig.forwarded("rx0", 1000);
      const before = rig.right.counters("tx1").rxPackets;
      assert.equal(before, 1000);
      await rig.stop("SIGKILL");
      await sleep(200);
      assert.ok(!programOn(rig, "rx0") && !programOn(rig, "rx1"));
      assert.ok(!existsSync(join(rig.pins, "inline")));
      assert.doesNotMatch(rig.receiver.exec("ip", "-d", "link", "show", "rx0"), /promiscuity [1-9]/);
      await generate(rig.left, "tx0", { count: 1000, rate: 10_000 });
      assert.equal(rig.right.counters("tx1").rxPackets, before);
    });
  });

  test("on_exit can be changed: a closed sensor takes over what an open one left", async () => {
    const rig = new InlineRig({ onExit: "open" });
    try {
      await rig.start();
      await rig.stop("SIGKILL");
      rig.configureInline({ onExit: "closed" });
      await rig.start();
      await generate(rig.left, "tx0", { count: 1000, rate: 10_000 });
      assert.equal((await rig.forwarded("rx0", 1000)).forwarded, 1000);
      await rig.stop();
      assert.ok(!programOn(rig, "rx0"));
      assert.deepEqual(readdirSync(join(rig.pins, "inline")), []);
      await generate(rig.left, "tx0", { count: 1000, rate: 10_000 });
      assert.equal(rig.right.counters("tx1").rxPackets, 1000, "closed: nothing more passes");
    } finally {
      rig.close();
    }
  });

  for (const [whose, where, name] of [
    ["the peer's", "right", "tx1"],
    ["the sensor's own", "receiver", "rx1"],
  ] as const) {
    test(`unplug and replug (${whose} end): drops are counted, then it goes on by itself`, async (t) => {
      await withRig({ gro: true }, async (rig) => {
        const generator = await startGenerator(rig.left, "tx0", { seconds: 60, rate: 20_000 });
        await rig.forwarded("rx0", 10_000);
        // The sensor looks ten times a second: now and then it notices before a frame is lost to the device.
        for (const milliseconds of [700, 150, 150]) {
          rig[where].exec("ip", "link", "set", name, "down");
          await sleep(milliseconds);
          rig[where].exec("ip", "link", "set", name, "up");
          await sleep(300);
          if ((await rig.status()).forward![0]!.dropped.device > 0) break;
        }
        const { forwarded: before } = (await rig.status()).forward![0]!;
        await rig.statusWhen(({ forward }) => forward![0]!.forwarded > before + 5000);
        generator.child.kill("SIGINT");
        const sent = await generator.report;
        const direction = await rig.forwarded("rx0", sent.frames);
        t.diagnostic(`${sent.frames} sent, ${JSON.stringify(direction)}`);
        const { link_down, device } = direction.dropped;
        // Of 14,000; on a busy machine fewer were sent.
        assert.ok(link_down > 2000, "most frames of 0.7 seconds had nowhere to go");
        assert.ok(direction.forwarded > before + 5000, "it went on by itself");
        assert.equal(accounted(direction), direction.frames);
        assert.ok(device > 0, "until the sensor noticed, the device dropped them");
        const { rxPackets, rxDropped } = rig.right.counters("tx1");
        assert.equal(rxPackets + rxDropped, direction.forwarded, "forwarded = arrived");
        const status = await rig.status();
        assert.equal(status.counters.frames, sent.frames, "all of them were counted");
      });
    });
  }

  test("a stop while a link is down: what the kernel's bridging loses then is not the sensor's", async () => {
    const rig = new InlineRig({ onExit: "open", gro: true });
    try {
      await rig.start();
      rig.right.exec("ip", "link", "set", "tx1", "down");
      const generator = await startGenerator(rig.left, "tx0", { seconds: 2, rate: 20_000 });
      await sleep(1000);
      assert.equal(await rig.stop(), 0, rig.log);
      await generator.report;
      // Of one interval a frame may be on its way still; all together they are exact.
      const shares = rig.manifests().map(({ forward }) => forward!);
      const total = shares.reduce((sum, share) => forwardSum(sum, share), []);
      const direction = total.find(({ from }) => from === "rx0")!;
      assert.equal(accounted(direction), direction.frames, JSON.stringify(shares));
      assert.ok(direction.frames > 1000);
    } finally {
      rig.close();
    }
  });

  test("an MTU that is changed meanwhile is told, and what is too long is counted", async () => {
    await withRig({ gro: true }, async (rig) => {
      for (const [where, name] of [["receiver", "rx1"] as const, ["right", "tx1"] as const])
        rig[where].exec("ip", "link", "set", name, "mtu", "1000");
      const sent = await generate(rig.left, "tx0", { count: 2000, rate: 10_000, size: [60, 1500] });
      const direction = await rig.forwarded("rx0", sent.frames);
      assert.equal(accounted(direction), sent.frames);
      assert.ok(direction.dropped.device > 0);
      assert.match(rig.log, /rx0 has MTU 1500 now and rx1 1000/);
    });
  });

  test("an interface that is deleted ends the sensor with a clear error", async () => {
    await withRig({}, async (rig) => {
      await generate(rig.left, "tx0", { count: 1000, rate: 10_000 });
      await rig.forwarded("rx0", 1000);
      rig.receiver.exec("ip", "link", "del", "rx1");
      assert.equal(await rig.ended(), 1);
      assert.match(rig.log, /rx1 was deleted, or has left this network namespace; start the sensor again/);
      const frames = rig.manifests().reduce((sum, manifest) => sum + manifest.frames, 0);
      assert.equal(frames, 1000, "what was counted until then is spooled");
    });
  });

  for (const [what, prepare, options, wanted] of [
    [
      "another MTU",
      ["ip", "link", "set", "rx1", "mtu", "1400"],
      {},
      /rx0 has MTU 1500 and rx1 1400.*ip link set rx1 mtu 1500/,
    ],
    ["an address", ["ip", "addr", "add", "10.7.0.1/24", "dev", "rx1"], {}, /refusing.*rx1.*10\.7\.0\.1/],
    ["a side that is down", ["ip", "link", "set", "rx1", "down"], {}, /rx1 is down/],
    [
      "no BPF file system",
      ["true"],
      { onExit: "open", inline: "" },
      /is in no BPF file system.*mount -t bpf/,
    ],
  ] as [string, string[], InlineOptions, RegExp][]) {
    test(`refused: ${what}`, async () => {
      const rig = new InlineRig(options);
      try {
        if (options.onExit === "open") spawnSync("umount", [rig.pins]);
        rig.receiver.exec(...(prepare as [string, ...string[]]));
        await assert.rejects(rig.start(), wanted);
        assert.ok(!programOn(rig, "rx0"));
      } finally {
        rig.close();
      }
    });
  }
});
