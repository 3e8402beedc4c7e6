/** Shares of intervals of what mode inline forwarded: each adds up, and so do all of them. */
import assert from "node:assert/strict";
import { test } from "node:test";
import { FORWARD_DROPS, type Forward, forwardShare, forwardSum } from "../../lib/forward.js";

const reading = (frames: number, forwarded: number, dropped: Partial<Forward["dropped"]>): Forward => ({
  ...{ from: "eth1", to: "eth2", frames, forwarded, bytes: 60 * frames, diverted: 0 },
  dropped: Object.fromEntries(
    FORWARD_DROPS.map((cause) => [cause, dropped[cause] ?? 0]),
  ) as Forward["dropped"],
});

const accounted = ({ forwarded, diverted, dropped }: Forward): number =>
  forwarded + diverted + Object.values(dropped).reduce((sum, count) => sum + count, 0);

test("a device that drops what an earlier interval called forwarded: every interval adds up, and so do all", () => {
  const readings = [
    reading(73, 73, {}),
    // The link was down: the 73 were dropped after all, and nothing else was forwarded.
    reading(1073, 0, { device: 73, link_down: 1000 }),
    reading(1573, 500, { device: 73, link_down: 1000 }),
  ];
  let told: Forward[] = [];
  for (const now of readings) {
    const share = forwardShare([now], told);
    assert.equal(accounted(share[0]!), share[0]!.frames, JSON.stringify(share));
    told = forwardSum(told, share);
  }
  assert.deepEqual(told, [readings[2]]);
});

test("random readings, of which forwarded may run back: no share is negative, each adds up, the last word is the truth", () => {
  const seed = Number(process.env.SPARSEWIRE_FUZZ_SEED ?? Math.floor(Math.random() * 2 ** 31));
  let state = seed;
  const random = (below: number): number => {
    state = (Math.imul(state, 1664525) + 1013904223) >>> 0;
    return Math.floor((state / 2 ** 32) * below);
  };
  for (let round = 0; round < 500; round++) {
    let [queued, device, down] = [0, 0, 0];
    let told: Forward[] = [];
    const take = (): void => {
      const now = reading(queued + down, queued - device, { device, link_down: down });
      const share = forwardShare([now], told);
      assert.equal(accounted(share[0]!), share[0]!.frames, `seed ${seed}: ${JSON.stringify(share)}`);
      for (const count of [share[0]!.forwarded, ...Object.values(share[0]!.dropped)]) assert.ok(count >= 0);
      told = forwardSum(told, share);
    };
    for (let step = 0; step < 10; step++) {
      queued += random(100);
      device += random(Math.min(60, queued - device) + 1);
      down += random(50);
      take();
    }
    // Enough is forwarded in the end for what still waits.
    queued += 10_000;
    take();
    assert.deepEqual(
      told[0],
      reading(queued + down, queued - device, { device, link_down: down }),
      `seed ${seed}`,
    );
  }
});
