/** Sliding sums against a list of everything that ever happened. */
import assert from "node:assert/strict";
import { test } from "node:test";
import fc from "fast-check";
import { Buckets, FIGURES, noTotals, WINDOWS } from "../../lib/dependability/buckets.js";

/** Steps of up to two days, so that every ring turns over. */
const event = fc.oneof(
  fc.record({ kind: fc.constant("wait" as const), ms: fc.integer({ min: 1, max: 200_000_000 }) }),
  fc.record({ kind: fc.constant("wait" as const), ms: fc.integer({ min: 1, max: 100_000 }) }),
  fc.record({ kind: fc.constant("add" as const), ago: fc.integer({ min: 0, max: 90_000_000 }) }),
  fc.record({ kind: fc.constant("spread" as const), ms: fc.integer({ min: 0, max: 5_000_000 }) }),
  fc.record({
    kind: fc.constant("steps" as const),
    step: fc.integer({ min: 1, max: 100_000 }),
    count: fc.integer({ min: 0, max: 300 }),
  }),
);

const BEGIN = 40 * 86_400_000;

test("sums of a window are those of what happened in its buckets", () => {
  fc.assert(
    fc.property(fc.array(event, { maxLength: 60 }), (events) => {
      const buckets = new Buckets();
      let now = BEGIN;
      /** [from, to, figure]: ms of a time, and points in time. */
      const spreads: [number, number][] = [];
      const points: { at: number; written: number }[] = [];
      for (const it of events) {
        if (it.kind === "wait") now += it.ms;
        else if (it.kind === "add") {
          const at = Math.max(BEGIN - 1000, now - it.ago);
          buckets.add("due", at, 3);
          for (let i = 0; i < 3; i++) points.push({ at, written: now });
        } else if (it.kind === "spread") {
          buckets.spread("complete_ms", now, now + it.ms);
          spreads.push([now, now + it.ms]);
          now += it.ms;
        } else {
          buckets.steps("due", now, it.step, it.count);
          for (let i = 1; i <= it.count; i++) points.push({ at: now + i * it.step, written: now });
          now += it.count * it.step;
        }
      }
      const totals = buckets.totals(now);
      const again = Buckets.from(JSON.parse(JSON.stringify(buckets)))!.totals(now);
      assert.deepEqual(again, totals, "a saved copy has the same sums");
      for (const { name, bucketMs, buckets: size } of WINDOWS) {
        const begin = (Math.floor(now / bucketMs) - size + 1) * bucketMs;
        const ms = spreads.reduce((sum, [from, to]) => sum + Math.max(0, to - Math.max(from, begin)), 0);
        assert.equal(totals[name].complete_ms, ms, `${name}: time`);
        assert.equal(totals[name].due, points.filter(({ at }) => at >= begin).length, `${name}: points`);
        assert.equal(totals[name].counted, 0);
      }
    }),
    { numRuns: 300 },
  );
});

test("space is bounded, whatever happens", () => {
  const buckets = new Buckets();
  for (let day = 0; day < 400; day++)
    buckets.spread("due_ms", BEGIN + day * 86_400_000, BEGIN + (day + 1) * 86_400_000);
  const rows = buckets.toJSON();
  for (const [i, { buckets: size }] of WINDOWS.entries()) assert.equal(rows[i]!.length, size);
  // An absurd number of missing intervals is no loop over them.
  const began = performance.now();
  buckets.steps("due", BEGIN, 100, 1e12);
  assert.ok(performance.now() - began < 1000);
});

test("what is not a saved copy is refused", () => {
  const sound = new Buckets();
  sound.add("due", BEGIN, 1);
  const json = JSON.parse(JSON.stringify(sound)) as number[][][];
  assert.ok(Buckets.from(json));
  const broken: unknown[] = [
    null,
    {},
    [],
    [[], []],
    [[], [], [[1]]],
    [[], [], [[1, 2, 3, 4, 5, 6, -1]]],
    [[], [], [[1, 2, 3, 4, 5, 6, 0.5]]],
    [[], [], [["1", 2, 3, 4, 5, 6, 7]]],
    [Array.from({ length: 61 }, (_, i) => [i, 1, 1, 1, 1, 1, 1]), [], []],
  ];
  for (const each of broken) assert.equal(Buckets.from(each), undefined, JSON.stringify(each)?.slice(0, 80));
  fc.assert(
    fc.property(fc.jsonValue(), (value) => {
      Buckets.from(value);
    }),
  );
});

test("figures are what they are called", () => {
  assert.deepEqual(Object.keys(noTotals()), [...FIGURES]);
});
