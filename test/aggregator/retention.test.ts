/** Stores that fill for every cause: what is kept, what goes, in which order, and what is told. */
import assert from "node:assert/strict";
import { readFileSync, rmSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { CATCH_UP, HOLD_MS } from "../../daemon/aggregator/age-clock.js";
import { decodeArchive } from "../../lib/archive.js";
import { expand, Machine, startAt } from "./retention-machine.js";
import { filesBelow, test } from "./support.js";

const MINUTE_MS = 60_000;
const HOUR_MS = 3_600_000;
const DAY_MS = 24 * HOUR_MS;
const YEARS_MS = 20 * 365 * DAY_MS;
const YEARS_SECONDS = YEARS_MS / 1000;

async function machineOf(
  t: { after(end: () => void): void },
  store: Record<string, unknown> = {},
): Promise<Machine> {
  const machine = new Machine(store);
  await machine.open();
  t.after(() => machine.close());
  return machine;
}

/** Turns of one second. */
async function turns(machine: Machine, count: number, ms = 1000): Promise<void> {
  for (let turn = 0; turn < count; turn++) await machine.turn(ms);
}

const said = (machine: Machine, text: string) =>
  machine.lines.all.filter(({ msg }) => String(msg).includes(text));

test("an interval that cannot be summed expires with its age, and is told; its neighbours are summed", async (t) => {
  const machine = await machineOf(t, { keep_raw: "1h" });
  for (const kind of ["sound", "huge", "sound", "odd"] as const)
    await machine.put("a", startAt(machine, -120), kind);
  await turns(machine, 5);
  assert.equal(machine.store.catalog.bytes["1m"] > 0, true, "the others are rolled up");
  await machine.turn(HOUR_MS);
  assert.equal(machine.raw().size, 4, "it is tried before it goes");
  await turns(machine, 30, 10_000);
  assert.deepEqual([machine.raw().size, machine.told], [0, 1]);
  assert.equal(machine.found().size, 3);
  const [line] = said(machine, "deleted unsummed");
  assert.ok(line !== undefined);
  const { level, cause, periods, intervals, packets } = line;
  assert.deepEqual([level, cause, periods, intervals, packets], ["raw", "age", 1, 1, 0]);
  assert.equal(machine.retention.status().deleted_unsummed.last?.intervals, 1);
});

test("a store full of what cannot be summed has room again within two minutes, and keeps its history", async (t) => {
  const machine = await machineOf(t, { max_bytes: "1MiB" });
  await machine.put("honest", startAt(machine, -2 * 86_400));
  await turns(machine, 5);
  assert.equal(machine.store.catalog.files["1d"], 1);
  const fill = async () => {
    while (await machine.put("poison", startAt(machine, -120 - machine.all.size * 60), "huge", 20_000));
  };
  await fill();
  for (let round = 0; round < 3; round++) {
    await machine.untilRoom(130);
    assert.ok(await machine.put("honest", startAt(machine, -90)), "an honest sensor is taken");
    await fill();
  }
  machine.check();
  assert.ok(machine.told > 3);
  assert.ok(machine.found().has("honest/0"), "the day is there still");
  assert.equal(machine.store.catalog.files["1d"], 1);
});

test("while room is scarce, what can be summed is summed before it goes: nothing is lost", async (t) => {
  const machine = await machineOf(t, { max_bytes: "1MiB" });
  // All of the current minute and hour: none is over, and the store is full long before.
  let taken = 0;
  for (let tries = 0; taken < 50 && tries < 400; tries++) {
    if (await machine.put("a", startAt(machine, 0), "sound", 17_000)) taken++;
    else await machine.turn(100);
  }
  assert.equal(taken, 50);
  assert.ok(
    said(machine, "archives deleted").some(({ cause, level }) => cause === "bytes" && level === "raw"),
  );
  assert.deepEqual([machine.told, machine.found().size], [0, 50]);
});

test("intervals twenty years ahead expire, and are the first to go when there is no room", async (t) => {
  const machine = await machineOf(t, { keep_raw: "1h", keep_1m: "2h", keep_1h: "3h", keep_1d: "4h" });
  for (let n = 0; n < 5; n++) await machine.put("ahead", startAt(machine, YEARS_SECONDS + 60 * n));
  await turns(machine, 16, HOUR_MS);
  // Rolled up by age, one level after the other, and gone in the end.
  assert.deepEqual([machine.store.bytes, machine.told], [0, 0]);

  const full = await machineOf(t, { max_bytes: "1MiB" });
  for (let n = 0; n < 10; n++) await full.put("b", startAt(full, -3600 + 60 * n), "sound", 20_000);
  while (await full.put("ahead", startAt(full, YEARS_SECONDS + 60 * full.all.size), "huge", 20_000));
  await full.untilRoom(130);
  assert.ok(await full.put("b", startAt(full, -60), "sound", 20_000));
  const found = full.found();
  for (let n = 0; n <= 10; n++) assert.ok(found.has(`b/${n}`), `b/${n} is there`);
  assert.ok(full.told > 0);
  full.check();
});

test("sums that do not fit in memory are made in parts, on every level, and stay exact", async (t) => {
  const machine = await machineOf(t, { keep_raw: "1h", keep_1m: "2h", keep_1h: "3h" });
  machine.fits = 7;
  for (let n = 0; n < 60; n++) await machine.put("a", startAt(machine, -3 * 86_400 + (n % 20) * 20));
  await turns(machine, 5);
  const { files } = machine.store.catalog;
  assert.deepEqual([files["1m"] > 7, files["1h"] > 8, files["1d"] > 8], [true, true, true]);
  assert.equal(machine.found().size, 60);
  for (let n = 0; n < 9; n++) await machine.put("late", startAt(machine, -3 * 86_400 + (n % 20) * 20));
  await turns(machine, 5);
  await machine.restart();
  machine.check();
  await turns(machine, 10, HOUR_MS / 2);
  assert.deepEqual(
    [files.raw, machine.store.catalog.files["1m"], machine.store.catalog.files["1h"]],
    [69, 0, 0],
  );
  assert.deepEqual([machine.found().size, machine.told], [69, 0], "days in parts are all that is left");
});

test("a roll-up in parts whose writing was interrupted is made again; one that lost a part keeps the others", async (t) => {
  const machine = await machineOf(t);
  machine.fits = 4;
  for (let n = 0; n < 12; n++) await machine.put("a", startAt(machine, -3 * 86_400 + n));
  await turns(machine, 3);
  const days = () => filesBelow(join(machine.path, "rollup/1d"));
  const partZero = () => days().find((path) => path.includes("-0000000000000000-"))!;
  const before = days().length;
  assert.ok(before > 1);
  rmSync(partZero());
  await machine.restart();
  assert.equal(days().length, 0, "without part 0 the others do not count: what they are made of is there");
  machine.check();
  await turns(machine, 3);
  assert.equal(days().length, before);

  // The finer files have gone, and then a part is lost.
  for (const path of ["raw", "rollup/1m", "rollup/1h"]) {
    for (const file of filesBelow(join(machine.path, path))) rmSync(file);
  }
  const lost = expand(decodeArchive(readFileSync(partZero())).manifest);
  writeFileSync(partZero(), "damaged");
  await machine.restart();
  await turns(machine, 3);
  const found = machine.found();
  assert.equal(found.size, 12 - lost.length);
  assert.ok(lost.every((key) => !found.has(key)));
});

for (const isAlike of [true, false]) {
  const rest = isAlike ? "nothing is lost" : "what had to go unsummed is told";
  test(`a disk that is too small for max_bytes: room is made, and ${rest}`, async (t) => {
    const machine = await machineOf(t);
    machine.isAlike = isAlike;
    machine.disk = 1_000_000;
    let taken = 0;
    let waited = 0;
    let waitedMost = 0;
    while (taken < 60) {
      if (await machine.put("a", startAt(machine, -90), "sound", 40_000)) {
        taken++;
        waited = 0;
      } else {
        await machine.turn(1000);
        waitedMost = Math.max(waitedMost, ++waited);
        assert.ok(waited < 200, `no room after ${waited} s`);
      }
    }
    t.diagnostic(`60 x 40 kB through a disk of 1 MB: longest wait ${waitedMost} s, ${machine.told} told`);
    machine.check();
    assert.ok(machine.store.bytes < machine.disk);
    if (isAlike) assert.equal(machine.told, 0);
  });
}

test("a wall clock that is twenty years ahead for a while deletes nothing, also over a restart", async (t) => {
  const machine = await machineOf(t);
  const put = async () => assert.ok(await machine.put("a", startAt(machine, -DAY_MS / 1000)));
  await put();
  for (let day = 0; day < 40; day++) {
    await put();
    await turns(machine, 3, DAY_MS / 3);
  }
  const sizes = () => ({ ...machine.store.catalog.files });
  const before = sizes();
  for (const wrongBy of [YEARS_MS, -YEARS_MS, 40 * DAY_MS]) {
    machine.wrongBy = wrongBy;
    await turns(machine, 30);
    await machine.restart();
    await turns(machine, 30);
    if (wrongBy > 0) {
      assert.ok(machine.retention.status().clock_held_back_seconds > 86_400);
      assert.ok(said(machine, "the clock is ahead").length > 0, "it is told");
    }
    assert.deepEqual(sizes(), before);
    machine.wrongBy = 0;
    await turns(machine, 3);
    assert.equal(machine.retention.status().clock_held_back_seconds, 0);
    assert.deepEqual(sizes(), before);
  }
  machine.check();
});

test("a step of the clock that stays is followed at a bounded pace", async (t) => {
  const machine = await machineOf(t, { keep_raw: "1d", keep_1m: "2d", keep_1h: "3d", keep_1d: "400d" });
  for (let day = 0; day < 30; day++) {
    await machine.put("a", startAt(machine, -3600));
    await machine.turn(DAY_MS);
  }
  await turns(machine, 3);
  const before = machine.found().size;
  machine.wrongBy = YEARS_MS;
  await turns(machine, HOLD_MS / MINUTE_MS, MINUTE_MS);
  assert.equal(machine.found().size, before, "an hour is not enough to believe it");
  // A day of it: sixty days of age at most.
  const since = machine.now;
  while (machine.now - since < DAY_MS) await machine.turn(10 * MINUTE_MS);
  assert.equal(machine.found().size, before, "days are kept for 400 days");
  while (machine.now - since < (420 / CATCH_UP) * DAY_MS) await machine.turn(30 * MINUTE_MS);
  assert.equal(machine.found().size, 0, "in the end its time is over");
});

test("after a clock that was ahead is set back, roll-ups and retention go on, and nothing is summed twice", async (t) => {
  const machine = await machineOf(t, { keep_raw: "1h" });
  machine.wrongBy = YEARS_MS;
  await machine.restart();
  for (let n = 0; n < 5; n++) await machine.put("a", startAt(machine, -300 + n));
  await turns(machine, 3);
  machine.wrongBy = 0;
  for (let n = 0; n < 5; n++) await machine.put("a", startAt(machine, -300 + n));
  await turns(machine, 70, MINUTE_MS);
  assert.deepEqual([machine.raw().size, machine.found().size, machine.told], [0, 10, 0]);
  machine.check();
});

test("quarantine is of the store's bytes: it expires, and goes first when there is no room", async (t) => {
  const machine = await machineOf(t, { max_bytes: "1MiB", keep_raw: "1h", keep_1m: "1d" });
  for (let n = 0; n < 20; n++) await machine.put("bad", startAt(machine, -90), "damaged", 30_000);
  await machine.put("a", startAt(machine, -90), "sound", 30_000);
  await turns(machine, 30);
  assert.equal(machine.store.quarantined.files, 20);
  while (await machine.put("a", startAt(machine, -90 - machine.all.size), "sound", 30_000));
  await machine.turn();
  assert.ok(machine.store.quarantined.files < 20);
  assert.deepEqual([machine.store.catalog.files.raw > 5, machine.told], [true, 0]);
  await turns(machine, 3, 25 * HOUR_MS);
  assert.equal(machine.store.quarantined.files, 0);
});
