/** Several queues: with extensions, and when the interface changes under a sensor that captures. Nothing is lost silently. */
import assert from "node:assert/strict";
import { readFileSync } from "node:fs";
import { join } from "node:path";
import { after, describe, test } from "node:test";
import { generate } from "../../bench/generator/generator.js";
import { example, Modules } from "../extension/modules.js";
import { InlineRig } from "./inline-rig.js";
import { offered, Rig, sortedLines } from "./rig.js";
import { liveSkipReason, type Namespace } from "./tools/netns.js";

const extension = (name: string, file = example(name)): string =>
  `[[extension]]\nname = "${name}"\nfile = "${file}"\n`;
/** Bytes by source: what the links say, too. */
const BYTES = extension("template");
const NO_SHEDDING = "[shedding]\nenabled = false\n";

/** Counts every frame of an extension against those of the intervals; the sums of both. */
function checkExtensions(rig: Rig): Record<string, { frames: number; missed: number }> {
  const sums: Record<string, { frames: number; missed: number }> = {};
  for (const { frames, extensions } of rig.manifests()) {
    for (const [name, record] of Object.entries(extensions!)) {
      assert.equal(record.frames + record.missed, frames, `${name}: seen + missed = frames`);
      sums[name] ??= { frames: 0, missed: 0 };
      sums[name].frames += record.frames;
      sums[name].missed += record.missed;
    }
  }
  return sums;
}

const totalOf = (rig: Rig): number =>
  rig.manifests().reduce((sum, { frames, drops }) => {
    return Object.values(drops).reduce((total, count) => total + count, sum + frames);
  }, 0);

/** Bytes by source, of the template's matrix or of the links. */
function bytesBySource(rig: Rig, of: "template" | "links"): [string, number][] {
  const [lines, column] = of === "template" ? [rig.extensionLines("template"), 2] : [rig.links(4), 3];
  const sums = new Map<string, number>();
  for (const line of lines) {
    const cells = line.split(",");
    sums.set(cells[0]!, (sums.get(cells[0]!) ?? 0) + Number(cells[column]));
  }
  return [...sums].sort();
}

const setQueues = (namespace: Namespace, name: string, kind: "rx" | "tx", count: number): string =>
  namespace.exec("ethtool", "-L", name, kind, String(count));

/** UDP by the stack's own choice of a queue: with a port for each packet all queues are hit. */
function sendUdp(rig: Rig, count: number): void {
  rig.sender.exec("ip", "addr", "add", "10.66.0.1/24", "dev", "tx0");
  rig.sender.exec(...("ip neigh add 10.66.0.2 lladdr 02:00:00:00:00:02 dev tx0".split(" ") as [string]));
  const script = `const { createSocket } = require("node:dgram"); let left = ${count};
    const next = () => { if (left-- === 0) return; const s = createSocket("udp4");
      s.send(Buffer.alloc(100), 9, "10.66.0.2", () => s.close(next)); }; next();`;
  rig.sender.exec(process.execPath, "-e", script);
}

