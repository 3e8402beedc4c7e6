/** Load shedding on a veth, the short version: totals, bounds and punctuality under a load of several times the capacity. */
import assert from "node:assert/strict";
import { describe, test } from "node:test";
import { generate } from "../../bench/generator/generator.js";
import { overload } from "./overload.js";
import { offered, Rig, sleep } from "./rig.js";
import { liveSkipReason } from "./tools/netns.js";

describe("load shedding on a veth", { skip: liveSkipReason() }, () => {
  test("far more than it can take: totals exact, estimates within their bounds, intervals in time", async (t) => {
    const report = await overload({ seconds: 3, rate: 250_000, times: 10, links: 2000 });
    t.diagnostic(JSON.stringify(report));
    assert.ok(report.shed > report.sent / 4, "most of it is shed on purpose");
    // The first tenths of a second, until the sample is small enough, are a good part of so short a run.
    assert.ok(report.dropped < report.sent / 3, "not lost by accident");
    assert.ok(report.sampling <= 1 / 4);
  });

  test("status, metrics and archives say so; when the load has gone, everything is counted again", async (t) => {
    const tables =
      '[memory]\nframes = 1024\n[wake]\nsleep_min = "20ms"\nsleep_max = "20ms"\n[shedding]\ncalm = "100ms"\n';
    const rig = new Rig({ tables });
    try {
      await rig.start();
      const first = await generate(rig.sender, "tx0", { seconds: 1.5, rate: 300_000 });
      const loaded = await rig.settled(first.frames);
      assert.ok(loaded.shedding!.changes > 0);
      assert.ok(loaded.drops.shed > 0);
      assert.ok(Object.values(loaded.shedding!.protocols).reduce((sum, [packets]) => sum + packets, 0) > 0);
      let status = loaded;
      for (let tries = 0; status.shedding!.sampling < 1 && tries < 100; tries++) {
        await sleep(100);
        status = await rig.status();
      }
      assert.equal(status.shedding!.sampling, 1, "back to everything");
      t.diagnostic(`${status.shedding!.changes} changes`);
      // Until the kernel has been told, and the interval of the old rate is sealed.
      await sleep(500);
      const second = await generate(rig.sender, "tx0", { count: 5000, rate: 10_000 });
      status = await rig.settled(first.frames + second.frames);
      assert.equal(offered(status), first.frames + second.frames);
      assert.equal(status.counters.frames - loaded.counters.frames, 5000, "each of them is counted");
      assert.equal(await rig.stop(), 0, rig.log);
      const manifests = rig.manifests();
      assert.equal(manifests.at(-1)!.sampling, 1);
      for (const { sampling, shed, drops } of manifests) {
        assert.equal(sampling < 1, shed !== undefined);
        assert.equal(drops.shed, shed?.packets ?? 0);
      }
    } finally {
      rig.close();
    }
  });

  test("two queues on two workers change their rate together", async (t) => {
    const tables =
      '[memory]\nframes = 1024\n[wake]\nsleep_min = "20ms"\nsleep_max = "20ms"\n[shedding]\ncalm = "200ms"\n';
    const rig = new Rig({ queues: 2, tables });
    try {
      await rig.start();
      const sent = await generate(rig.sender, "tx0", { seconds: 1.5, rate: 200_000, cpus: [0, 1] });
      assert.equal(offered(await rig.settled(sent.frames)), sent.frames);
      assert.equal(await rig.stop(), 0, rig.log);
      const manifests = rig.manifests();
      t.diagnostic(manifests.map(({ sealed_by, sampling }) => `${sealed_by} ${sampling}`).join(", "));
      let total = 0;
      for (const [at, { frames, drops, sampling }] of manifests.entries()) {
        total += Object.values(drops).reduce((sum, count) => sum + count, frames);
        const before = manifests[at - 1];
        assert.equal(before !== undefined && before.sampling !== sampling, before?.sealed_by === "rate");
      }
      assert.equal(total, sent.frames);
    } finally {
      rig.close();
    }
  });

  test("switched off, nothing is sampled", async () => {
    const tables =
      '[memory]\nframes = 1024\n[wake]\nsleep_min = "20ms"\nsleep_max = "20ms"\n[shedding]\nenabled = false\n';
    const rig = new Rig({ tables });
    try {
      await rig.start();
      const sent = await generate(rig.sender, "tx0", { seconds: 1, rate: 200_000 });
      const status = await rig.settled(sent.frames);
      assert.equal(offered(status), sent.frames);
      assert.equal(status.drops.shed, 0);
      assert.equal(status.shedding!.enabled, false);
      assert.ok(status.drops.rx_dropped + status.drops.rx_ring_full > 0);
    } finally {
      rig.close();
    }
  });
});
