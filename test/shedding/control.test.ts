/** The controller of load shedding against a simulated sensor: what it takes, what it loses, what it queues. */
import assert from "node:assert/strict";
import { test } from "node:test";
import fc from "fast-check";
import { type LoadSample, ShedControl } from "../../lib/shed-control.js";

const SETTINGS = { fractionMin: 1024, loss: 0.001, calmMs: 2000 };
const TICK_MS = 100;

/** A sensor with a ring in front: takes `capacity` frames a ms at most, and loses what the ring has no room for. */
class Plant {
  queued = 0;
  readonly #ring: number;

  constructor(ring: number) {
    this.#ring = ring;
  }

  run(offered: number, capacity: number): LoadSample {
    const arriving = Math.round(offered * TICK_MS);
    const taken = Math.min(this.queued + arriving, Math.round(capacity * TICK_MS));
    const left = this.queued + arriving - taken;
    this.queued = Math.min(left, this.#ring);
    const lost = left - this.queued;
    return { ms: TICK_MS, taken, lost, occupancy: this.queued / this.#ring, isLate: false };
  }
}

interface Run {
  changes: number;
  lost: number;
  offered: number;
  shift: number;
}

/** So many ticks of a load that `load(tick)` gives, in frames a ms. */
function simulate(
  control: ShedControl,
  plant: Plant,
  ticks: number,
  load: (tick: number) => number,
  capacity: number,
): Run {
  const run: Run = { changes: 0, lost: 0, offered: 0, shift: control.shift };
  for (let tick = 0; tick < ticks; tick++) {
    const offered = load(tick) / 2 ** control.shift;
    const sample = plant.run(offered, capacity);
    run.lost += sample.lost;
    run.offered += sample.taken + sample.lost;
    const shift = control.step(sample);
    if (shift !== run.shift) run.changes++;
    run.shift = shift;
  }
  return run;
}

test("a load it can take is never sampled", () => {
  fc.assert(
    fc.property(
      fc.double({ min: 0, max: 0.99, noNaN: true }),
      fc.integer({ min: 1, max: 5000 }),
      (share, capacity) => {
        const run = simulate(
          new ShedControl(SETTINGS),
          new Plant(65_536),
          600,
          () => share * capacity,
          capacity,
        );
        assert.equal(run.shift, 0);
        assert.equal(run.changes, 0);
      },
    ),
    { numRuns: 50 },
  );
});

test("a steady overload settles at once, hardly loses anything, and does not swing", () => {
  fc.assert(
    fc.property(
      fc.double({ min: 1.05, max: 500, noNaN: true }),
      fc.integer({ min: 50, max: 5000 }),
      fc.integer({ min: 0, max: 0xffff }),
      (overload, capacity, noise) => {
        const control = new ShedControl(SETTINGS);
        const plant = new Plant(65_536);
        // A few per cent of jitter, as live traffic has.
        const load = (tick: number) => overload * capacity * (1 + 0.03 * Math.sin(tick * 1.7 + noise));
        simulate(control, plant, 300, load, capacity);
        const hour = simulate(control, plant, 36_000, load, capacity);
        assert.ok(hour.changes <= 60, `${hour.changes} changes in an hour`);
        assert.ok(hour.lost <= 0.002 * hour.offered, `lost ${hour.lost} of ${hour.offered}`);
        const kept = (overload * capacity) / 2 ** control.shift;
        assert.ok(kept < (1 + SETTINGS.loss) * capacity, "what is kept can be taken");
        assert.ok(kept > 0.3 * capacity, `only ${kept} of ${capacity} is used`);
      },
    ),
    { numRuns: 30 },
  );
});

for (const [overload, capacity] of [
  [31.4523, 50], // just fits at 1 in 32: rings that a failed attempt has filled drain slowly
  [256.6424, 178.6495], // just does not at 1 in 256: it takes minutes until the ring is full
] as const) {
  test(`it does not swing at the edge of a rate either: ${overload} times ${capacity}`, () => {
    const control = new ShedControl(SETTINGS);
    const plant = new Plant(65_536);
    const load = (tick: number) => overload * capacity * (1 + 0.03 * Math.sin(tick * 1.7));
    simulate(control, plant, 300, load, capacity);
    const hour = simulate(control, plant, 36_000, load, capacity);
    assert.ok(hour.changes <= 40, `${hour.changes} changes in an hour`);
    assert.ok(hour.lost <= 0.001 * hour.offered, `lost ${hour.lost} of ${hour.offered}`);
  });
}

test("ten times the load: the first step is large enough", () => {
  const control = new ShedControl(SETTINGS);
  const plant = new Plant(65_536);
  const run = simulate(control, plant, 40, () => 10_000, 1000);
  assert.equal(run.shift, 4);
  assert.ok(run.changes <= 2);
});

test("when the load has gone, everything is counted again within a minute", () => {
  fc.assert(
    fc.property(fc.double({ min: 2, max: 500, noNaN: true }), (overload) => {
      const control = new ShedControl(SETTINGS);
      const plant = new Plant(65_536);
      simulate(control, plant, 1000, () => overload * 1000, 1000);
      assert.ok(control.shift > 0);
      const calm = simulate(control, plant, 600, () => 300, 1000);
      assert.equal(calm.shift, 0);
      assert.equal(calm.lost, 0);
    }),
    { numRuns: 50 },
  );
});

test("a single accident is forgotten", () => {
  const control = new ShedControl(SETTINGS);
  const plant = new Plant(65_536);
  control.step({ ms: 100, taken: 10_000, lost: 5000, occupancy: 1, isLate: false });
  assert.ok(control.shift > 0);
  const after = simulate(control, plant, 1200, () => 150, 1000);
  assert.equal(after.shift, 0, "within two minutes, at the load that was there before");
});

test("lateness sheds, one step in two seconds; few lost packets do not; the smallest sample is a bound", () => {
  const control = new ShedControl({ ...SETTINGS, fractionMin: 4 });
  const late = { ms: 100, taken: 1000, lost: 0, occupancy: 0, isLate: true };
  for (let tick = 0; tick < 10; tick++) control.step(late);
  assert.equal(control.shift, 1);
  for (let tick = 0; tick < 100; tick++) control.step(late);
  assert.equal(control.shift, 2);
  const few = new ShedControl(SETTINGS);
  few.step({ ms: 100, taken: 10, lost: 15, occupancy: 0, isLate: false });
  assert.equal(few.shift, 0);
  few.step({ ms: 100, taken: 0, lost: 1_000_000, occupancy: 1, isLate: false });
  assert.equal(few.shift, 4, "a thread that stood still: four steps at most");
});
