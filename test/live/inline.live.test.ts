/** Mode inline forwards what it counts: frames in = frames out + drops by name, and frames leave as they came. */
import assert from "node:assert/strict";
import { randomBytes } from "node:crypto";
import { readdirSync, readFileSync } from "node:fs";
import { describe, test } from "node:test";
import { generate } from "../../bench/generator/generator.js";
import { type Forward, forwardSum } from "../../lib/forward.js";
import { eth, LINK } from "../pcap/packet.js";
import { accounted, type InlineOptions, InlineRig } from "./inline-rig.js";
import { offered } from "./rig.js";
import { liveSkipReason, type Namespace } from "./tools/netns.js";
import { replayFrames } from "./tools/replay.js";
import { sendStream, serveStream } from "./tools/stream.js";
import { record, tcpdumpSkipReason } from "./tools/tcpdump.js";

/** /proc/PID/stat, counted from the field after the name; values of sched(7). */
const SCHEDULING_POLICY = 38;
const SCHED_FIFO = "1";
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

const received = (host: Namespace, name: string): number => host.counters(name).rxPackets;
const lostOf = ({ dropped }: Forward): number =>
  Object.values(dropped).reduce((sum, count) => sum + count, 0);

/** Stops the sensor; what all manifests together say of a direction. */
async function manifestSum(rig: InlineRig, from: string): Promise<Forward> {
  assert.equal(await rig.stop(), 0, rig.log);
  const total = rig.manifests().reduce((sum: Forward[], { forward }) => forwardSum(sum, forward!), []);
  return total.find((each) => each.from === from)!;
}

