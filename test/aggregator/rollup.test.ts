import assert from "node:assert/strict";
import { rmSync, utimesSync } from "node:fs";
import { setTimeout as sleep } from "node:timers/promises";
import { config, filesBelow, get, metric, NOON, put, SECOND, type Server, start, test } from "./support.js";
import { type Links, linksOfCsv, random, sortedLinks, trafficArchive } from "./traffic.js";

const at = (seconds: number): string => String(Number(NOON / SECOND) + seconds);

/** Uploads one interval a second of each sensor over [from, to) s after noon, some seconds left out. */
async function fill(
  server: Server,
  seed: number,
  from: number,
  to: number,
  perSecond: Map<number, Links>,
  step = 1,
): Promise<void> {
  const next = random(seed);
  for (let second = from; second < to; second += step) {
    for (const sensor of ["edge-1", "edge-2"]) {
      const links: Links = perSecond.get(second) ?? new Map();
      perSecond.set(second, links);
      const identity = { sensor, sequence: second };
      const overrides = { ...identity, start: NOON + BigInt(second) * SECOND };
      const bytes = trafficArchive(overrides, Math.floor(next() * 20), next, links);
      assert.equal((await put(server.url, bytes, identity)).status, 201);
    }
  }
}

function union(perSecond: Map<number, Links>, from: number, to: number): Links {
  const all: Links = new Map();
  for (const [second, links] of perSecond) {
    if (second < from || second >= to) continue;
    for (const [key, { packets, bytes }] of links) {
      const known = all.get(key) ?? { packets: 0, bytes: 0 };
      all.set(key, { packets: known.packets + packets, bytes: known.bytes + bytes });
    }
  }
  return all;
}

async function matrix(server: Server, from: number, to: number, more = ""): Promise<Links> {
  const answer = await fetch(`${server.url}/api/v1/matrix?from=${at(from)}&to=${at(to)}${more}`);
  const text = await answer.text();
  assert.equal(answer.status, 200, text);
  return linksOfCsv(text);
}

async function levels(server: Server): Promise<Record<string, number>> {
  const { body } = await get(server.url, "/api/v1/status");
  return Object.fromEntries(
    Object.entries(body.store.levels as Record<string, { files: number }>).map(([level, { files }]) => [
      level,
      files,
    ]),
  );
}

/** Waits until the store has these numbers of files. */
async function reach(server: Server, wanted: Record<string, number>, what: string): Promise<void> {
  let seen: Record<string, number> = {};
  for (let tries = 0; tries < 150; tries++) {
    seen = await levels(server);
    if (Object.entries(wanted).every(([level, files]) => seen[level] === files)) return;
    await sleep(100);
  }
  assert.deepEqual(seen, { ...seen, ...wanted }, what);
}

const QUICK = { rollup: { grace: "0" }, store: {} };

