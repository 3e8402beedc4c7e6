import assert from "node:assert/strict";
import {
  mkdirSync,
  readdirSync,
  readFileSync,
  renameSync,
  rmSync,
  truncateSync,
  writeFileSync,
} from "node:fs";
import { basename, dirname, join } from "node:path";
import { setTimeout as sleep } from "node:timers/promises";
import { archive, config, filesBelow, get, metric, NOON, put, RUN, SECOND, start, test } from "./support.js";
import { random, trafficArchive } from "./traffic.js";

test("what is not sound in the store goes to quarantine at the start, and the rest is served", async () => {
  const settings = config({ rollup: { grace: "0" } });
  const { path } = settings.store;
  let server = await start(settings);
  for (let sequence = 0; sequence < 3; sequence++) {
    const bytes = trafficArchive(
      { sequence, start: NOON + BigInt(60 * sequence) * SECOND },
      9,
      random(1),
      new Map(),
    );
    assert.equal((await put(server.url, bytes, { sequence })).status, 201);
  }
  for (let tries = 0; (await metric(server.url, 'store_files{level="1d"}')) < 1; tries++) {
    assert.ok(tries < 100);
    await sleep(50);
  }
  await server.close();
  const raw = filesBelow(join(path, "raw"));
  const folder = dirname(raw[0]!);
  writeFileSync(join(folder, "notes.txt"), "not an archive");
  writeFileSync(join(folder, basename(raw[0]!).replace(RUN, "f".repeat(16))), "");
  const elsewhere = join(path, "raw/2020/01/01/00");
  mkdirSync(elsewhere, { recursive: true });
  renameSync(raw[1]!, join(elsewhere, basename(raw[1]!)));
  writeFileSync(join(path, "tmp/0123456789abcdef.tmp"), "half an archive");
  const [minute] = filesBelow(join(path, "rollup/1m"));
  truncateSync(minute!, 2000);
  writeFileSync(filesBelow(join(path, "rollup/1h"))[0]!, "damaged");

  server = await start(settings);
  assert.equal(await metric(server.url, "quarantined_files"), 5);
  assert.equal(readdirSync(join(path, "quarantine")).length, 5);
  assert.deepEqual(readdirSync(join(path, "tmp")), []);
  assert.equal(server.lines.all.filter(({ why }) => typeof why === "string").length, 5, "each is logged");
  assert.equal((await get(server.url, "/api/v1/intervals")).body.intervals.length, 2);
  const top = await get(server.url, "/api/v1/top?from=2026-01-31T12:00:00Z&to=2026-01-31T13:00:00Z");
  assert.equal(top.body.intervals, 3, "the interval whose raw archive was misplaced is in the roll-up");
  await server.close();
});

test("a store has one aggregator; the lock of a dead one does not hold", async () => {
  const settings = config();
  const first = await start(settings);
  await assert.rejects(start(settings), { code: "STORE_LOCKED" });
  await first.close();
  writeFileSync(join(settings.store.path, "lock"), "4000000 123\n");
  const second = await start(settings);
  await second.close();
  // The lock is gone; the measure of the service and the time of the ages stay.
  const left = filesBelow(settings.store.path).map((file) => basename(file));
  assert.deepEqual(left.sort(), ["ages.json", "dependability.json"]);
  await assert.rejects(start(config({ store: { path: "/dev/null/store" } })), { code: "STORE_UNUSABLE" });
});

