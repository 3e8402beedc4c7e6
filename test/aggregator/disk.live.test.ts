import assert from "node:assert/strict";
import { execFileSync } from "node:child_process";
import { randomBytes } from "node:crypto";
import { appendFileSync, mkdirSync, readdirSync, readFileSync, rmSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { setTimeout as sleep } from "node:timers/promises";
import { decodeArchive } from "../../lib/archive.js";
import {
  afterTest,
  archive,
  config,
  filesBelow,
  get,
  metric,
  NOON,
  put,
  SECOND,
  start,
  temporaryFolder,
  test,
} from "./support.js";

const skip = process.getuid?.() === 0 ? false : "needs root to mount a tmpfs";

/** An archive of about `size` bytes whose sum is small. */
const bulky = (sequence: number, size = 50_000): Uint8Array =>
  archive({ sequence, start: NOON + BigInt(sequence) * SECOND }, [
    { name: "quantities.json", data: randomBytes(size) },
  ]);

/** Takes all the room that is left. */
function fillUp(path: string): void {
  for (const size of [1 << 16, 4096]) {
    try {
      for (;;) appendFileSync(path, Buffer.alloc(size));
    } catch (error) {
      assert.equal((error as NodeJS.ErrnoException).code, "ENOSPC");
    }
  }
}

/** A file system of 3 MB, unmounted after the test. */
function smallDisk(): string {
  const mount = join(temporaryFolder(), "disk");
  mkdirSync(mount);
  execFileSync("mount", ["-t", "tmpfs", "-o", "size=3m", "tmpfs", mount]);
  afterTest(() => execFileSync("umount", [mount]));
  return mount;
}

/** Intervals that are in the sum over the hour. */
const summed = async (url: string): Promise<number> => {
  const from = Number(NOON / SECOND);
  return (await get(url, `/api/v1/quantities?from=${from}&to=${from + 3600}`)).body.intervals;
};

test(
  "a disk that others fill: 507, nothing half-written, what was acknowledged stays; it goes on when there is room",
  async () => {
    const mount = smallDisk();
    writeFileSync(join(mount, "ballast"), Buffer.alloc(1 << 20));
    const store = join(mount, "store");
    const server = await start(config({ store: { path: store }, rollup: { grace: "0" } }));
    afterTest(() => server.close());

    let sequence = 0;
    let last = await put(server.url, bulky(sequence), { sequence });
    while (last.status === 201) last = await put(server.url, bulky(++sequence), { sequence });
    const { error } = (await last.json()) as { error: { code: string } };
    assert.deepEqual([last.status, error.code, last.headers.get("retry-after")], [507, "STORE_FULL", "10"]);
    assert.ok(sequence > 3);
    for (let more = 0; more < 3; more++) {
      fillUp(join(mount, "filler"));
      // Room may have been made in between.
      const { status } = await put(server.url, bulky(sequence), { sequence });
      assert.ok(status === 507 || status === 201);
      if (status === 201) sequence++;
    }
    const lines = server.lines.all.filter(({ cause, reason }) => [cause, reason].includes("disk_full"));
    assert.equal(lines.length, 1, "logged once");
    assert.equal(await summed(server.url), sequence);

    rmSync(join(mount, "ballast"));
    rmSync(join(mount, "filler"));
    for (let tries = 0; (await put(server.url, bulky(sequence), { sequence })).status !== 201; tries++) {
      assert.ok(tries < 100, "uploads go on");
      await sleep(100);
    }
    for (let tries = 0; (await get(server.url, "/api/v1/status")).body.rollup_pending_minutes > 0; tries++) {
      assert.ok(tries < 100, "roll-ups go on");
      await sleep(100);
    }
    const { intervals } = (await get(server.url, "/api/v1/intervals?level=1m")).body;
    assert.equal(intervals[0].intervals, sequence + 1);
    assert.equal((await get(server.url, "/api/v1/status")).body.retention.deleted_unsummed.intervals, 0);
    await server.close();
    for (const file of filesBelow(join(store, "raw"))) decodeArchive(readFileSync(file));
    assert.deepEqual([readdirSync(join(store, "quarantine")), readdirSync(join(store, "tmp"))], [[], []]);
  },
  { skip },
);

test(
  "a disk that is far smaller than max_bytes: room is made as long as it takes, and nothing is lost",
  async (t) => {
    const server = await start(
      config({ store: { path: join(smallDisk(), "store") }, rollup: { grace: "0" } }),
    );
    afterTest(() => server.close());
    const wanted = 100;
    let longest = 0;
    for (let sequence = 0; sequence < wanted; sequence++) {
      const since = performance.now();
      while ((await put(server.url, bulky(sequence), { sequence })).status !== 201) {
        assert.ok(performance.now() - since < 60_000, `no room for ${sequence}`);
        await sleep(50);
      }
      longest = Math.max(longest, performance.now() - since);
    }
    t.diagnostic(`${wanted} x 50 kB through 3 MB; longest wait for room ${Math.round(longest)} ms`);
    assert.equal(await summed(server.url), wanted);
    assert.equal((await get(server.url, "/api/v1/status")).body.retention.deleted_unsummed.intervals, 0);
    assert.ok((await metric(server.url, 'retention_deleted_total{level="raw",cause="disk"}')) > 20);
  },
  { skip },
);