describe("several queues with an extension", { skip: liveSkipReason() }, () => {
  for (const [queues, workers] of [
    [2, 1],
    [4, 2],
  ] as const) {
    test(`${queues} queues on ${workers} workers: links and the extension's matrix are the truth`, async () => {
      const tables = `${BYTES}${NO_SHEDDING}`;
      const rig = new Rig({ queues, top: `workers = ${workers}\ninterval = "300ms"\n`, tables });
      try {
        await rig.start();
        const truth = join(rig.folder, "truth");
        const options = { count: 100_000, rate: 100_000, cpus: [0, 1], links: 5000, truth } as const;
        const sent = await generate(rig.sender, "tx0", options);
        assert.ok(sent.exact);
        const status = await rig.settled(sent.frames);
        assert.equal(status.counters.frames, 100_000);
        assert.deepEqual(
          status.workers.map((worker) => worker.queues),
          Array.from({ length: workers }, () => queues / workers),
        );
        assert.equal(await rig.stop(), 0, rig.log);
        assert.deepEqual(checkExtensions(rig), { template: { frames: 100_000, missed: 0 } });
        const expected = sortedLines(readFileSync(`${truth}.v4.csv`, "utf8"));
        assert.deepEqual(
          rig.links(4),
          expected.filter((line) => !line.startsWith("src")),
        );
        assert.deepEqual(bytesBySource(rig, "template"), bytesBySource(rig, "links"));
      } finally {
        rig.close();
      }
    });
  }

  test("four queues on four workers, all of them hit", async () => {
    const rig = new Rig({ queues: 4, top: "workers = 4\n", tables: `${BYTES}${NO_SHEDDING}` });
    try {
      await rig.start();
      sendUdp(rig, 400);
      const { counters, workers } = await rig.settled(400);
      assert.equal(counters.frames, 400);
      assert.ok(
        workers.every(({ frames }) => frames > 0),
        JSON.stringify(workers),
      );
      assert.equal(await rig.stop(), 0, rig.log);
      assert.deepEqual(checkExtensions(rig), { template: { frames: 400, missed: 0 } });
      assert.deepEqual(bytesBySource(rig, "template"), bytesBySource(rig, "links"));
    } finally {
      rig.close();
    }
  });

  const modules = new Modules();
  after(() => modules.close());

  test("three extensions, one of them slow, while frames are shed", async (t) => {
    const tables = `[memory]\nframes = 1024\n[wake]\nsleep_min = "20ms"\nsleep_max = "20ms"\n${BYTES}
${extension("port-source")}${extension("slow", await modules.hostile(11))}`;
    const rig = new Rig({ queues: 2, top: 'workers = 2\ninterval = "300ms"\n', tables });
    try {
      await rig.start();
      const sent = await generate(rig.sender, "tx0", { seconds: 1.5, rate: 200_000, cpus: [0, 1] });
      const status = await rig.settled(sent.frames);
      assert.equal(offered(status), sent.frames);
      assert.equal(await rig.stop(), 0, rig.log);
      assert.equal(totalOf(rig), sent.frames, "counted + shed + drops, over all manifests");
      const manifests = rig.manifests();
      assert.ok(manifests.some(({ sampling }) => sampling < 1));
      const counted = manifests.reduce((sum, { frames }) => sum + frames, 0);
      const sums = checkExtensions(rig);
      t.diagnostic(`${counted} counted of ${sent.frames}; ${JSON.stringify(sums)}`);
      for (const [name, { frames, missed }] of Object.entries(sums))
        assert.equal(frames + missed, counted, name);
      // Frames of 60 bytes: its matrix has exactly those that it has seen.
      const bytes = bytesBySource(rig, "template").reduce((sum, [, each]) => sum + each, 0);
      assert.equal(bytes, 60 * sums.template!.frames);
    } finally {
      rig.close();
    }
  });
});

