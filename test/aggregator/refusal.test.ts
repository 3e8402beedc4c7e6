/** Uploads that must not get in: each is refused with its own status and code, counted, logged once, and leaves nothing. */
import assert from "node:assert/strict";
import { chmodSync, writeFileSync } from "node:fs";
import { connect, type Socket } from "node:net";
import { join } from "node:path";
import { setTimeout as sleep } from "node:timers/promises";
import {
  archive,
  config,
  contentDigest,
  filesBelow,
  metric,
  NOON,
  put,
  RUN,
  SECOND,
  start,
  temporaryFolder,
  test,
} from "./support.js";

async function code(answer: Response): Promise<[number, string]> {
  const body = (await answer.json()) as { error: { code: string; message: string; mend: string } };
  assert.equal(typeof body.error.message, "string");
  assert.equal(typeof body.error.mend, "string");
  return [answer.status, body.error.code];
}

/** Sends bytes over a socket of its own, and returns all that comes back until the other side ends. */
function raw(
  url: string,
  text: string,
  andThen: (socket: ReturnType<typeof connect>) => void = () => undefined,
): Promise<string> {
  return new Promise((resolve) => {
    const { hostname, port } = new URL(url);
    let answer = "";
    const socket = connect(Number(port), hostname, () => {
      socket.write(text);
      andThen(socket);
    });
    socket.setEncoding("utf8").on("data", (chunk) => {
      answer += chunk;
    });
    socket.on("error", () => undefined).on("close", () => resolve(answer));
  });
}

const putHead = (length: number, bytes: Uint8Array, more = "") =>
  `PUT /api/v1/intervals/edge-1/${RUN}/0 HTTP/1.1\r\nHost: localhost\r\nContent-Type: application/x-tar\r\n` +
  `Content-Digest: ${contentDigest(bytes)}\r\nContent-Length: ${length}\r\n${more}\r\n`;

