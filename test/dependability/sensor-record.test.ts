/** A sensor's record against the list of what happened to each of its intervals. */
import assert from "node:assert/strict";
import { test } from "node:test";
import fc from "fast-check";
import { ratiosOf } from "../../lib/dependability/ratios.js";
import { SensorRecord, type SensorState } from "../../lib/dependability/sensor-record.js";

const BEGIN = 40 * 86_400_000;
const SECOND = 1000;
const LATENESS = 31 * SECOND;

const parse = (record: SensorRecord): SensorState => JSON.parse(JSON.stringify(record)) as SensorState;

/** What becomes of an interval of one second. */
const fate = fc.record({
  complete: fc.boolean(),
  /** Seconds from its end to its delivery; above 31 it is late, undefined: never. */
  delivery: fc.option(fc.integer({ min: 0, max: 60 }), { nil: undefined }),
});
const phase = fc.record({
  intervals: fc.array(fate, { minLength: 1, maxLength: 40 }),
  /** Whole seconds without a process afterwards, and whether its end was seen (a save at the end) or not. */
  outage: fc.integer({ min: 0, max: 120 }),
  crashLoses: fc.integer({ min: 0, max: 10 }),
});

test("time and intervals are those of the model, through restarts and crashes", () => {
  fc.assert(
    fc.property(fc.array(phase, { minLength: 1, maxLength: 6 }), (phases) => {
      let now = BEGIN;
      let record = new SensorRecord(SECOND, LATENESS, now);
      let sequence = 0;
      let [due, delivered, completeMs] = [0, 0, 0];
      for (const { intervals, outage, crashLoses } of phases) {
        const begin = now;
        const kept = Math.max(0, intervals.length - crashLoses);
        const savedAt = begin + kept * SECOND;
        const stopAt = begin + intervals.length * SECOND;
        now = stopAt + outage * SECOND;
        const sealed = intervals.map(({ complete, delivery }, i) => {
          const end = begin + (i + 1) * SECOND;
          const at = delivery === undefined ? Number.POSITIVE_INFINITY : end + delivery * SECOND;
          return { key: `r/${sequence++}`, end, at, complete };
        });
        // What the record is told until the process ends, of which the last save knows the part until savedAt.
        const told = [
          ...sealed.map(({ key, end, complete }) => ({
            at: end,
            run: () => record.sealed(end, key, complete),
          })),
          ...sealed.map(({ key, at }) => ({ at, run: () => record.delivered(at, key) })),
        ];
        let saved = parse(record);
        for (const { at, run } of told.sort((a, b) => a.at - b.at)) {
          if (at > stopAt) break;
          run();
          if (at <= savedAt) saved = parse(record);
        }
        // What waits in the spool then is delivered when the next run has begun; what is never delivered was lost.
        const waiting = sealed.filter(({ at }) => at > stopAt && at !== Number.POSITIVE_INFINITY);
        record = new SensorRecord(SECOND, LATENESS, now, saved, waiting);
        for (const { key } of waiting) record.delivered(now, key);

        due += kept + (now - savedAt) / SECOND;
        for (const { end, at, complete } of sealed) {
          if (end <= savedAt && complete) completeMs += SECOND;
          if (at <= savedAt && at <= end + LATENESS) delivered++;
          if (at > stopAt && at !== Number.POSITIVE_INFINITY && now <= end + LATENESS) delivered++;
        }
      }
      const totals = record.totals(now + LATENESS + 1)["30d"];
      assert.equal(totals.due_ms, now - BEGIN, "due time");
      assert.equal(totals.complete_ms, completeMs, "complete time");
      assert.equal(totals.due, due, "due");
      assert.equal(totals.delivered, delivered, "delivered");
    }),
    { numRuns: 300 },
  );
});

test("a day without fault is 100 %, an outage of 36 seconds costs what it should", () => {
  let now = BEGIN;
  let record = new SensorRecord(SECOND, LATENESS, now);
  const run = (seconds: number) => {
    for (let i = 0; i < seconds; i++) {
      now += SECOND;
      record.sealed(now, `r/${now}`, true);
      record.counted(now, `r/${now}`, 100, 100);
      record.delivered(now, `r/${now}`);
    }
  };
  run(3564);
  assert.deepEqual(ratiosOf(record.totals(now)["1h"]), {
    availability: 1,
    reliability: 1,
    dependability: 1,
    performability: 1,
    covered_s: 3564,
  });
  const saved = parse(record);
  now += 36 * SECOND;
  record = new SensorRecord(SECOND, LATENESS, now, saved);
  const { availability, reliability, dependability } = ratiosOf(record.totals(now)["1d"]);
  assert.equal(availability, 0.99);
  assert.equal(reliability, 0.99);
  assert.ok(Math.abs(dependability! - 0.9801) < 1e-12);
});

test("drops cost availability and performability, a late delivery reliability", () => {
  const record = new SensorRecord(SECOND, LATENESS, BEGIN);
  let now = BEGIN;
  for (let i = 0; i < 10; i++) {
    now += SECOND;
    record.sealed(now, `r/${i}`, i !== 0);
    record.counted(now, `r/${i}`, i === 0 ? 50 : 100, 100);
    if (i !== 1) record.delivered(now, `r/${i}`);
  }
  now += LATENESS;
  record.sealed(now, "r/10", false);
  record.delivered(now + LATENESS, "r/1");
  const { availability, reliability, performability } = ratiosOf(record.totals(now)["1h"]);
  assert.equal(availability, 9000 / (10_000 + LATENESS));
  // Of 10 + 31 due ones (nothing was sealed for 31 s, of which none is overdue yet) 9 came in time.
  assert.equal(reliability, 9 / 10);
  assert.ok(Math.abs(performability! - availability! * reliability! * (950 / 1000)) < 1e-12);
});

test("a sensor that hangs is not available while it hangs", () => {
  const record = new SensorRecord(SECOND, LATENESS, BEGIN);
  for (let i = 1; i <= 60; i++) {
    record.sealed(BEGIN + i * SECOND, `r/${i}`, true);
    record.delivered(BEGIN + i * SECOND, `r/${i}`);
  }
  const hung = BEGIN + 60 * SECOND + LATENESS + 60 * SECOND;
  const { availability, reliability } = ratiosOf(record.totals(hung)["1h"]);
  assert.equal(availability, 0.5);
  assert.equal(reliability, 0.5);
});

test("intervals that end by their packets are not due while there are none", () => {
  const record = new SensorRecord(0, 30_000, BEGIN);
  record.sealed(BEGIN + 5000, "r/0", true);
  record.delivered(BEGIN + 5000, "r/0");
  const { due, due_ms } = record.totals(BEGIN + 3_000_000)["1h"];
  assert.equal(due, 1);
  assert.equal(due_ms, 5000);
});