describe("an interface that changes under a sensor", { skip: liveSkipReason() }, () => {
  test("a queue more, with an extension: its frames are among the drops, and the log says what to do", async () => {
    const rig = new Rig({ queues: 2, top: 'interval = "300ms"\n', tables: `${BYTES}${NO_SHEDDING}` });
    try {
      setQueues(rig.receiver, "rx0", "rx", 1);
      setQueues(rig.sender, "tx0", "tx", 1);
      await rig.start();
      const first = await generate(rig.sender, "tx0", { count: 10_000, rate: 50_000 });
      await rig.settled(first.frames);
      setQueues(rig.receiver, "rx0", "rx", 2);
      setQueues(rig.sender, "tx0", "tx", 2);
      const second = await generate(rig.sender, "tx0", { count: 10_000, rate: 50_000, cpus: [0, 1] });
      const sent = first.frames + second.frames;
      const status = await rig.statusWhen((now) => offered(now) >= sent && now.drops.uncounted > 0);
      assert.equal(offered(status), sent, JSON.stringify(status.drops));
      assert.equal(status.drops.uncounted, 5000, "half of what came when there were two");
      assert.equal(status.effective?.queues, 1);
      assert.match(rig.log, /rx0: .*RX queue.*restart the sensor/);
      assert.equal(await rig.stop(), 0, rig.log);
      assert.equal(totalOf(rig), sent, "over all manifests");
      // As the log says: the next one has all queues.
      rig.emptySpool();
      await rig.start();
      const third = await generate(rig.sender, "tx0", { count: 10_000, rate: 50_000, cpus: [0, 1] });
      assert.equal((await rig.settled(third.frames)).counters.frames, 10_000);
    } finally {
      rig.close();
    }
  });

  test("queues that were not asked for are the host's: nobody misses their frames", async () => {
    const rig = new Rig({ queues: 2, top: "queues = [0]\n", tables: NO_SHEDDING });
    try {
      await rig.start();
      await generate(rig.sender, "tx0", { count: 10_000, rate: 50_000, cpus: [0, 1] });
      const status = await rig.statusWhen(({ xdp_seen }) => xdp_seen!.frames >= 10_000);
      assert.equal(status.counters.frames, 5000);
      assert.deepEqual(status.xdp_seen, { frames: 10_000, passed: 5000 });
      assert.equal(offered(status), 5000);
      assert.doesNotMatch(rig.log, /restart the sensor/);
    } finally {
      rig.close();
    }
  });

  test("a queue less, while it is captured: the kernel refuses, and capture goes on", async () => {
    const rig = new Rig({ queues: 2, tables: `${BYTES}${NO_SHEDDING}` });
    try {
      await rig.start();
      assert.throws(() => setQueues(rig.receiver, "rx0", "rx", 1));
      const sent = await generate(rig.sender, "tx0", { count: 5000, rate: 50_000, cpus: [0, 1] });
      assert.equal((await rig.settled(sent.frames)).counters.frames, 5000);
    } finally {
      rig.close();
    }
  });

  for (const [what, tables, change] of [
    ["is deleted", "", "del"],
    ["leaves the namespace, with an extension", BYTES, "leave"],
  ] as const) {
    test(`an interface that ${what}: one clear error, and what was counted is spooled`, async () => {
      const rig = new Rig({ queues: 2, top: 'interval = "1h"\n', tables: `${tables}${NO_SHEDDING}` });
      try {
        await rig.start();
        const sent = await generate(rig.sender, "tx0", { count: 10_000, rate: 50_000, cpus: [0, 1] });
        await rig.settled(sent.frames);
        const { sender, receiver } = rig;
        if (change === "del") receiver.exec("ip", "link", "del", "rx0");
        else receiver.exec("ip", "link", "set", "rx0", "netns", sender.name);
        assert.equal(await rig.ended(), 1, rig.log);
        const why =
          change === "del" ? "was deleted" : "has left this network namespace, and its queues cannot";
        assert.match(rig.log, new RegExp(`^sparsewire: rx0 ${why}.*start the sensor again`, "m"));
        assert.doesNotMatch(rig.log, /^ +at /m, "no stack");
        assert.equal(totalOf(rig), sent.frames);
        if (tables !== "")
          assert.deepEqual(checkExtensions(rig), { template: { frames: 10_000, missed: 0 } });
        if (change === "del") return;
        sender.exec("ip", "link", "set", "rx0", "netns", receiver.name);
        receiver.exec("ip", "link", "set", "rx0", "up");
        await rig.start();
        const again = await generate(sender, "tx0", { count: 5000, rate: 50_000, cpus: [0, 1] });
        assert.equal((await rig.settled(again.frames)).counters.frames, 5000);
        assert.deepEqual((await rig.status()).intervals.lost, {}, "that was no crash");
      } finally {
        rig.close();
      }
    });
  }

  for (const [onExit, arrived] of [
    ["open", 20_000],
    ["closed", 15_000],
  ] as const) {
    test(`mode inline, a queue more on one side (${onExit}): its frames are among the drops`, async () => {
      const rig = new InlineRig({ queues: 2, onExit, top: 'interval = "300ms"\n' });
      try {
        for (const name of ["rx0", "rx1"]) setQueues(rig.receiver, name, "rx", 1);
        setQueues(rig.left, "tx0", "tx", 1);
        setQueues(rig.right, "tx1", "tx", 1);
        await rig.start();
        await generate(rig.left, "tx0", { count: 10_000, rate: 50_000 });
        await rig.forwarded("rx0", 10_000);
        setQueues(rig.receiver, "rx0", "rx", 2);
        setQueues(rig.left, "tx0", "tx", 2);
        await generate(rig.left, "tx0", { count: 10_000, rate: 50_000, cpus: [0, 1] });
        const status = await rig.statusWhen((now) => offered(now) >= 20_000 && now.drops.uncounted > 0);
        assert.equal(offered(status), 20_000, JSON.stringify(status.drops));
        assert.equal(status.drops.uncounted, 5000);
        assert.equal(status.forward![0]!.forwarded, 15_000);
        assert.equal(rig.right.counters("tx1").rxPackets, arrived, "the kernel does what on_exit says");
        assert.match(rig.log, /rx0: it has 2 RX queues now, of which 1 are captured.*restart the sensor/);
        assert.equal(await rig.stop(), 0, rig.log);
        assert.equal(totalOf(rig), 20_000, "over all manifests");
      } finally {
        rig.close();
      }
    });
  }
});