test("what is wrong with an upload decides its answer", async () => {
  const server = await start(config({ limits: { max_archive_bytes: "64KiB", max_sensors: 2 } }));
  const good = archive();
  const { url } = server;
  const digestOfOther = { "content-digest": contentDigest(new Uint8Array(3)) };
  assert.deepEqual(await code(await put(url, good, {}, digestOfOther)), [422, "BAD_DIGEST"]);
  assert.deepEqual(await code(await put(url, good, {}, { "content-digest": "md5=:AAAA:" })), [
    400,
    "BAD_REQUEST",
  ]);
  assert.deepEqual(await code(await put(url, good, { sequence: 1 })), [400, "MISMATCH"]);
  assert.deepEqual(await code(await put(url, good, { sensor: "edge-2" })), [400, "MISMATCH"]);
  assert.deepEqual(await code(await put(url, good, { run: "0".repeat(16) })), [400, "MISMATCH"]);
  assert.deepEqual(await code(await put(url, good, { run: "UPPER" })), [400, "BAD_REQUEST"]);
  assert.deepEqual(await code(await put(url, good, { sensor: "..%2f..%2fetc" })), [400, "BAD_REQUEST"]);
  assert.deepEqual(await code(await put(url, good, { sequence: 1.5 })), [400, "BAD_REQUEST"]);
  assert.deepEqual(await code(await put(url, good, {}, { "content-type": "application/zip" })), [
    415,
    "CONTENT_TYPE",
  ]);
  assert.deepEqual(await code(await put(url, archive({ mode: "rollup" }))), [400, "MISMATCH"]);
  assert.deepEqual(await code(await put(url, archive({ byte_order: "little" }))), [400, "MISMATCH"]);
  assert.deepEqual(await code(await put(url, archive({ start: 2n ** 63n, end: 2n ** 63n }))), [
    400,
    "MISMATCH",
  ]);
  assert.deepEqual(await code(await put(url, new Uint8Array(70_000))), [413, "TOO_LARGE"]);
  assert.equal((await put(url, new Uint8Array(2048))).status, 400, "zeros are no archive");
  assert.equal((await put(url, new Uint8Array(0))).status, 400, "nothing is no archive");
  assert.equal((await put(url, good.subarray(0, good.length - 600))).status, 400, "a cut archive");
  const flipped = archive({}, [{ name: "links4.packets.grb", data: new Uint8Array(100) }]);
  flipped[flipped.length - 1500] = 1;
  assert.deepEqual(await code(await put(url, flipped)), [422, "BAD_DIGEST"]);
  const chunked = await raw(url, putHead(0, good).replace(/Content-Length: 0/, "Transfer-Encoding: chunked"));
  assert.match(chunked, /^HTTP\/1.1 411 .*LENGTH_REQUIRED/s);

  assert.equal((await put(url, good)).status, 201);
  assert.deepEqual(await code(await put(url, archive({ start: NOON + 1n }))), [409, "CONFLICT"]);
  assert.deepEqual(await code(await put(url, archive({ start: NOON + 3600n * SECOND }))), [409, "CONFLICT"]);
  assert.equal((await put(url, archive({ sensor: "b" }), { sensor: "b" })).status, 201);
  assert.deepEqual(await code(await put(url, archive({ sensor: "c" }), { sensor: "c" })), [
    403,
    "TOO_MANY_SENSORS",
  ]);

  assert.deepEqual(
    filesBelow(server.config.store.path).filter((path) => path.endsWith(".tmp")),
    [],
  );
  assert.equal(filesBelow(join(server.config.store.path, "raw")).length, 2);
  assert.equal(await metric(url, 'refused_total{cause="mismatch"}'), 6);
  assert.equal(await metric(url, 'refused_total{cause="digest"}'), 2);
  assert.equal(await metric(url, 'refused_total{cause="conflict"}'), 2);
  assert.equal(await metric(url, 'refused_total{cause="too_large"}'), 1);
  const lines = server.lines.all.filter(({ cause }) => cause === "mismatch");
  assert.equal(lines.length, 1, "six refusals of one cause, one line");
  assert.equal(lines[0]!.peer, "127.0.0.1");
  await server.close();
});

test("an upload that is cut leaves nothing, is counted, and can be repeated", async () => {
  const server = await start(config());
  const good = archive();
  await raw(server.url, putHead(good.length, good), (socket) => {
    socket.write(good.subarray(0, 700));
    setTimeout(() => socket.destroy(), 50);
  });
  await sleep(100);
  assert.equal(await metric(server.url, 'refused_total{cause="truncated"}'), 1);
  assert.deepEqual(
    filesBelow(server.config.store.path)
      .map((path) => path.split("/").at(-1))
      .sort(),
    ["ages.json", "lock"],
  );
  assert.equal((await put(server.url, good)).status, 201);
  await server.close();
});

test("slow uploads and slow headers end in time, and others are served meanwhile", async () => {
  const server = await start(config({ limits: { upload_timeout: "600ms", max_uploads: 1 } }));
  const good = archive();
  const drip = (socket: Socket): void => {
    const timer = setInterval(() => socket.write("x"), 50);
    socket.on("close", () => clearInterval(timer));
  };
  const slow = raw(server.url, putHead(good.length, good), drip);
  assert.match(await slow, /^HTTP\/1.1 408 .*TIMEOUT/s);
  assert.equal(await metric(server.url, 'refused_total{cause="timeout"}'), 1);
  const slower = raw(server.url, putHead(good.length, good), drip);
  assert.equal((await put(server.url, good)).status, 201, "limits.max_uploads is 1: the slow one makes room");
  assert.match(await slower, /^HTTP\/1.1 503 .*retry-after: 1.*UNAVAILABLE/s);
  assert.equal(await metric(server.url, 'refused_total{cause="too_many"}'), 1);
  await server.close();
});

