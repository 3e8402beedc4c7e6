/** Estimates and bounds: against direct enumeration, and against simulated sampling as the program in the kernel does it. */
import assert from "node:assert/strict";
import { test } from "node:test";
import type { Manifest } from "../../lib/manifest.js";
import { DROP_CAUSES } from "../../lib/reasons.js";
import {
  accuracyOf,
  errorOf,
  MISS_PROBABILITY,
  mapShed,
  relativeThroughput,
  Sampling,
  type Shed,
  sampledBound,
  sumShed,
  unseenOf,
} from "../../lib/sampling.js";
import { Random, runSeed } from "../sandbox/random.js";

const seed = runSeed();
/** Larger than the sampler here has: the bound is to hold for clusters too. */
const CLUSTER_FRAMES = 8;
const noDrops = Object.fromEntries(DROP_CAUSES.map((cause) => [cause, 0])) as Manifest["drops"];

function shedOf(rate: number, changes: Partial<Shed> = {}): Shed {
  return {
    packets: 1e9,
    bytes: 1e12,
    protocols: { ipv4_udp: [1e9, 1e12] },
    sources4: { "10.0.0.0/8": [1e9, 1e12] },
    destinations4: { "10.0.0.0/8": [1e9, 1e12] },
    rate_min: rate,
    rate_max: rate,
    cluster: CLUSTER_FRAMES,
    frame_max: 1500,
    unseen: 0,
    ...changes,
  };
}
const LINK = { family: 4, source: 10, destination: 10 } as const;

test("the bound is where the exact tails of the binomial distribution are small enough", () => {
  // With clusters of 1: P(kept <= k | n = high) and P(kept >= k | n = low) must both be at most half of it.
  const logChoose = (n: number, k: number): number => {
    let sum = 0;
    for (let i = 1; i <= k; i++) sum += Math.log((n - k + i) / i);
    return sum;
  };
  const tail = (n: number, p: number, from: number, to: number): number => {
    let sum = 0;
    for (let k = from; k <= to; k++)
      sum += Math.exp(logChoose(n, k) + k * Math.log(p) + (n - k) * Math.log(1 - p));
    return sum;
  };
  for (const rate of [0.5, 0.25, 1 / 16, 1 / 128]) {
    for (const kept of [0, 1, 5, 40]) {
      const { low, high } = sampledBound(kept / rate, rate, 1);
      assert.ok(low <= kept / rate && kept / rate <= high);
      const above = Math.ceil(high) + 1;
      assert.ok(tail(above, rate, 0, kept) <= MISS_PROBABILITY / 2, `above, rate ${rate}, kept ${kept}`);
      const below = Math.floor(low) - 1;
      if (below >= kept)
        assert.ok(tail(below, rate, kept, below) <= MISS_PROBABILITY / 2, `below, ${rate}, ${kept}`);
      // And it is not absurdly wide: at twice the distance the tails have long been negligible.
      if (kept === 40) assert.ok(high < (kept / rate) * 2.2, `${high} for ${kept} at ${rate}`);
    }
  }
});

test(`sampling by flow and slot: unbiased, and the truth is within the bound (seed ${seed})`, () => {
  const random = new Random(seed);
  let [missed, trials, bias, spread] = [0, 0, 0, 0];
  for (let trial = 0; trial < 3000; trial++) {
    const rate = 2 ** -(1 + random.below(7));
    const clusters = 1 + random.below(400);
    let [truth, kept, square] = [0, 0, 0];
    for (let cluster = 0; cluster < clusters; cluster++) {
      // All sizes there can be, the worst among them.
      const size = trial % 3 === 0 ? CLUSTER_FRAMES : 1 + random.below(CLUSTER_FRAMES);
      truth += size;
      square += size * size;
      if (random.chance(rate)) kept += size;
    }
    const sampling = new Sampling(shedOf(rate), noDrops);
    const bound = sampling.packets(kept, kept / rate, LINK);
    trials++;
    if (truth < bound.low || truth > bound.high) missed++;
    bias += kept / rate - truth;
    spread += (square * (1 - rate)) / rate;
    assert.ok(bound.low >= kept);
  }
  assert.ok(Math.abs(bias) < 4 * Math.sqrt(spread), `bias ${bias}, its deviation ${Math.sqrt(spread)}`);
  assert.ok(missed <= 3, `${missed} of ${trials} bounds missed the truth`);
});

test(`sums over intervals of different rates are bounded as well (seed ${seed})`, () => {
  const random = new Random(seed + 1);
  let missed = 0;
  for (let trial = 0; trial < 1000; trial++) {
    const rates = [1, 1, 0.5, 2 ** -(1 + random.below(4)), 2 ** -(2 + random.below(5))];
    let [truth, kept, estimate] = [0, 0, 0];
    for (const rate of rates) {
      for (let cluster = random.below(150); cluster > 0; cluster--) {
        truth += CLUSTER_FRAMES;
        if (!random.chance(rate)) continue;
        kept += CLUSTER_FRAMES;
        estimate += CLUSTER_FRAMES / rate;
      }
    }
    const manifests = rates.map((rate) =>
      rate === 1 ? { drops: noDrops } : { drops: noDrops, shed: shedOf(rate) },
    );
    const sum = sumShed(manifests)!;
    assert.equal(sum.rate_max, 0.5);
    assert.equal(sum.rate_min, Math.min(...rates));
    const bound = new Sampling(sum, noDrops).packets(kept, estimate, LINK);
    if (truth < bound.low || truth > bound.high) missed++;
  }
  assert.ok(missed <= 1, `${missed} bounds missed the truth`);
});

