/** Clocks that are wrong: the sensor's, the aggregator's, and the time that ages go by. */
import assert from "node:assert/strict";
import { writeFileSync } from "node:fs";
import { join } from "node:path";
import fc from "fast-check";
import { AgeClock, CATCH_UP, HOLD_MS, STEP_MS_MAX } from "../../daemon/aggregator/age-clock.js";
import { checkNotInFuture } from "../../daemon/aggregator/future.js";
import { Refusal } from "../../daemon/aggregator/refusal.js";
import { isFinalRefusal } from "../../lib/answer.js";
import { Machine, startAt } from "./retention-machine.js";
import { archive, config, get, metric, put, SECOND, start, test } from "./support.js";

const seed = Number(process.env.SPARSEWIRE_FUZZ_SEED ?? Date.now() % 1e9);
const YEARS_MS = 20 * 365 * 86_400_000;

test("an interval ahead of the aggregator's clock is refused by name, to be sent again; one that is not is taken", async () => {
  const server = await start(config({ limits: { future: "10m" } }));
  const now = BigInt(Math.floor(Date.now() / 1e3)) * SECOND;
  const send = (sequence: number, ahead: bigint) =>
    put(server.url, archive({ sequence, start: now + ahead * SECOND }), { sequence });
  for (const [sequence, ahead] of [630n * 1_000_000n, 660n, 86_400n].entries()) {
    const answer = await send(sequence, ahead);
    const { error } = (await answer.json()) as { error: { code: string; mend: string } };
    assert.deepEqual([answer.status, error.code], [409, "INTERVAL_IN_FUTURE"]);
    assert.match(error.mend, /clock/);
    assert.ok(!isFinalRefusal(error.code, undefined), "a sensor keeps it");
    const after = Number(answer.headers.get("retry-after"));
    assert.ok(after > 0 && after <= 60);
  }
  assert.equal((await send(9, 540n)).status, 201);
  assert.equal(await metric(server.url, 'refused_total{cause="future"}'), 3);
  assert.equal((await get(server.url, "/api/v1/intervals?to=2200-01-01T00:00:00Z")).body.intervals.length, 1);
  await server.close();
});

test("the bound of the future is exact to the millisecond", (t) => {
  t.diagnostic(`seed ${seed}`);
  fc.assert(
    fc.property(fc.nat(2 ** 41), fc.nat(2 ** 41), fc.nat(2 ** 40), (end, now, future) => {
      const check = () => checkNotInFuture(BigInt(end) * 1_000_000n, future, now);
      if (end - now <= future) check();
      else assert.throws(check, (error) => error instanceof Refusal && error.code === "INTERVAL_IN_FUTURE");
    }),
    { seed },
  );
  return Promise.resolve();
});

test("whatever the wall clock does, no age runs faster than allowed, and a clock that is right is followed", (t) => {
  t.diagnostic(`seed ${seed}`);
  const step = fc.record({
    /** ms that pass, and by how much the wall clock is wrong then. */
    passed: fc.oneof(fc.nat(60_000), fc.nat(2 * HOLD_MS)),
    wrongBy: fc.oneof(
      fc.constant(0),
      fc.integer({ min: -YEARS_MS, max: YEARS_MS }),
      fc.integer({ min: -2 * STEP_MS_MAX, max: 2 * STEP_MS_MAX }),
    ),
  });
  fc.assert(
    fc.property(fc.array(step, { maxLength: 60 }), (steps) => {
      let passed = 0;
      let wrongBy = 0;
      const epoch = 1.77e12;
      const clock = new AgeClock({ wall: () => epoch + passed + wrongBy, monotonic: () => passed });
      clock.begin(epoch);
      // What may be believed at most: real time, slow catching up while the clock is ahead, and small steps.
      let slack = 0;
      for (const { passed: more, wrongBy: wrong } of steps) {
        passed += more;
        wrongBy = wrong;
        clock.look();
        slack += (CATCH_UP - 1) * (passed > HOLD_MS ? more : 0) + STEP_MS_MAX;
        assert.ok(clock.now <= epoch + passed + slack, "too fast");
        assert.ok(clock.now <= epoch + passed + wrongBy, "never ahead of the wall clock");
      }
      wrongBy = 0;
      for (let minute = 0; minute < 62; minute++) {
        passed += 60_000;
        clock.look();
      }
      // Behind what was believed for an hour, or in line with it: the clock is right, and taken as such.
      assert.ok(clock.now <= epoch + passed);
      if (clock.heldBack === 0) assert.equal(clock.now, epoch + passed);
    }),
    { seed, numRuns: 300 },
  );
  return Promise.resolve();
});

test("a clock that is twenty years ahead for less than an hour, however often, makes nothing older", () => {
  let passed = 0;
  let wrongBy = 0;
  const clock = new AgeClock({ wall: () => 1.77e12 + passed + wrongBy, monotonic: () => passed });
  for (let round = 0; round < 50; round++) {
    wrongBy = YEARS_MS;
    for (let minute = 0; minute < 59; minute++) {
      passed += 60_000;
      clock.look();
      assert.ok(clock.now <= 1.77e12 + passed);
    }
    wrongBy = 0;
    passed += 60_000;
    clock.look();
    assert.equal(clock.now, 1.77e12 + passed);
  }
  return Promise.resolve();
});

test("an aggregator that started without the time deletes nothing once it has it", async (t) => {
  const machine = new Machine({ keep_raw: "1h" });
  await machine.open();
  t.after(() => machine.close());
  for (let n = 0; n < 5; n++) await machine.put("a", startAt(machine, -n));
  for (let n = 0; n < 3; n++) await machine.turn();
  machine.wrongBy = -machine.now;
  await machine.restart();
  await machine.put("a", startAt(machine, -1));
  for (let n = 0; n < 3; n++) await machine.turn(60_000);
  machine.wrongBy = 0;
  for (let n = 0; n < 3; n++) await machine.turn(60_000);
  assert.equal(machine.raw().size, 6);
  machine.check();
});

test("a damaged file of the ages is told, and the newest archive tells the time", async (t) => {
  const machine = new Machine();
  await machine.open();
  t.after(() => machine.close());
  await machine.put("a", startAt(machine, -10));
  for (const text of ["", "{}", '{"trusted_ms":1e99}\n', `{"trusted_ms":${"9".repeat(40)}}\n`]) {
    writeFileSync(join(machine.path, "ages.json"), text);
    machine.wrongBy = YEARS_MS;
    await machine.restart();
    assert.ok(machine.lines.all.some(({ msg }) => String(msg).startsWith("damaged")));
    assert.ok(machine.retention.status().clock_held_back_seconds > 86_400);
    machine.wrongBy = 0;
  }
});
