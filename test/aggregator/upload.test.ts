import assert from "node:assert/strict";
import { createHash } from "node:crypto";
import { once } from "node:events";
import { connect } from "node:net";
import { join } from "node:path";
import { setTimeout as sleep } from "node:timers/promises";
import {
  archive,
  config,
  contentDigest,
  filesBelow,
  get,
  NOON,
  put,
  RUN,
  SECOND,
  start,
  test,
} from "./support.js";
import { oneLinkArchive } from "./traffic.js";

const sha256Of = (bytes: Uint8Array): string => createHash("sha256").update(bytes).digest("hex");

test("an uploaded interval is stored, listed, given back, and a duplicate when it comes again", async () => {
  const server = await start(config());
  const bytes = oneLinkArchive({ sequence: 7, frames: 3, reasons: { ipv4: 2, arp: 1 } as never }, 2, 128);
  const first = await put(server.url, bytes, { sequence: 7 });
  const subject = { sensor: "edge-1", run: RUN, sequence: 7, sha256: sha256Of(bytes) };
  const said = { format: "sparsewire-answer/1", ...subject };
  assert.deepEqual([first.status, await first.json()], [201, { ...said, result: "stored", stored: true }]);
  const again = await put(server.url, bytes, { sequence: 7 });
  assert.deepEqual(
    [again.status, await again.json()],
    [200, { ...said, result: "duplicate", duplicate: true }],
  );

  const { intervals, cursor } = (await get(server.url, "/api/v1/intervals")).body;
  assert.equal(cursor, null);
  assert.deepEqual([intervals.length, intervals[0].packets, intervals[0].sequence], [1, 2, 7]);
  const { sensors } = (await get(server.url, "/api/v1/sensors")).body;
  assert.deepEqual(
    [sensors[0].name, sensors[0].intervals, sensors[0].last_interval.bytes],
    ["edge-1", 1, 128],
  );
  const back = await fetch(`${server.url}/api/v1/intervals/edge-1/${RUN}/7`);
  assert.deepEqual(new Uint8Array(await back.arrayBuffer()), bytes);
  await server.close();
  assert.deepEqual(filesBelow(join(server.config.store.path, "raw")).length, 1);
});

test("what was acknowledged is there after a restart", async () => {
  const settings = config();
  const before = await start(settings);
  for (let sequence = 0; sequence < 5; sequence++) {
    const bytes = archive({ sequence, start: NOON + BigInt(sequence) * SECOND });
    assert.equal((await put(before.url, bytes, { sequence })).status, 201);
  }
  await before.close();
  const after = await start(settings);
  const page = (await get(after.url, "/api/v1/intervals?limit=3")).body;
  assert.deepEqual(
    page.intervals.map((one: { sequence: number }) => one.sequence),
    [4, 3, 2],
  );
  const rest = (await get(after.url, `/api/v1/intervals?limit=3&cursor=${page.cursor}`)).body;
  assert.deepEqual(
    rest.intervals.map((one: { sequence: number }) => one.sequence),
    [1, 0],
  );
  assert.equal(
    (await put(after.url, archive({ sequence: 2, start: NOON + 2n * SECOND }), { sequence: 2 })).status,
    200,
  );
  await after.close();
});

test("a close lets an upload in flight finish, and takes no further one", async () => {
  const settings = config();
  const server = await start(settings);
  const bytes = archive();
  const { hostname, port } = new URL(server.url);
  const socket = connect(Number(port), hostname);
  socket.write(
    `PUT /api/v1/intervals/edge-1/${RUN}/0 HTTP/1.1\r\nHost: localhost\r\nContent-Type: application/x-tar\r\n` +
      `Content-Digest: ${contentDigest(bytes)}\r\nContent-Length: ${bytes.length}\r\n\r\n`,
  );
  socket.write(bytes.subarray(0, 1000));
  await sleep(100);
  const closed = server.close();
  await sleep(50);
  await assert.rejects(put(server.url, bytes));
  socket.write(bytes.subarray(1000));
  const [answer] = await once(socket, "data");
  assert.match(String(answer), /^HTTP\/1.1 201 /);
  await closed;
  const again = await start(settings);
  assert.equal((await put(again.url, bytes)).status, 200);
  await again.close();
});
