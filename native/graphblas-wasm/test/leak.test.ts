// A million matrices through one instance: memory in use returns to where it was, linear memory does not creep.
import assert from "node:assert/strict";
import { it } from "node:test";
import { setImmediate } from "node:timers/promises";
import { setFlagsFromString } from "node:v8";
import { runInNewContext } from "node:vm";
import { load } from "../lib/index.js";
import { Random } from "./cases.js";

const MATRICES = 1_000_000;

it(`${MATRICES} matrices leave nothing behind`, async () => {
  using gb = await load();
  const random = new Random(7);
  const keys = BigUint64Array.from({ length: 4000 }, () => random.u64());
  const round = (n: number) => {
    using A = gb.buildPacked("UINT32", keys.subarray(0, n));
    using B = gb.deserialize(A.serialize());
    using C = A.eWiseAdd(B);
    using rows = C.reduceRows("plus");
    using copy = C.cast("UINT64");
    assert.equal(rows.nvals > 0 && copy.nvals === C.nvals, true);
  };
  round(4000);
  const used = gb.usedBytes();
  for (let k = 0; k < 2000; k++) round(1 + ((k * 37) % 4000));
  const reached = gb.memoryBytes();
  using one = gb.buildPacked("UINT32", keys.subarray(0, 3));
  for (let k = 0; k < MATRICES; k++) one.dup().dispose();
  for (let k = 0; k < 2000; k++) round(1 + ((k * 61) % 4000));
  assert.equal(gb.memoryBytes(), reached);
  one.dispose();
  assert.equal(gb.usedBytes(), used);
  assert.equal(gb.liveObjects(), 0);
});

it("what is not disposed of is freed when it is collected", async () => {
  setFlagsFromString("--expose-gc");
  const collect = runInNewContext("gc") as () => void;
  using gb = await load();
  (() => {
    for (let k = 0; k < 100; k++) gb.matrix("UINT32", 5n, 5n);
  })();
  for (let k = 0; k < 50 && gb.liveObjects() > 0; k++) {
    collect();
    await setImmediate();
  }
  assert.equal(gb.liveObjects(), 0);
});
