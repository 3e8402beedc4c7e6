import assert from "node:assert/strict";
import { test } from "node:test";
import fc from "fast-check";
import { ProgressWatch, type Sign, stallText } from "../../lib/progress.js";

const STEP = 1000;
const sign = (count: number, more: Partial<Sign> = {}): Sign => ({
  name: "worker",
  count,
  withinMs: 3000,
  ...more,
});

/** What a watch says at each second for these counts. */
function stalledAt(counts: (number | "idle")[]): number[] {
  const watch = new ProgressWatch(2 * STEP);
  return counts.flatMap((count, second) => {
    const given = count === "idle" ? sign(0, { isIdle: true }) : sign(count);
    return watch.check(second * STEP, [given]).length > 0 ? [second] : [];
  });
}

test("a part that stands still for longer than its time is stalled, until it moves", () => {
  assert.deepEqual(stalledAt([1, 2, 3, 4, 5]), []);
  assert.deepEqual(stalledAt([1, 1, 1, 1]), [], "just within its time");
  assert.deepEqual(stalledAt([1, 1, 1, 1, 1, 1, 2, 2]), [4, 5]);
  assert.deepEqual(stalledAt([7, 7, 7, 7, 7, 3]), [4], "a count may also fall: it changed");
});

test("who has nothing to do is not stalled, and begins anew when there is something", () => {
  assert.deepEqual(stalledAt(["idle", "idle", "idle", "idle", "idle", "idle"]), []);
  assert.deepEqual(stalledAt([0, 0, 0, "idle", 0, 0, 0, 0, 0]), [7, 8]);
});

test("when the whole process was held up, its parts are not blamed", () => {
  const watch = new ProgressWatch(2000);
  watch.check(0, [sign(1)]);
  assert.deepEqual(watch.check(3_600_000, [sign(1)]), []);
  assert.deepEqual(watch.check(3_601_000, [sign(1)]), []);
  assert.equal(watch.check(3_602_000, [sign(1)]).length, 1, "from there on it counts");
  assert.deepEqual(watch.check(3_500_000, [sign(2)]), [], "a clock that runs backwards takes no time");
});

test("parts are told apart, come and go", () => {
  const watch = new ProgressWatch(STEP);
  for (let second = 0; second < 10; second++)
    watch.check(second * STEP, [sign(0), sign(second, { name: "other" })]);
  const stalls = watch.check(10 * STEP, [sign(0), sign(10, { name: "other" }), sign(0, { name: "new" })]);
  assert.equal(stallText(stalls), "worker has stood still for 10 s");
  watch.check(11 * STEP, []);
  assert.deepEqual(watch.check(12 * STEP, [sign(0)]), [], "one that was gone begins anew");
});

test("a part is stalled exactly when its last change is older than its time", () => {
  fc.assert(
    fc.property(
      fc.array(fc.boolean(), { maxLength: 60 }),
      fc.integer({ min: 1, max: 9 }),
      (moves, seconds) => {
        const watch = new ProgressWatch(STEP);
        let count = 0;
        let still = 0;
        moves.forEach((moved, second) => {
          if (moved) count++;
          still = moved || second === 0 ? 0 : still + 1;
          const stalls = watch.check(second * STEP, [sign(count, { withinMs: seconds * STEP })]);
          assert.equal(stalls.length > 0, still > seconds);
        });
      },
    ),
  );
});