test("bytes that are no HTTP get 400 and do no harm", async () => {
  const server = await start(config());
  assert.match(await raw(server.url, "\x16\x03\x01\x02\x00\x01\x00\r\n\r\n"), /^HTTP\/1.1 400 /);
  assert.match(
    await raw(server.url, `GET / HTTP/1.1\r\nX: ${"y".repeat(70_000)}\r\n\r\n`),
    /^HTTP\/1.1 4\d\d /,
  );
  assert.equal((await fetch(`${server.url}/nothing`)).status, 404);
  assert.equal((await fetch(`${server.url}/api/v1/sensors`, { method: "DELETE" })).status, 404);
  await server.close();
});

test("tokens: uploading needs the one, reading either, probes none", async () => {
  const folder = temporaryFolder();
  const file = (name: string, token: string, mode = 0o600): string => {
    const path = join(folder, name);
    writeFileSync(path, `${token}\n`);
    chmodSync(path, mode);
    return path;
  };
  const writer = "w".repeat(32);
  const reader = "r".repeat(32);
  const settings = config({
    token_file: file("token", writer),
    read_token_file: file("read", reader),
  } as never);
  const server = await start(settings);
  const bearer = (token: string) => ({ authorization: `Bearer ${token}` });
  const good = archive();
  assert.deepEqual(await code(await put(server.url, good)), [401, "UNAUTHORIZED"]);
  assert.deepEqual(await code(await put(server.url, good, {}, bearer("x".repeat(32)))), [
    401,
    "UNAUTHORIZED",
  ]);
  assert.deepEqual(await code(await put(server.url, good, {}, bearer(`${writer}x`))), [401, "UNAUTHORIZED"]);
  assert.deepEqual(await code(await put(server.url, good, {}, bearer(reader))), [403, "FORBIDDEN"]);
  assert.equal((await put(server.url, good, {}, bearer(writer))).status, 201);
  const status = async (path: string, token?: string) =>
    (await fetch(server.url + path, token === undefined ? {} : { headers: bearer(token) })).status;
  assert.equal(await status("/api/v1/sensors"), 401);
  assert.equal(await status("/metrics"), 401);
  assert.equal(await status("/api/v1/sensors", reader), 200);
  assert.equal(await status("/api/v1/sensors", writer), 200);
  assert.equal(await status("/-/healthy"), 200);
  assert.equal(await status("/-/ready"), 200);
  assert.equal(server.lines.all.filter(({ cause }) => cause === "unauthorized").length, 1);
  assert.ok(!JSON.stringify(server.lines.all).includes("w".repeat(8)), "no token in the log");

  const next = "n".repeat(32);
  file("token", next);
  assert.deepEqual(await server.reload(settings), { restart: [] });
  assert.equal((await put(server.url, good, {}, bearer(writer))).status, 401);
  assert.equal((await put(server.url, good, {}, bearer(next))).status, 200);
  file("token", next, 0o604);
  await assert.rejects(server.reload(settings), { code: "TOKEN_FILE" });
  assert.equal(
    (await put(server.url, good, {}, bearer(next))).status,
    200,
    "a reload that fails changes nothing",
  );
  await server.close();
  await assert.rejects(start(settings), { code: "TOKEN_FILE", exit: 2 });
  file("token", "short");
  await assert.rejects(start(settings), { code: "TOKEN_FILE" });
});

test("only loopback is served without TLS and a token", async () => {
  for (const address of ["0.0.0.0", "::", "192.0.2.1", "example.org"]) {
    await assert.rejects(start(config({ listen: { address } })), { code: "INSECURE_LISTEN", exit: 2 });
  }
  await assert.rejects(start(config({ listen: { tls_cert: "x" } })), { code: "TLS_FILES", exit: 2 });
  const server = await start(config({ listen: { address: "localhost" } }));
  assert.equal((await fetch(`${server.url}/-/healthy`)).status, 200);
  await server.close();
});
