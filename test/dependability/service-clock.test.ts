/** The clock of a service's life: steps of the wall clock, restarts, and moments that lie behind. */
import assert from "node:assert/strict";
import { test } from "node:test";
import fc from "fast-check";
import { ServiceClock } from "../../lib/dependability/service-clock.js";

const DAY = 86_400_000;

test("follows the monotonic clock while it runs, whatever is done to the wall clock", () => {
  fc.assert(
    fc.property(
      fc.array(
        fc.record({
          runs: fc.integer({ min: 0, max: DAY }),
          step: fc.integer({ min: -400 * DAY, max: 400 * DAY }),
        }),
      ),
      (events) => {
        let wall = 1_700_000_000_000;
        let monotonic = 12_345.678;
        const clock = new ServiceClock(
          undefined,
          () => wall,
          () => monotonic,
        );
        const begun = clock.now();
        let ran = 0;
        for (const { runs, step } of events) {
          wall += runs + step;
          monotonic += runs;
          ran += runs;
          assert.ok(Math.abs(clock.now() - begun - ran) <= 1);
        }
      },
    ),
  );
});

test("goes on by the wall clock between runs, never backwards, never absurdly far", () => {
  const saved = { wall_ms: 1_700_000_000_000, clock_ms: 100 * DAY };
  const at = (wall: number) =>
    new ServiceClock(
      saved,
      () => wall,
      () => 0,
    ).now() - saved.clock_ms;
  assert.equal(at(saved.wall_ms + 5000), 5000);
  assert.equal(at(saved.wall_ms - 5000), 0, "a wall clock that was set back makes no time");
  assert.equal(at(saved.wall_ms + 10_000 * DAY), 31 * DAY);
});

test("tells the service time of a moment, never in the future", () => {
  const wall = 1_700_000_000_000;
  const clock = new ServiceClock(
    undefined,
    () => wall,
    () => 0,
  );
  assert.equal(clock.at(wall - 1500), clock.now() - 1500);
  assert.equal(clock.at(wall + 60_000), clock.now());
  assert.equal(clock.at(0), 0);
});