test("over its size, a store gives up the oldest raw archives that are rolled up, and knows them still", async () => {
  const settings = config({ store: { max_bytes: "1MiB" }, rollup: { grace: "0" } });
  const server = await start(settings);
  const padding = (sequence: number) =>
    archive({ sequence, start: NOON + BigInt(sequence) * 60n * SECOND }, [
      { name: "quantities.json", data: new Uint8Array(40_000) },
    ]);
  let sequence = 0;
  let refused = 0;
  for (let tries = 0; sequence < 40 && tries < 400; tries++) {
    const { status } = await put(server.url, padding(sequence), { sequence });
    if (status === 201) sequence++;
    else {
      assert.equal(status, 507, "full until the next look of retention");
      refused++;
      await sleep(50);
    }
  }
  assert.equal(sequence, 40, "forty times 40 kB went through a store of 1 MiB");
  assert.ok(refused > 0);
  const { store } = (await get(server.url, "/api/v1/status")).body;
  assert.ok(store.bytes <= 2 ** 20);
  assert.ok((await metric(server.url, 'retention_deleted_total{level="raw",cause="bytes"}')) >= 15);
  const top = await get(server.url, "/api/v1/quantities?from=2026-01-31T12:00:00Z&to=2026-01-31T13:00:00Z");
  assert.equal(top.body.intervals, 40);
  assert.equal(
    (await put(server.url, padding(0), { sequence: 0 })).status,
    200,
    "a duplicate, though its file has gone",
  );
  assert.equal((await get(server.url, `/api/v1/intervals/edge-1/${RUN}/0`)).status, 404);
  await server.close();
});

test("sensors show what is missing, and are known after a restart", async () => {
  const settings = config();
  let server = await start(settings);
  for (const sequence of [3, 4, 7]) {
    const drops = { rx_dropped: 5 } as never;
    const bytes = archive({ sequence, start: NOON + BigInt(sequence) * SECOND, drops });
    assert.equal((await put(server.url, bytes, { sequence })).status, 201);
  }
  const look = async () => (await get(server.url, "/api/v1/sensors")).body.sensors[0];
  const before = await look();
  assert.deepEqual(before.runs, [{ run: RUN, first: 3, last: 7, intervals: 3, missing: 2 }]);
  assert.deepEqual(
    [before.last_interval.sequence, before.last_interval.lost, before.since_start.lost],
    [7, 5, 15],
  );
  await server.close();
  server = await start(settings);
  const after = await look();
  assert.deepEqual([after.last_interval, after.runs], [before.last_interval, before.runs]);
  assert.equal(after.since_start.intervals, 0);
  await server.close();
});

test("twenty uploads of one interval at once: one is stored, the others are duplicates", async () => {
  const server = await start(config({ limits: { max_uploads: 64 } }));
  const bytes = archive();
  const answers = await Promise.all(Array.from({ length: 20 }, () => put(server.url, bytes)));
  const statuses = answers.map(({ status }) => status).sort();
  assert.deepEqual(statuses, [...new Array(19).fill(200), 201]);
  assert.equal(filesBelow(join(server.config.store.path, "raw")).length, 1);
  assert.deepEqual(readFileSync(filesBelow(join(server.config.store.path, "raw"))[0]!), Buffer.from(bytes));
  await server.close();
});

test("a folder in store/tmp stops no start, and folders that are deleted under the store are made again", async () => {
  const settings = config({ rollup: { grace: "0" } });
  const { path } = settings.store;
  let server = await start(settings);
  await server.close();
  mkdirSync(join(path, "tmp/mine/deep"), { recursive: true });
  writeFileSync(join(path, "tmp/mine/notes.txt"), "mine");
  server = await start(settings);
  assert.deepEqual(readdirSync(join(path, "tmp")), [], "what lies in tmp is in nobody's way");
  for (const [sequence, folder] of ["tmp", "raw", "rollup", "quarantine"].entries()) {
    for (const name of folder === "rollup" ? ["rollup"] : [folder, "tmp"]) {
      // A roll-up may just be written there.
      rmSync(join(path, name), { recursive: true, force: true, maxRetries: 20, retryDelay: 20 });
    }
    const bytes = trafficArchive(
      { sequence, start: NOON + BigInt(sequence) * SECOND },
      9,
      random(1),
      new Map(),
    );
    const answer = await put(server.url, bytes, { sequence });
    assert.equal(answer.status, 201, `without ${folder}: ${await answer.text()}`);
    for (let tries = 0; (await get(server.url, "/api/v1/status")).body.rollup_pending_minutes > 0; tries++) {
      assert.ok(tries < 100, `roll-ups go on without ${folder}`);
      await sleep(50);
    }
  }
  await server.close();
});
