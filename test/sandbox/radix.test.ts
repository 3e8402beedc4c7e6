/** The radix sort against a sort by comparison, on keys that take each of its ways. */
import assert from "node:assert/strict";
import { test } from "node:test";
import { SandboxFixture } from "./fixture.js";
import { Random, runSeed } from "./random.js";

const LOG = 4096;
const random64 = (random: Random): bigint => (BigInt(random.u32()) << 32n) | BigInt(random.u32());

/** Patterns of keys: [what, key number i of n]. */
const PATTERNS: [what: string, key: (random: Random, i: number) => bigint][] = [
  ["arbitrary", random64],
  ["all equal", () => 0xdeadbeefcafebaben],
  ["ascending", (_, i) => BigInt(i)],
  ["descending", (_, i) => (1n << 63n) - BigInt(i)],
  ["one source, many destinations", (random) => (0x0a000001n << 32n) | BigInt(random.u32())],
  ["many sources, one destination", (random) => (BigInt(random.u32()) << 32n) | 0x0a000001n],
  [
    "a /16 to a /16",
    (random) => ((0x0a000000n + BigInt(random.below(65536))) << 32n) | BigInt(random.below(65536)),
  ],
  ["few sources, any destination", (random) => (BigInt(random.below(9)) << 57n) | BigInt(random.u32())],
  [
    "groups that share 33 bits",
    (random) => (BigInt(random.below(64)) << 58n) | BigInt(random.below(1 << 30)),
  ],
  ["one bit", (random) => BigInt(random.below(2)) << 63n],
  ["two far bits", (random) => (BigInt(random.below(2)) << 63n) | BigInt(random.below(2))],
  ["a few duplicates", (random) => random64(new Random(random.below(500)))],
];

test(`radix sort is a stable sort by key, whatever the keys (seed ${runSeed()})`, () => {
  const random = new Random(runSeed());
  const fixture = new SandboxFixture({ module: "bench", logEntries: LOG }).start();
  const { bench_sort } = fixture.exports as unknown as {
    bench_sort(keys: number, values: number, n: number): void;
  };
  const keysAt = fixture.layout.queues[0]!.frames;
  const valuesAt = keysAt + 8 * LOG;
  const keys = new BigUint64Array(fixture.memory.buffer, keysAt, LOG);
  const values = new Uint32Array(fixture.memory.buffer, valuesAt, LOG);
  for (let round = 0; round < 120; round++) {
    const [what, key] = random.pick(PATTERNS);
    const n = random.pick([0, 1, 2, 3, 100, 1000, LOG]);
    const pairs = Array.from({ length: n }, (_, i): [bigint, number] => [key(random, i), i]);
    for (const [i, [k, v]] of pairs.entries()) {
      keys[i] = k;
      values[i] = v;
    }
    bench_sort(keysAt, valuesAt, n);
    pairs.sort(([a, i], [b, j]) => (a < b ? -1 : a > b ? 1 : i - j));
    for (const [i, [k, v]] of pairs.entries()) {
      assert.equal(keys[i], k, `${what}, ${n} keys, key ${i}`);
      assert.equal(values[i], v, `${what}, ${n} keys, value ${i}`);
    }
  }
});
