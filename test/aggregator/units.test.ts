/** The aggregator's small parts, each against a slow model. */
import assert from "node:assert/strict";
import { test } from "node:test";
import fc from "fast-check";
import { aggregatorConfigSchema } from "../../daemon/aggregator/config.js";
import { levelFolder, periodOf, periodStart, timeText } from "../../daemon/aggregator/periods.js";
import { RangeSet } from "../../daemon/aggregator/ranges.js";
import { Refusal } from "../../daemon/aggregator/refusal.js";
import { Shelf } from "../../daemon/aggregator/shelf.js";
import { parseRange, parseTime } from "../../daemon/aggregator/times.js";
import { isLoopback } from "../../daemon/http/listen.js";
import { NOON } from "./client.js";

const seed = Number(process.env.SPARSEWIRE_FUZZ_SEED ?? Date.now() % 1e9);

test("RangeSet is a set of numbers", (t) => {
  t.diagnostic(`seed ${seed}`);
  const range = fc.tuple(fc.nat(60), fc.nat(8)).map(([first, more]) => [first, first + more] as const);
  fc.assert(
    fc.property(fc.array(range, { maxLength: 40 }), (ranges) => {
      const set = new RangeSet();
      const model = new Set<number>();
      for (const [first, last] of ranges) {
        set.add(first, last);
        for (let n = first; n <= last; n++) model.add(n);
      }
      for (let n = 0; n < 80; n++) assert.equal(set.has(n), model.has(n));
      assert.equal(set.size, model.size);
      const bounds = [...set].flat();
      assert.ok(
        bounds.every(
          (bound, at) => at === 0 || (at % 2 === 0 ? bound > bounds[at - 1]! + 1 : bound >= bounds[at - 1]!),
        ),
      );
      const gaps = model.size === 0 ? 0 : Math.max(...model) - Math.min(...model) + 1 - model.size;
      assert.equal(set.missing, gaps);
    }),
    { seed },
  );
});

test("Shelf keeps rows in order of start, through additions and removals", () => {
  const row = fc.record({
    offset: fc.nat(3_599_999_999_999),
    run: fc.nat(9),
    sequence: fc.nat(),
    size: fc.nat(9999),
  });
  fc.assert(
    fc.property(fc.array(row, { maxLength: 200 }), fc.nat(9), (rows, gone) => {
      const shelf = new Shelf();
      for (const one of rows) shelf.add({ ...one, written: 1 });
      shelf.remove((at) => shelf.run[at] === gone);
      const model = rows.filter((one) => one.run !== gone).sort((a, b) => a.offset - b.offset);
      shelf.sorted();
      assert.deepEqual(
        [...shelf.offset.subarray(0, shelf.count)],
        model.map(({ offset }) => offset),
      );
      assert.equal(
        shelf.bytes,
        model.reduce((sum, { size }) => sum + size, 0),
      );
      const [first, end] = shelf.between(1e12, 2e12);
      assert.equal(end - first, model.filter(({ offset }) => offset >= 1e12 && offset < 2e12).length);
    }),
    { seed },
  );
});

test("times are read in all three notations, and nothing else is", () => {
  const now = NOON;
  const same: [string, bigint][] = [
    ["now", NOON],
    ["-5m", NOON - 300_000_000_000n],
    ["now-1h30m", NOON - 5_400_000_000_000n],
    ["2026-01-31T12:00:00Z", NOON],
    ["2026-01-31 13:00:00.5+01:00", NOON + 500_000_000n],
    ["2026-01-31T12:00Z", NOON],
    ["1769860800", NOON],
    ["1769860800.000000001", NOON + 1n],
    ["0", 0n],
    ["2024-02-29T00:00:00Z", 1_709_164_800_000_000_000n],
    ["2026-02-29T00:00:00Z", -1n],
    ["2026-02-30T00:00:00Z", -1n],
    ["2026-04-31T00:00:00Z", -1n],
    ["-3650000d", -1n],
  ];
  for (const [text, ns] of same) {
    if (ns >= 0n) assert.equal(parseTime(text, now), ns, text);
    else assert.throws(() => parseTime(text, now), Refusal);
  }
  fc.assert(
    fc.property(fc.oneof(fc.string(), fc.stringMatching(/^[-0-9TZ:.+nowmhsd ]{0,40}$/)), (text) => {
      try {
        const ns = parseTime(text, now);
        assert.ok(ns >= 0n && ns < 2n ** 63n);
      } catch (error) {
        assert.ok(error instanceof Refusal && error.status === 400, text);
      }
    }),
    { seed, numRuns: 2000 },
  );
  assert.throws(() => parseRange({ from: "now", to: "now" }, undefined, now), { code: "BAD_RANGE" });
  assert.deepEqual(parseRange({}, undefined, now), { from: NOON - 300_000_000_000n, to: NOON });
});

test("periods and folders are those of UTC", () => {
  assert.equal(levelFolder("raw", NOON), "raw/2026/01/31/12");
  assert.equal(levelFolder("1m", NOON), "rollup/1m/2026/01/31");
  assert.equal(levelFolder("raw", 0n), "raw/1970/01/01/00");
  assert.equal(levelFolder("raw", 2n ** 63n - 1n), "raw/2262/04/11/23");
  assert.equal(timeText(NOON + 1n), "2026-01-31T12:00:00.000000001Z");
  for (const level of ["1m", "1h", "1d"] as const) {
    const period = periodOf(level, NOON + 1n);
    assert.ok(periodStart(level, period) <= NOON && periodStart(level, period + 1) > NOON);
  }
});

test("loopback is told from the rest", () => {
  for (const address of ["127.0.0.1", "127.9.9.9", "::1", "localhost"])
    assert.ok(isLoopback(address), address);
  for (const address of ["0.0.0.0", "::", "10.0.0.1", "fe80::1", "localhost.example", ""])
    assert.ok(!isLoopback(address));
});

test("the configuration has defaults for everything and refuses a retention that would leave holes", () => {
  const config = (given: unknown) => aggregatorConfigSchema.parse(given);
  const defaults = config({});
  assert.equal(defaults.limits.max_archive_bytes, 64 * 2 ** 20);
  assert.deepEqual([defaults.store.keep_raw, defaults.rollup.grace], [48 * 3_600_000, 5_000]);
  assert.throws(() => config({ store: { keep_raw: "20d" } }), /coarser level/);
  assert.throws(() => config({ stoer: {} }), /Unrecognized key/);
});
