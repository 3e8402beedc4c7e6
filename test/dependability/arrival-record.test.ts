/** An aggregator's record of a sensor against the list of every interval that was due. */
import assert from "node:assert/strict";
import { test } from "node:test";
import fc from "fast-check";
import {
  type Arrival,
  ArrivalRecord,
  type ArrivalState,
  isArrivalState,
} from "../../lib/dependability/arrival-record.js";
import { ratiosOf } from "../../lib/dependability/ratios.js";

const BEGIN = 40 * 86_400_000;
const SECOND = 1000;
const GRACE = 30 * SECOND;
/** Wall clock less service clock: any number will do. */
const EPOCH = 1_600_000_000_000;

function interval(run: number, sequence: number, end: number, changes: Partial<Arrival> = {}): Arrival {
  return {
    run: run.toString(16).padStart(16, "0"),
    sequence,
    start: end - SECOND,
    end,
    endWallMs: EPOCH + end,
    lengthMs: SECOND,
    endedBy: "clock",
    isComplete: true,
    counted: 10,
    offered: 10,
    ...changes,
  };
}

const phase = fc.record({
  intervals: fc.array(fc.record({ complete: fc.boolean(), isLost: fc.boolean() }), { maxLength: 40 }),
  /** Seconds from the end of an interval to its arrival, in this run. */
  delay: fc.oneof(fc.constant(0), fc.integer({ min: 0, max: 90 })),
  /** Seconds between this run and the next. */
  outage: fc.integer({ min: 0, max: 120 }),
  isSaved: fc.boolean(),
});

test("every due interval counts once, whether it came, came late or never came", () => {
  fc.assert(
    fc.property(fc.array(phase, { maxLength: 6 }), (phases) => {
      let record = new ArrivalRecord(BEGIN);
      // Two of one length tell how long an interval is.
      record.arrived(BEGIN + SECOND, GRACE, interval(1, 0, BEGIN + SECOND));
      record.arrived(BEGIN + 2 * SECOND, GRACE, interval(1, 1, BEGIN + 2 * SECOND));
      let [now, end, last] = [BEGIN + 2 * SECOND, BEGIN + 2 * SECOND, BEGIN + 2 * SECOND];
      let [delivered, completeMs] = [2, 2 * SECOND];
      for (const [run, { intervals, delay, outage, isSaved }] of phases.entries()) {
        for (const [sequence, { complete, isLost }] of intervals.entries()) {
          end += SECOND;
          if (isLost) continue;
          now = Math.max(now, end + delay * SECOND);
          record.arrived(now, GRACE, interval(run + 2, sequence, end, { isComplete: complete }));
          last = end;
          if (complete) completeMs += SECOND;
          if (now - end <= GRACE + SECOND) delivered++;
        }
        end += outage * SECOND;
        if (!isSaved) continue;
        const state = JSON.parse(JSON.stringify(record)) as ArrivalState;
        assert.ok(isArrivalState(state, now));
        record = new ArrivalRecord(state);
      }
      const totals = record.totals(now, GRACE)["30d"];
      const overdue = now - GRACE - SECOND;
      const until = Math.max(last, overdue);
      assert.equal(totals.due_ms, until - BEGIN, "due time");
      assert.equal(totals.complete_ms, completeMs, "complete time");
      assert.equal(totals.due, (until - BEGIN) / SECOND, "due intervals");
      assert.equal(totals.delivered, delivered, "delivered");
    }),
    { numRuns: 500 },
  );
});

