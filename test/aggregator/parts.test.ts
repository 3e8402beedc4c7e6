/** Real matrices that do not fit in limits.memory_bytes together: roll-ups in parts, and what queries say of them. */
import assert from "node:assert/strict";
import { readFileSync } from "node:fs";
import { join } from "node:path";
import { setTimeout as sleep } from "node:timers/promises";
import { decodeArchive } from "../../lib/archive.js";
import { DIMENSION4, encodeTraffic, makeTraffic } from "../../lib/traffic.js";
import { expand } from "./retention-machine.js";
import { config, filesBelow, get, head, NOON, put, SECOND, start, test } from "./support.js";
import { grb } from "./traffic.js";

const LINKS = 60_000;
const INTERVALS = 6;

/** An archive with links that no other has. */
function distinct(sequence: number): Uint8Array {
  const I = new BigUint64Array(LINKS);
  const J = new BigUint64Array(LINKS);
  for (let at = 0; at < LINKS; at++) {
    I[at] = BigInt(0x0a00_0000 + at);
    J[at] = BigInt(0x1000_0000 * (sequence + 1) + ((at * 7919) % LINKS));
  }
  const ones = new Uint32Array(LINKS).fill(1);
  const traffic = makeTraffic(
    {
      packets: grb().build("UINT32", DIMENSION4, DIMENSION4, I, J, ones),
      bytes: grb().build("UINT64", DIMENSION4, DIMENSION4, I, J, new BigUint64Array(LINKS).fill(64n)),
    },
    undefined,
  );
  const counts = { frames: LINKS, packets: LINKS, bytes: 64 * LINKS, reasons: { ipv4: LINKS } as never };
  const from = NOON + BigInt(sequence) * 7n * SECOND;
  const { archive } = encodeTraffic(grb(), traffic, head({ sequence, start: from, ...counts }));
  traffic.dispose();
  return archive;
}

test("sums that are larger than the memory are kept in parts; what they hold is exact, and a query says what fits", async () => {
  const settings = config({ limits: { memory_bytes: "16MiB" }, rollup: { grace: "0" } });
  let server = await start(settings);
  for (let sequence = 0; sequence < INTERVALS; sequence++) {
    assert.equal((await put(server.url, distinct(sequence), { sequence })).status, 201);
  }
  const rolledUp = async (level: string): Promise<number> => {
    const { intervals } = (await get(server.url, `/api/v1/intervals?level=${level}`)).body;
    return intervals.reduce((sum: number, one: { intervals: number }) => sum + one.intervals, 0);
  };
  for (const level of ["1m", "1h", "1d"]) {
    for (let tries = 0; (await rolledUp(level)) < INTERVALS; tries++) {
      assert.ok(tries < 600, `${await rolledUp(level)} intervals in ${level}`);
      await sleep(100);
    }
  }
  await server.close();
  for (const level of ["1m", "1h", "1d"]) {
    const files = filesBelow(join(settings.store.path, "rollup", level));
    assert.ok(files.length > 1 && files.length < INTERVALS, `${level} has ${files.length} parts`);
    const manifests = files.map((file) => decodeArchive(readFileSync(file)).manifest);
    const inside = manifests.flatMap(expand).sort();
    assert.deepEqual(
      inside,
      Array.from({ length: INTERVALS }, (_, at) => `edge-1/${at}`),
    );
    const packets = manifests.reduce((sum, manifest) => sum + manifest.packets, 0);
    assert.equal(packets, INTERVALS * LINKS);
  }
  server = await start(settings);
  const from = Number(NOON / SECOND);
  const all = await get(server.url, `/api/v1/top?from=${from}&to=${from + 3600}&n=1`);
  assert.deepEqual([all.status, all.body.error.code], [413, "SUM_TOO_LARGE"]);
  const one = await get(server.url, `/api/v1/top?from=${from}&to=${from + 7}&n=1`);
  assert.deepEqual([one.status, one.body.packets], [200, LINKS]);
  assert.equal(await rolledUp("1h"), INTERVALS);
  await server.close();
});
