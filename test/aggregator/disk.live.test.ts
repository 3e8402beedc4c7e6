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

/** An archive of about `size` bytes that does not compress. */
const bulky = (sequence: number, size = 100_000): Uint8Array =>
  archive({ sequence, start: NOON + BigInt(sequence) * SECOND }, [
    { name: "padding", data: randomBytes(size) },
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

test(
  "a full disk: 507, nothing half-written, what was acknowledged stays; it goes on when there is room",
  async () => {
    const mount = join(temporaryFolder(), "disk");
    mkdirSync(mount);
    execFileSync("mount", ["-t", "tmpfs", "-o", "size=3m", "tmpfs", mount]);
    afterTest(() => execFileSync("umount", [mount]));
    writeFileSync(join(mount, "ballast"), Buffer.alloc(1 << 20));
    const store = join(mount, "store");
    const server = await start(config({ store: { path: store }, rollup: { grace: "0" } }));

    let sequence = 0;
    let last = await put(server.url, bulky(sequence), { sequence });
    while (last.status === 201) last = await put(server.url, bulky(++sequence), { sequence });
    const { error } = (await last.json()) as { error: { code: string } };
    assert.deepEqual([last.status, error.code, last.headers.get("retry-after")], [507, "STORE_FULL", "10"]);
    assert.ok(sequence > 3);
    fillUp(join(mount, "filler"));
    for (let more = 0; more < 3; more++) {
      assert.equal((await put(server.url, bulky(sequence), { sequence })).status, 507);
    }
    assert.equal(await metric(server.url, 'refused_total{cause="disk_full"}'), 4);
    assert.equal(server.lines.all.filter(({ cause }) => cause === "disk_full").length, 1, "logged once");
    assert.deepEqual(readdirSync(join(store, "tmp")), []);
    const ready = await get(server.url, "/-/ready");
    assert.deepEqual([ready.status, ready.body.ready], [503, false]);
    assert.equal((await get(server.url, "/api/v1/intervals")).body.intervals.length, sequence);
    // The disk was full before or while the first minute was rolled up.
    await sleep(2500);
    const { body } = await get(server.url, "/api/v1/status");
    assert.ok(body.rollup_problem !== null || body.store.levels["1m"].files === 1);

    rmSync(join(mount, "ballast"));
    rmSync(join(mount, "filler"));
    assert.equal((await put(server.url, bulky(sequence), { sequence })).status, 201);
    await sleep(1100);
    assert.equal((await get(server.url, "/-/ready")).status, 200);
    for (let tries = 0; (await get(server.url, "/api/v1/status")).body.rollup_pending_minutes > 0; tries++) {
      assert.ok(tries < 100, "roll-ups go on");
      await sleep(100);
    }
    const { intervals } = (await get(server.url, "/api/v1/intervals?level=1m")).body;
    assert.equal(intervals[0].intervals, sequence + 1);
    await server.close();
    for (const file of filesBelow(join(store, "raw"))) decodeArchive(readFileSync(file));
    assert.deepEqual(readdirSync(join(store, "quarantine")), []);
  },
  { skip },
);