test("a sensor that is dead goes on missing intervals", () => {
  const record = new ArrivalRecord(BEGIN);
  for (let i = 1; i <= 60; i++)
    record.arrived(BEGIN + i * SECOND, GRACE, interval(1, i - 1, BEGIN + i * SECOND));
  const dead = BEGIN + 60 * SECOND;
  assert.equal(
    ratiosOf(record.totals(dead + GRACE + SECOND, GRACE)["1h"]).reliability,
    1,
    "it may still be late",
  );
  const { availability, reliability } = ratiosOf(record.totals(dead + GRACE + 61 * SECOND, GRACE)["1h"]);
  assert.equal(availability, 0.5);
  assert.equal(reliability, 0.5);
  const month = ratiosOf(record.totals(dead + 29 * 86_400_000, GRACE)["1h"]);
  assert.equal(month.availability, 0);
  assert.equal(month.reliability, 0);
  assert.ok(!record.isForgotten(dead + 29 * 86_400_000));
  assert.ok(record.isForgotten(dead + 31 * 86_400_000));
});

test("a spool that arrives late heals availability, not reliability", () => {
  const record = new ArrivalRecord(BEGIN);
  let sequence = 0;
  for (let i = 1; i <= 10; i++)
    record.arrived(BEGIN + i * SECOND, GRACE, interval(1, sequence++, BEGIN + i * SECOND));
  const now = BEGIN + 110 * SECOND;
  assert.ok(record.totals(now, GRACE)["1h"].due > 10);
  for (let i = 11; i <= 110; i++) record.arrived(now, GRACE, interval(1, sequence++, BEGIN + i * SECOND));
  const totals = record.totals(now, GRACE)["1h"];
  assert.equal(totals.due, 110);
  // The last 32: those that ended at most 31 s ago.
  assert.equal(totals.delivered, 10 + 32);
  assert.equal(totals.complete_ms, totals.due_ms);
});

test("a first interval that is short, and one after an early seal, do not change what is due", () => {
  const record = new ArrivalRecord(BEGIN);
  const odd = { start: BEGIN, lengthMs: 300 };
  record.arrived(BEGIN + 300, GRACE, interval(1, 0, BEGIN + 300, odd));
  for (let i = 1; i <= 5; i++)
    record.arrived(BEGIN + 300 + i * SECOND, GRACE, interval(1, i, BEGIN + 300 + i * SECOND));
  const early = BEGIN + 5700;
  record.arrived(
    early,
    GRACE,
    interval(1, 6, early, { start: early - 400, lengthMs: 400, endedBy: "other" }),
  );
  record.arrived(early + 600, GRACE, interval(1, 7, early + 600, { start: early, lengthMs: 600 }));
  const totals = record.totals(early + 600 + GRACE + 11 * SECOND, GRACE)["1h"];
  assert.equal(totals.due, 8 + 10);
  assert.equal(totals.delivered, 8);
});

test("two processes under one name do not make more than there is", () => {
  const record = new ArrivalRecord(BEGIN);
  for (let i = 1; i <= 100; i++) {
    const end = BEGIN + i * SECOND;
    record.arrived(end, GRACE, interval(1, i, end));
    record.arrived(end, GRACE, interval(2, i, end));
  }
  const { availability, reliability } = ratiosOf(record.totals(BEGIN + 100 * SECOND, GRACE)["1h"]);
  assert.equal(availability, 1);
  assert.equal(reliability, 1);
});

test("one absurd sequence number makes no more intervals due than fit the time that it passes over", () => {
  const record = new ArrivalRecord(BEGIN);
  for (const [at, sequence] of [0, 1, 2, 2 ** 53 - 1, 2 ** 53 - 1].entries())
    record.arrived(BEGIN + (at + 1) * SECOND, GRACE, interval(1, sequence, BEGIN + (at + 1) * SECOND));
  assert.equal(
    record.totals(BEGIN + 5 * SECOND, GRACE)["30d"].due,
    4,
    "the fourth is one, the fifth is late",
  );
  // Ten seconds later: at most a thousand are missing.
  record.arrived(BEGIN + 16 * SECOND, GRACE, interval(2, 0, BEGIN + 16 * SECOND));
  record.arrived(BEGIN + 27 * SECOND, GRACE, interval(2, 2 ** 40, BEGIN + 27 * SECOND));
  assert.ok(record.totals(BEGIN + 27 * SECOND, GRACE)["30d"].due < 1100);
});
