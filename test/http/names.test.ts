/**
 * The aggregator as a page, a scraper and a sensor meet it: by names of its own only, and with tokens under TLS only.
 */
import assert from "node:assert/strict";
import { writeFileSync } from "node:fs";
import { request } from "node:http";
import { connect } from "node:net";
import { join } from "node:path";
import { sensorConfigSchema } from "../../daemon/sensor/config.js";
import { TrafficMatrix } from "../../daemon/service/index.js";
import {
  archive,
  config,
  contentDigest,
  metric,
  RUN,
  start,
  temporaryFolder,
  test,
} from "../aggregator/support.js";
import { sparsewireAsync } from "../cli/command.js";

interface Asked {
  method?: string;
  path?: string;
  headers?: Record<string, string>;
  body?: Uint8Array;
}

/** One request with headers of the test's choice, which fetch() would not send. */
function ask(url: string, { method = "GET", path = "/api/v1/sensors", headers = {}, body }: Asked) {
  return new Promise<{ status: number; code: string }>((resolve, reject) => {
    const sent = request(url + path, { method, headers, agent: false }, (answer) => {
      let text = "";
      answer.setEncoding("utf8").on("data", (piece) => {
        text += piece;
      });
      answer.on("end", () => {
        const { error } = JSON.parse(text) as { error?: { code: string } };
        resolve({ status: answer.statusCode!, code: error?.code ?? "" });
      });
    });
    sent.on("error", reject);
    sent.end(body);
  });
}

/** All that comes back for bytes that are sent as they are. */
const raw = (url: string, text: string): Promise<string> =>
  new Promise((resolve) => {
    let answer = "";
    const socket = connect(Number(new URL(url).port), "127.0.0.1", () => socket.write(text));
    socket.setEncoding("utf8").on("data", (piece) => {
      answer += piece;
      if (answer.includes("}")) socket.destroy();
    });
    socket.on("close", () => resolve(answer));
  });

test("a name that resolves to the aggregator neither reads nor writes, unless it is one of its names", async () => {
  const settings = config({ listen: { names: ["collector.example.org"] } });
  const server = await start(settings);
  const body = archive();
  const upload = {
    method: "PUT",
    path: `/api/v1/intervals/edge-1/${RUN}/0`,
    headers: {
      "content-type": "application/x-tar",
      "content-digest": contentDigest(body),
      "content-length": String(body.length),
    },
    body,
  };
  const as = (host: string, asked: Asked = {}) =>
    ask(server.url, { ...asked, headers: { ...asked.headers, host } });
  for (const path of [
    "/api/v1/sensors",
    "/api/v1/intervals",
    "/api/v1/top?from=0",
    "/metrics",
    "/-/ready",
    "/none",
  ])
    assert.deepEqual(await as("rebound.example:8470", { path }), { status: 421, code: "MISDIRECTED" }, path);
  assert.deepEqual(await as("rebound.example", upload), { status: 421, code: "MISDIRECTED" });
  const foreign = { ...upload, headers: { ...upload.headers, origin: "https://evil.example" } };
  assert.deepEqual(await as("localhost", foreign), { status: 403, code: "FOREIGN_ORIGIN" });
  assert.equal((await as("localhost")).status, 200);
  assert.equal((await as("collector.example.org:80", upload)).status, 201);
  assert.equal(await metric(server.url, 'refused_total{cause="misdirected"}'), 7);
  assert.equal(await metric(server.url, 'refused_total{cause="foreign_origin"}'), 1);
  assert.match(await raw(server.url, "GET /-/healthy HTTP/1.0\r\n\r\n"), /^HTTP\/1.1 200 /);
  assert.match(await raw(server.url, "GET /api/v1/sensors HTTP/1.0\r\n\r\n"), /^HTTP\/1.1 400 .*NO_HOST/s);
  assert.match(
    await raw(server.url, "GET /-/healthy HTTP/1.1\r\nHost: a\r\nHost: localhost\r\n\r\n"),
    /^HTTP\/1.1 400 /,
  );
  await server.reload({ ...settings, listen: { ...settings.listen, names: ["other.example.org"] } });
  assert.equal((await as("collector.example.org")).status, 421, "names are read again at a reload");
  assert.equal((await as("other.example.org")).status, 200);
  await server.close();
});

test("a token for another host over http:// is refused by sensor, check-config, web service and live view", async () => {
  const folder = temporaryFolder();
  const token = join(folder, "token");
  writeFileSync(token, "x".repeat(32), { mode: 0o600 });
  const url = "http://collector.example.org:8470";
  const sensor = { interface: "eth1", aggregator: { url, token_file: token } };
  assert.match(sensorConfigSchema.safeParse(sensor).error!.message, /clear text/);
  for (const fine of ["https://collector.example.org", "http://127.0.0.1:8470", "http://localhost:8470"])
    assert.ok(
      sensorConfigSchema.safeParse({ ...sensor, aggregator: { ...sensor.aggregator, url: fine } }).success,
      fine,
    );
  assert.ok(
    sensorConfigSchema.safeParse({ ...sensor, aggregator: { url } }).success,
    "without a token there is none to lose",
  );
  assert.throws(
    () =>
      new TrafficMatrix({ aggregator: { url, tokenFile: token }, spool: { path: join(folder, "spool") } }),
    { code: "BAD_OPTIONS", message: /clear text/ },
  );
  const file = join(folder, "sensor.toml");
  writeFileSync(file, `interface = "eth1"\n[aggregator]\nurl = "${url}"\ntoken_file = "${token}"\n`);
  const checked = await sparsewireAsync(["check-config", file]);
  assert.deepEqual(
    [checked.code, /sensor\.toml:3:\d+: aggregator\.url: .*clear text.*; use https:/.test(checked.out)],
    [2, true],
  );
  const viewed = await sparsewireAsync(["top", "--aggregator", url, "--token-file", token]);
  assert.deepEqual([viewed.code, /clear text.*; use https:/.test(viewed.err)], [2, true]);
});