describe("mode inline", { skip: liveSkipReason() }, () => {
  for (const attach of ["native", "generic"] as const) {
    test(`both ways at once, every frame leaves and is counted once (${attach})`, async () => {
      await withRig({ top: `attach = "${attach}"\n`, gro: attach === "generic" }, async (rig) => {
        const before = [received(rig.right, "tx1"), received(rig.left, "tx0")];
        const [there, back] = await Promise.all([
          generate(rig.left, "tx0", { count: 50_000, rate: 50_000, cpus: [0], seed: 1 }),
          generate(rig.right, "tx1", { count: 30_000, rate: 30_000, cpus: [1], seed: 2 }),
        ]);
        assert.ok(there.exact && back.exact);
        assert.equal((await rig.forwarded("rx0", 50_000)).forwarded, 50_000);
        assert.equal((await rig.forwarded("rx1", 30_000)).forwarded, 30_000);
        assert.equal(received(rig.right, "tx1") - before[0]!, 50_000);
        assert.equal(received(rig.left, "tx0") - before[1]!, 30_000);
        const status = await rig.status();
        assert.equal(status.counters.frames, 80_000);
        assert.equal(status.effective?.attach, attach);
        const told = await manifestSum(rig, "rx0");
        assert.deepEqual([told.frames, told.forwarded, told.bytes], [50_000, 50_000, there.bytes]);
      });
    });
  }

  test("two queues of either side, each with its partner", async () => {
    await withRig({ queues: 2 }, async (rig) => {
      const sent = await generate(rig.left, "tx0", { count: 50_000, rate: 50_000, cpus: [0, 1] });
      assert.equal((await rig.forwarded("rx0", sent.frames)).forwarded, 50_000);
      const status = await rig.status();
      assert.equal(status.effective?.queues, 4);
      assert.equal(received(rig.right, "tx1"), 50_000);
    });
  });

  test("a sender that is too fast: in = out + drops by name, to the frame", async (t) => {
    await withRig({ tables: "[memory]\nframes = 1024\n" }, async (rig) => {
      const sent = await generate(rig.left, "tx0", { seconds: 1, rate: 0 });
      const status = await rig.settled(sent.frames);
      assert.equal(offered(status), sent.frames, "sent = counted + drops");
      const direction = await rig.forwarded("rx0", status.counters.frames);
      t.diagnostic(`${sent.frames} sent, ${JSON.stringify(status.drops)}, ${JSON.stringify(direction)}`);
      assert.equal(accounted(direction), direction.frames, "received = forwarded + drops");
      assert.equal(direction.frames, status.counters.frames + status.drops.uncounted);
      const { rxPackets, rxDropped } = rig.right.counters("tx1");
      assert.equal(rxPackets + rxDropped, direction.forwarded, "forwarded = arrived");
      assert.ok(
        lostOf(direction) + status.drops.rx_dropped + status.drops.rx_ring_full > 0,
        "it was too fast",
      );
    });
  });

  test("frames leave as they came, also those in several buffers", {
    skip: tcpdumpSkipReason(),
  }, async () => {
    await withRig({ mtu: 9000 }, async (rig) => {
      const frames = Array.from({ length: 3000 }, (_, i) => {
        const payload = randomBytes(1 + ((i * 7919) % 8900));
        const bytes = Buffer.concat([randomBytes(12), Buffer.from([0x88, 0xb5]), payload]);
        return { bytes, length: bytes.length, linkType: LINK.ethernet };
      });
      const recording = await record(rig.right, "tx1");
      const { frames: sent } = await replayFrames(rig.left, "tx0", frames, { mtu: 9000, rate: 5000 });
      assert.equal(sent, 3000);
      const direction = await rig.forwarded("rx0", 3000);
      assert.equal(direction.forwarded, 3000, JSON.stringify(direction));
      const seen = await recording.stop();
      assert.equal(seen.length, 3000);
      for (const [i, { bytes }] of seen.entries()) assert.ok(frames[i]!.bytes.equals(bytes), `frame ${i}`);
      assert.ok((await rig.status()).counters.multi_buffer > 1000);
    });
  });

  test("frames keep their order while both ways are busy", { skip: tcpdumpSkipReason() }, async () => {
    await withRig({}, async (rig) => {
      const numbered = Array.from({ length: 10_000 }, (_, i) => {
        const bytes = Buffer.concat([randomBytes(12), Buffer.from([0x88, 0xb5]), Buffer.alloc(46)]);
        bytes.writeUInt32BE(i, 14);
        return { bytes, length: bytes.length, linkType: LINK.ethernet };
      });
      const recordings = [await record(rig.right, "tx1"), await record(rig.left, "tx0")];
      await Promise.all([
        replayFrames(rig.left, "tx0", numbered, { rate: 20_000 }),
        replayFrames(rig.right, "tx1", numbered, { rate: 20_000 }),
      ]);
      for (const from of ["rx0", "rx1"]) await rig.forwarded(from, numbered.length);
      for (const recording of recordings) {
        const order = (await recording.stop()).map(({ bytes }) => Buffer.from(bytes).readUInt32BE(14));
        assert.deepEqual(order, [...numbered.keys()]);
      }
    });
  });

  test("in real time, where that is asked for", async () => {
    await withRig({ inline: "realtime = true\n" }, async (rig) => {
      await generate(rig.left, "tx0", { count: 10_000, rate: 50_000 });
      assert.equal((await rig.forwarded("rx0", 10_000)).forwarded, 10_000);
      const tasks = `/proc/${rig.child!.pid}/task`;
      const realtime = readdirSync(tasks).filter((id) => {
        const stat = readFileSync(`${tasks}/${id}/stat`, "utf8");
        return stat.slice(stat.lastIndexOf(")") + 2).split(" ")[SCHEDULING_POLICY] === SCHED_FIFO;
      });
      const names = realtime.map((id) => readFileSync(`${tasks}/${id}/comm`, "utf8").trim());
      assert.deepEqual(names, ["sw-capture-0"], "the capture thread and no other");
    });
  });

  test("real TCP passes unharmed, and is in the matrix", async () => {
    await withRig({ addresses: ADDRESSES }, async (rig) => {
      await serveStream(rig.right, "10.9.0.2", 7000);
      const report = await sendStream(rig.left, "10.9.0.2", 7000, 32 << 20);
      assert.ok(report.equal);
      await rig.stop();
      const links = rig.links(4).map((line) => line.split(","));
      const [, , packets, bytes] = links.find(([source]) => source === "10.9.0.1")!;
      assert.ok(Number(bytes) > 32 << 20 && Number(packets) > 20_000, `${packets} packets, ${bytes} bytes`);
    });
  });

  test("a frame that cannot be diverted or sent is a drop with a name; nothing else is", async () => {
    await withRig({ divert: true }, async (rig) => {
      const frames = Array.from({ length: 500 }, () => {
        const bytes = eth().ipv4("10.0.0.1", "10.0.0.2").udp(1, 2, 100).bytes();
        return { bytes, length: bytes.length, linkType: LINK.ethernet };
      });
      await replayFrames(rig.left, "tx0", frames);
      const direction = await rig.forwarded("rx0", 500);
      assert.equal(direction.forwarded, 500);
      assert.equal(lostOf(direction), 0);
      assert.equal(received(rig.aside!, "tx2"), 0);
    });
  });
});
