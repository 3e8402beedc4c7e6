import assert from "node:assert/strict";
import { test } from "node:test";
import { killLoop } from "./kill-loop.js";

test("20 times kill -9 under load: every interval is there exactly once", async (t) => {
  const seed = Number(process.env.SPARSEWIRE_FUZZ_SEED ?? Date.now() % 1e6);
  t.diagnostic(`seed ${seed}`);
  const result = await killLoop(20, seed);
  t.diagnostic(JSON.stringify(result));
  assert.ok(result.acknowledged > 100);
});
