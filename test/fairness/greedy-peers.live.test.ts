/**
 * Beside greedy peers of every kind an honest upload takes at most a second, an honest read two, beyond what this
 * machine takes for them anyway. The long run, with the bare bounds, is greedy-peers.ts.
 */
import assert from "node:assert/strict";
import { test } from "node:test";
import { quantile } from "./honest.js";
import type { Kind } from "./peers.js";
import { startRig } from "./rig.js";

/** Of each way to be greedy one; short, so that p99 is the longest of some dozens. */
const KINDS: [Kind, number][] = [
  ["slow uploads", 100],
  ["uploads that stall", 100],
  ["idle connections", 2300],
  ["readers of the sensors", 32],
  ["deaf readers of intervals", 64],
];
const SECONDS = 2;

test("honest peers beside greedy ones", async (t) => {
  const rig = await startRig({ sensors: 50 });
  t.after(() => rig.close());
  // A machine that is busy with something else is slow for everybody; greedy peers are to cost no more than the bounds.
  const alone = await rig.beside("nobody", 0, SECONDS);
  const busyMs = 4 * Math.max(...alone.uploads, ...alone.reads);
  for (const [kind, count] of KINDS) {
    await t.test(`${count} ${kind}`, async (each) => {
      const { uploads, reads, retries, attempts } = await rig.beside(kind, count, SECONDS);
      const [upload, read] = [quantile(uploads, 0.99), quantile(reads, 0.99)];
      each.diagnostic(
        `uploads ${upload.toFixed(0)} ms, reads ${read.toFixed(0)} ms, ${attempts} connections, ${retries} retries`,
      );
      assert.equal(uploads.length, 8 * SECONDS);
      assert.ok(upload <= 1000 + busyMs, `an upload took ${upload.toFixed(0)} ms`);
      assert.ok(read <= 2000 + busyMs, `a read took ${read.toFixed(0)} ms`);
    });
  }
});
