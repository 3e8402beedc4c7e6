import assert from "node:assert/strict";
import { test } from "node:test";
import fc from "fast-check";
import { Coverage } from "../../daemon/cli/coverage.js";
import { ARCHIVE_FORMAT, type Manifest } from "../../lib/manifest.js";
import { exampleHead } from "../archive/example.js";

const manifest = (changes: Partial<Manifest>): Manifest => ({
  ...exampleHead(),
  format: ARCHIVE_FORMAT,
  members: [],
  ...changes,
});
const RUN = "0123456789abcdef";

/** An interval (one number) or a roll-up (ranges). */
const archives = fc.array(
  fc.oneof(
    fc.record({ sequence: fc.nat(60) }),
    fc.record({
      ranges: fc.array(fc.tuple(fc.nat(60), fc.nat(5)), { minLength: 1, maxLength: 3 }),
    }),
  ),
  { maxLength: 80 },
);

test("coverage says what a plain set of sequence numbers says", () => {
  fc.assert(
    fc.property(archives, (list) => {
      const coverage = new Coverage();
      const seen = new Set<number>();
      for (const archive of list) {
        const ranges =
          "ranges" in archive
            ? disjoint(archive.ranges)
            : [[archive.sequence, archive.sequence] as [number, number]];
        const members = ranges.flatMap(([low, high]) =>
          Array.from({ length: high - low + 1 }, (_, at) => low + at),
        );
        const known = members.filter((sequence) => seen.has(sequence)).length;
        const expected = known === 0 ? "none" : known === members.length ? "whole" : "partial";
        const given =
          "ranges" in archive
            ? manifest({ sequence: 0, run: "f".repeat(16), parts: [{ sensor: "test-1", run: RUN, ranges }] })
            : manifest({ sequence: archive.sequence, run: RUN });
        assert.equal(coverage.claim(given), expected);
        if (expected === "none") for (const sequence of members) seen.add(sequence);
      }
    }),
    { numRuns: 500 },
  );
});

/** A roll-up's ranges are sorted and do not touch. */
function disjoint(ranges: [start: number, length: number][]): [number, number][] {
  const result: [number, number][] = [];
  for (const [start, length] of ranges.toSorted((a, b) => a[0] - b[0])) {
    const last = result.at(-1);
    if (last === undefined || start > last[1] + 1) result.push([start, start + length]);
  }
  return result;
}

test("other sensors and other runs are other intervals", () => {
  const coverage = new Coverage();
  assert.equal(coverage.claim(manifest({ sensor: "a", run: RUN, sequence: 1 })), "none");
  assert.equal(coverage.claim(manifest({ sensor: "b", run: RUN, sequence: 1 })), "none");
  assert.equal(coverage.claim(manifest({ sensor: "a", run: "f".repeat(16), sequence: 1 })), "none");
  assert.equal(coverage.claim(manifest({ sensor: "a", run: RUN, sequence: 1 })), "whole");
});

test("a hundred thousand intervals in any order take little time", () => {
  const coverage = new Coverage();
  const began = performance.now();
  const run = manifest({ run: RUN });
  for (let at = 0; at < 100_000; at++) {
    assert.equal(coverage.claim({ ...run, sequence: (at * 7919) % 100_003 }), "none");
  }
  assert.ok(performance.now() - began < 10_000);
});
