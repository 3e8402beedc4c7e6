/** A short kill loop; `node dist/test/live/kill-loop.js --rounds 100` is the long one. */
import assert from "node:assert/strict";
import { test } from "node:test";
import { killLoop } from "./kill-loop.js";
import { liveSkipReason } from "./tools/netns.js";

test("kill -9 at random moments: each interval once, each loss named", {
  skip: liveSkipReason(),
}, async (t) => {
  const seed = Number(process.env.SPARSEWIRE_FUZZ_SEED ?? Date.now() % 1e9);
  t.diagnostic(`seed ${seed}`);
  const report = await killLoop(10, seed);
  t.diagnostic(JSON.stringify(report));
  assert.equal(report.crashes, report.kills.sensor);
});
