import assert from "node:assert/strict";
import { test } from "node:test";
import fc from "fast-check";
import { formatDuration, formatSize, parseDuration, parseSize } from "../../lib/duration.js";
import { SparsewireError } from "../../lib/errors.js";

const code = (expected: string) => (error: unknown) =>
  error instanceof SparsewireError && error.code === expected;

test("durations are nanoseconds", () => {
  const cases: [string, bigint][] = [
    ["0", 0n],
    ["1ns", 1n],
    ["250ms", 250_000_000n],
    ["0.25s", 250_000_000n],
    ["1h30m", 5_400_000_000_000n],
    ["48h", 172_800_000_000_000n],
    ["1w", 604_800_000_000_000n],
    ["1825d", 157_680_000_000_000_000n],
  ];
  for (const [text, ns] of cases) assert.equal(parseDuration(text), ns, text);
});

test("what is not a duration is refused with its reason", () => {
  for (const text of [
    "",
    "5",
    "1.5",
    "s",
    "-1s",
    "1s ",
    " 1s",
    "1m1h",
    "1s1s",
    "1x",
    "1e3s",
    "200000d",
    "9".repeat(99),
  ]) {
    assert.throws(() => parseDuration(text), code("BAD_DURATION"), text);
  }
  assert.throws(() => parseDuration("5"), /the unit is missing/);
});

test("a duration's text reads back as the same duration", () => {
  fc.assert(
    fc.property(fc.bigInt({ min: 0n, max: 3_155_760_000_000_000_000n }), (ns) => {
      assert.equal(parseDuration(formatDuration(ns)), ns);
    }),
  );
});

test("sizes are bytes", () => {
  const cases: [string, number][] = [
    ["0", 0],
    ["4096", 4096],
    ["512MiB", 536_870_912],
    ["10GB", 10_000_000_000],
    ["1.5 KiB", 1536],
    ["1kB", 1000],
  ];
  for (const [text, bytes] of cases) assert.equal(parseSize(text), bytes, text);
  for (const text of ["", "-1", "1XB", "1kb1", "1e3", "99999999TiB", "MiB", "1  GB", "B"]) {
    assert.throws(() => parseSize(text), code("BAD_SIZE"), text);
  }
  assert.equal(formatSize(536_870_912), "512 MiB");
  assert.equal(formatSize(1500), "1.5 KiB");
});