test("a sum over any range equals the union of what was uploaded, with roll-ups, after a late arrival, after expiry", async () => {
  const settings = config(QUICK);
  const perSecond = new Map<number, Links>();
  let server = await start(settings);
  await fill(server, 1, 0, 150, perSecond);
  await fill(server, 2, 3600, 3720, perSecond, 20);
  assert.deepEqual(sortedLinks(await matrix(server, 0, 3720)), sortedLinks(union(perSecond, 0, 3720)));
  await reach(
    server,
    { "1m": 5, "1h": 2, "1d": 1 },
    "three minutes, two more, their hours and the day are rolled up",
  );
  for (const [from, to] of [
    [0, 3720],
    [0, 60],
    [7, 133],
    [59, 61],
    [100, 3650],
    [-86400, 86400],
  ] as const) {
    assert.deepEqual(
      sortedLinks(await matrix(server, from, to)),
      sortedLinks(union(perSecond, from, to)),
      `${from}..${to}`,
    );
  }

  const lateBefore = await metric(server.url, "late_intervals_total");
  // Late: seconds of a new sensor's run land in minutes, an hour and a day that are rolled up.
  const next = random(3);
  for (const second of [10, 70, 200, 3605]) {
    const links = perSecond.get(second) ?? new Map();
    perSecond.set(second, links);
    const identity = { sensor: "late", sequence: second };
    const bytes = trafficArchive({ ...identity, start: NOON + BigInt(second) * SECOND }, 30, next, links);
    assert.equal((await put(server.url, bytes, identity)).status, 201);
    assert.deepEqual(
      sortedLinks(await matrix(server, 0, 3720)),
      sortedLinks(union(perSecond, 0, 3720)),
      "late data counts at once",
    );
  }
  assert.equal((await metric(server.url, "late_intervals_total")) - lateBefore, 3);
  await reach(server, { "1m": 6, "1h": 2, "1d": 1 }, "second 200 opens a minute of its own");
  assert.deepEqual(sortedLinks(await matrix(server, -86400, 86400)), sortedLinks(union(perSecond, 0, 3720)));
  const sensorSum = await matrix(server, 0, 3720, "&sensor=late");
  assert.equal(
    [...sensorSum.values()].reduce((sum, { packets }) => sum + packets, 0) > 0,
    true,
    "one sensor's part is found in the raw archives",
  );
  await server.close();

  // Raw archives expire: the sums stay, and so does the memory of what has been counted.
  for (const file of filesBelow(`${settings.store.path}/raw`)) utimesSync(file, 1, 1);
  server = await start(settings);
  await reach(server, { raw: 0, "1m": 6, "1h": 2, "1d": 1 }, "all raw archives have expired");
  assert.deepEqual(sortedLinks(await matrix(server, 0, 3720)), sortedLinks(union(perSecond, 0, 3720)));
  assert.deepEqual(sortedLinks(await matrix(server, 60, 120)), sortedLinks(union(perSecond, 60, 120)));
  const fine = await get(server.url, `/api/v1/matrix?from=${at(7)}&to=${at(50)}`);
  assert.deepEqual([fine.status, fine.body.error.code], [416, "TOO_FINE"]);
  const replayed = trafficArchive(
    { sensor: "edge-1", sequence: 5, start: NOON + 5n * SECOND },
    3,
    next,
    new Map(),
  );
  assert.equal(
    (await put(server.url, replayed, { sequence: 5 })).status,
    200,
    "a replay of what expired is a duplicate",
  );

  // Minutes expire, and a late second arrives after that: it goes into the hour and the day.
  await server.close();
  for (const file of filesBelow(`${settings.store.path}/rollup/1m`)) utimesSync(file, 1, 1);
  server = await start(settings);
  await reach(server, { raw: 0, "1m": 0, "1h": 2, "1d": 1 }, "the minutes have expired");
  const links = perSecond.get(30) ?? new Map();
  const bytes = trafficArchive(
    { sensor: "later", sequence: 30, start: NOON + 30n * SECOND },
    30,
    next,
    links,
  );
  assert.equal((await put(server.url, bytes, { sensor: "later", sequence: 30 })).status, 201);
  assert.deepEqual(sortedLinks(await matrix(server, 0, 3600)), sortedLinks(union(perSecond, 0, 3600)));
  await sleep(2500);
  assert.deepEqual(await levels(server), { raw: 1, "1m": 0, "1h": 2, "1d": 1 });
  assert.deepEqual(sortedLinks(await matrix(server, 0, 3600)), sortedLinks(union(perSecond, 0, 3600)));
  assert.deepEqual(sortedLinks(await matrix(server, -43200, 43200)), sortedLinks(union(perSecond, 0, 3720)));
  assert.equal(
    server.lines.all.filter(({ level }) => Number(level) >= 50).length,
    0,
    "nothing went wrong on the way",
  );
  await server.close();
});

test("roll-ups that were deleted are written again from what is finer", async () => {
  const settings = config(QUICK);
  const perSecond = new Map<number, Links>();
  let server = await start(settings);
  await fill(server, 7, 0, 180, perSecond, 15);
  await reach(server, { "1m": 3, "1h": 1, "1d": 1 }, "rolled up");
  await server.close();
  rmSync(`${settings.store.path}/rollup`, { recursive: true });
  server = await start(settings);
  await reach(server, { "1m": 3, "1h": 1, "1d": 1 }, "rolled up again");
  assert.deepEqual(sortedLinks(await matrix(server, 0, 3600)), sortedLinks(union(perSecond, 0, 180)));
  await server.close();
});