test("the certain part: never less than was counted, nor more than was shed of the same /8", () => {
  const shed = shedOf(1 / 16, {
    protocols: { ipv4_tcp: [500, 50_000], ipv6_udp: [70, 7000], other: [3, 180] },
    sources4: { "10.0.0.0/8": [400, 40_000], "11.0.0.0/8": [100, 10_000] },
    destinations4: { "20.0.0.0/8": [90, 9000], "21.0.0.0/8": [410, 41_000] },
  });
  const sampling = new Sampling(shed, { ...noDrops, rx_dropped: 7, shed: 573 });
  const high = (part: Parameters<Sampling["packets"]>[2]) => sampling.packets(1000, 16_000, part).high;
  assert.equal(high({ family: 4, source: 10, destination: 20 }), 1000 + 90 + 3 + 7);
  assert.equal(high({ family: 4, source: 11, destination: 21 }), 1000 + 100 + 3 + 7);
  assert.equal(
    high({ family: 4, source: 12, destination: 21 }),
    1000 + 0 + 3 + 7,
    "nothing of 12/8 was shed",
  );
  assert.equal(high({ family: 4, source: 10 }), 1000 + 400 + 3 + 7);
  assert.equal(high({ family: 6 }), 1000 + 70 + 3 + 7);
  assert.equal(sampling.bytes(5000, 80_000, { family: 6 }).high, 5000 + 7000 + 180 + 7 * 1518);
});

test("what was counted whole is exact, whatever else is in the sum, but for what was shed", () => {
  const sampling = new Sampling(shedOf(0.5, { sources4: {}, destinations4: {} }), noDrops);
  assert.deepEqual(sampling.packets(123, 123, LINK), { low: 123, high: 123 });
  assert.equal(errorOf(123, { low: 120, high: 130 }), 7);
});

test("lost packets widen the bound by what each stands for, and by how surely", () => {
  const lossy = (unseen: number) =>
    new Sampling(shedOf(0.25, { unseen, cluster: 1 }), { ...noDrops, rx_dropped: unseen / 4 });
  const [narrow, wide] = [lossy(0), lossy(400)].map((sampling) => sampling.packets(1000, 4000, LINK));
  assert.equal(wide!.low, narrow!.low);
  assert.equal(wide!.high, Math.ceil(sampledBound(4400, 0.25, 1).high));
  assert.ok(wide!.high > narrow!.high + 400);
  assert.deepEqual(lossy(400).sampled(1000, 4000, LINK), narrow);
  const unsampled = { drops: { ...noDrops, rx_dropped: 11, shed: 0 } };
  const sampled = { drops: { ...noDrops, rx_dropped: 100, shed: 9 }, shed: shedOf(0.25, { unseen: 400 }) };
  assert.equal(sumShed([unsampled, sampled])!.unseen, 411);
  assert.equal(sumShed([unsampled]), undefined);
  // What never reached the program was not drawn.
  const drops = { ...noDrops, rx_dropped: 3, interface_missed: 100, uncounted: 1, shed: 9 };
  assert.equal(unseenOf(drops, 1 / 16), 3 * 16 + 101);
});

test(`a link that alone made a ring overflow is within its bound (seed ${seed})`, () => {
  const random = new Random(seed + 2);
  const [rate, trials] = [1 / 16, 400];
  let missed = 0;
  for (let trial = 0; trial < trials; trial++) {
    const truth = 16_000;
    let chosen = 0;
    for (let packet = 0; packet < truth; packet++) if (random.chance(rate)) chosen++;
    // The ring took its first packets; the rest of what was to be kept found no room.
    const kept = Math.min(chosen, random.below(20));
    const lost = chosen - kept;
    const shed = shedOf(rate, { cluster: 1, unseen: lost / rate });
    const bound = new Sampling(shed, { ...noDrops, rx_dropped: lost }).packets(kept, kept / rate, LINK);
    if (truth < bound.low || truth > bound.high) missed++;
  }
  assert.ok(missed <= 2, `${missed} of ${trials} bounds missed the truth`);
});

test("the /8s follow the addresses into anonymity", () => {
  const shed = shedOf(0.5, { sources4: { "10.0.0.0/8": [1, 2], "9.0.0.0/8": [3, 4] } });
  const other = mapShed(shed, (addresses) => addresses.map((address) => (address ^ 0xff000000) >>> 0));
  assert.deepEqual(other.sources4, { "246.0.0.0/8": [3, 4], "245.0.0.0/8": [1, 2] });
  const cut = mapShed(shed, (addresses) => addresses.map(() => 0));
  assert.deepEqual(cut.sources4, { "0.0.0.0/8": [4, 6] });
});

test("accuracy and relative throughput", () => {
  assert.equal(accuracyOf([]), 1);
  assert.equal(accuracyOf([[100, { low: 90, high: 130 }]]), 0.8);
  assert.equal(accuracyOf([[1, { low: 0, high: 100 }]]), 0);
  const links: [number, { low: number; high: number }][] = [
    [100, { low: 90, high: 130 }],
    [100, { low: 100, high: 100 }],
  ];
  assert.equal(accuracyOf(links, 40), 0.8, "what was lost was lost once, whosever it was");
  assert.equal(relativeThroughput(0, {}), 1);
  assert.equal(relativeThroughput(25, { shed: 70, rx_dropped: 5 }), 0.25);
});
