/** Short kill loops; `node dist/test/live/kill-loop.js --rounds 100 [--besieged]` is the long one. */
import assert from "node:assert/strict";
import { test } from "node:test";
import { killLoop } from "./kill-loop.js";
import { liveSkipReason } from "./tools/netns.js";

for (const besieged of [false, true]) {
  const among = besieged ? "among hostile uploads and greedy peers" : "at random moments";
  test(`kill -9 ${among}: each interval once, each loss named`, { skip: liveSkipReason() }, async (t) => {
    const seed = Number(process.env.SPARSEWIRE_FUZZ_SEED ?? Date.now() % 1e9);
    t.diagnostic(`seed ${seed}`);
    const report = await killLoop(besieged ? 5 : 10, seed, { besieged });
    t.diagnostic(JSON.stringify(report));
    assert.equal(report.crashes, report.kills.sensor);
  });
}
