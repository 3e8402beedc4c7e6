/** The check of uploads as sensors see it: what is refused and how, what is acknowledged, and what waits for whom. */
import assert from "node:assert/strict";
import { readdirSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { IntakeWorker } from "../../daemon/aggregator/intake-worker.js";
import { NEW_RUNS, RunGate } from "../../daemon/aggregator/run-gate.js";
import type { Manifest } from "../../lib/manifest.js";
import { bytesOf, diceOf, draftOf, soundArchive } from "./hostile.js";
import { campaign } from "./hostile-campaign.js";
import {
  afterTest,
  config,
  get,
  metric,
  NOON,
  put,
  RUN,
  SECOND,
  start,
  temporaryFolder,
  test,
} from "./support.js";
import { oneLinkArchive, random, trafficArchive } from "./traffic.js";

const VICTIM = "000000000000beef";
const DAY = "from=2026-01-31T00:00:00Z&to=2026-02-01T00:00:00Z";
const seed = Number(process.env.SPARSEWIRE_FUZZ_SEED ?? Date.now() % 1e9);
const code = async (answer: Response): Promise<unknown[]> => [
  answer.status,
  ((await answer.json()) as { error?: { code: string } }).error?.code,
];

test("parts of somebody else are refused, and book nothing", async () => {
  const server = await start(config());
  const draft = draftOf(oneLinkArchive({}, 3, 300));
  draft.manifest.parts = [{ sensor: "victim", run: VICTIM, ranges: [[0, 1_000_000]] }];
  assert.deepEqual(await code(await put(server.url, bytesOf(draft))), [400, "MISMATCH"]);
  const real = oneLinkArchive({ sensor: "victim", run: VICTIM, sequence: 4 }, 5, 500);
  const answer = await put(server.url, real, { sensor: "victim", run: VICTIM, sequence: 4 });
  assert.equal(answer.status, 201, "it is no duplicate");
  const { body } = await get(server.url, `/api/v1/top?${DAY}`);
  assert.deepEqual([body.intervals, body.packets], [1, 5]);
  assert.equal(await metric(server.url, 'refused_total{cause="mismatch"}'), 1);
  await server.close();
});

test("an archive of more links than limits.archive_links_max is refused before it is decoded, and says which key", async () => {
  const server = await start(config({ limits: { archive_links_max: 1024 } }));
  const many = trafficArchive({}, 40_000, random(1), new Map());
  const answer = await put(server.url, many);
  const { error } = (await answer.json()) as { error: { code: string; mend: string } };
  assert.deepEqual([answer.status, error.code], [413, "TOO_MANY_LINKS"]);
  assert.match(error.mend, /limits\.archive_links_max/);
  assert.equal(await metric(server.url, 'refused_total{cause="too_large"}'), 1);
  await server.close();
});

test("a sequence that no run comes to is refused before its body", async () => {
  const server = await start(config());
  for (const sequence of [2 ** 53 - 1, 2 ** 32 + 2]) {
    const bytes = oneLinkArchive({ sequence }, 1, 60);
    assert.deepEqual(await code(await put(server.url, bytes, { sequence })), [400, "MISMATCH"]);
  }
  const sequence = 2 ** 31;
  assert.equal((await put(server.url, oneLinkArchive({ sequence }, 1, 60), { sequence })).status, 201);
  await server.close();
});

test("a manifest of 12 MB is refused without being parsed", async () => {
  const server = await start(config());
  const draft = draftOf(oneLinkArchive({}, 3, 300));
  draft.manifest.padding = Array.from({ length: 1_500_000 }, () => 1234567);
  const answer = await put(server.url, bytesOf(draft));
  assert.deepEqual(await code(answer), [400, "BAD_ARCHIVE"]);
  assert.deepEqual(readdirSync(join(server.config.store.path, "tmp")), []);
  await server.close();
});

test("new runs of a sensor are bounded in a day, those of others go on", async () => {
  let now = 0;
  const gate = new RunGate(() => now);
  for (let run = 0; run < NEW_RUNS.sensor; run++) {
    gate.check("a");
    gate.began("a");
  }
  assert.throws(() => gate.check("a"), { status: 503, reason: "too_many" });
  gate.check("b");
  for (let run = NEW_RUNS.sensor; run < NEW_RUNS.all; run++) gate.began(`s-${run}`);
  assert.throws(() => gate.check("b"), { status: 503 });
  now = 86_400_000;
  gate.check("a");
});

test("sensors take turns: whoever sends many archives waits for their own", async () => {
  const folder = temporaryFolder();
  const worker = new IntakeWorker({ memoryBytes: 64 << 20 }, assert.fail);
  afterTest(() => worker.close());
  const ended: string[] = [];
  const check = async (sensor: string, sequence: number): Promise<Manifest> => {
    const bytes = oneLinkArchive({ sensor, sequence }, 1, 60);
    const path = join(folder, `${sensor}-${sequence}`);
    writeFileSync(path, bytes);
    const identity = { sensor, run: RUN, sequence };
    const manifest = await worker.check({ path, length: bytes.length, identity, linksMax: 1024 });
    ended.push(sensor);
    return manifest;
  };
  const greedy = Array.from({ length: 10 }, (_, sequence) => check("greedy", sequence));
  const modest = await check("modest", 0);
  assert.equal(modest.sensor, "modest");
  assert.ok(ended.length <= 3, `${ended.length} ended before it`);
  await Promise.all(greedy);
});

test("a file that cannot be read is no proof against the archive", async () => {
  const worker = new IntakeWorker({ memoryBytes: 64 << 20 }, assert.fail);
  afterTest(() => worker.close());
  const identity = { sensor: "a", run: RUN, sequence: 0 };
  await assert.rejects(worker.check({ path: "/nonexistent", length: 10, identity, linksMax: 1024 }), {
    code: "ENOENT",
  });
  await worker.close();
  await assert.rejects(worker.check({ path: "/", length: 10, identity, linksMax: 1024 }), { status: 503 });
});

test("hostile archives beside honest sensors: honest sums are exact, nothing fails", async (t) => {
  const result = await campaign(150, seed);
  t.diagnostic(`seed ${seed}: ${JSON.stringify(result)}`);
  assert.equal(result.quarantined, 0);
});

test("sound archives of every kind are acknowledged", async () => {
  const server = await start(config());
  const dice = diceOf(random(seed));
  for (let sequence = 0; sequence < 30; sequence++) {
    const bytes = soundArchive({ sequence, start: NOON + BigInt(sequence) * SECOND }, dice);
    const answer = await put(server.url, bytes, { sequence });
    assert.equal(answer.status, 201, `seed ${seed}: ${await answer.text()}`);
  }
  const { status, body } = await get(server.url, `/api/v1/top?${DAY}&family=6`);
  assert.deepEqual([status, body.intervals], [200, 30]);
  await server.close();
});
