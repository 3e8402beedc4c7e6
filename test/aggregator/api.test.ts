import assert from "node:assert/strict";
import { readFileSync, writeFileSync } from "node:fs";
import { request } from "node:http";
import { setTimeout as sleep } from "node:timers/promises";
import { fileURLToPath } from "node:url";
import { ipv6Bytes, parseIpv6 } from "../../lib/address.js";
import { decodeArchive, writeDict } from "../../lib/archive.js";
import { IPV6_HASH_KEY_DEFAULT, IPV6_HASH_KEY_ID_DEFAULT, ipv6Index } from "../../lib/ipv6-index.js";
import { DIMENSION4, DIMENSION6, encodeTraffic, makeTraffic, trafficOf } from "../../lib/traffic.js";
import {
  archive,
  config,
  get,
  head,
  metric,
  NOON,
  put,
  SECOND,
  type Server,
  start,
  test,
} from "./support.js";
import { grb, type Links, linksOfCsv, random, sortedLinks, trafficArchive } from "./traffic.js";

const FROM = "from=2026-01-31T12:00:00Z";
const RANGE = `${FROM}&to=2026-01-31T12:01:00Z`;

async function withTraffic(seconds: number, links = 50): Promise<{ server: Server; all: Links }> {
  const server = await start(config());
  const all: Links = new Map();
  const next = random(11);
  for (let sequence = 0; sequence < seconds; sequence++) {
    const bytes = trafficArchive({ sequence, start: NOON + BigInt(sequence) * SECOND }, links, next, all);
    assert.equal((await put(server.url, bytes, { sequence })).status, 201);
  }
  return { server, all };
}

const total = (links: Links, key: "packets" | "bytes"): number =>
  [...links.values()].reduce((sum, link) => sum + link[key], 0);

test("every format of a matrix says the same", async () => {
  const { server, all } = await withTraffic(5);
  const ask = (format: string) => fetch(`${server.url}/api/v1/matrix?${RANGE}&format=${format}`);
  const csv = await ask("csv");
  assert.equal(csv.headers.get("content-type"), "text/csv; charset=utf-8");
  assert.equal(csv.headers.get("sparsewire-intervals"), "5");
  assert.equal(csv.headers.get("sparsewire-packets"), String(total(all, "packets")));
  assert.deepEqual(sortedLinks(linksOfCsv(await csv.text())), sortedLinks(all));
  const tsv = await (await ask("tsv")).text();
  assert.deepEqual(sortedLinks(linksOfCsv(tsv.replaceAll("\t", ","))), sortedLinks(all));
  const json = (await (await ask("json")).json()) as {
    src: string;
    dst: string;
    packets: number;
    bytes: number;
  }[];
  assert.deepEqual(
    sortedLinks(new Map(json.map(({ src, dst, packets, bytes }) => [`${src},${dst}`, { packets, bytes }]))),
    sortedLinks(all),
  );
  const mtx = await (await ask("mtx")).text();
  assert.match(mtx, /^%%MatrixMarket matrix coordinate integer general\n/);
  using blob = grb().deserialize(new Uint8Array(await (await ask("grb")).arrayBuffer()));
  assert.deepEqual([blob.nvals, Number(blob.reduce("plus"))], [all.size, total(all, "packets")]);
  const tar = decodeArchive(new Uint8Array(await (await ask("tar")).arrayBuffer()));
  assert.deepEqual(
    [tar.manifest.mode, tar.manifest.intervals, tar.manifest.packets],
    ["sum", 5, total(all, "packets")],
  );
  const traffic = trafficOf(grb(), tar);
  assert.equal(Number(traffic.v4!.bytes.reduce("plus")), total(all, "bytes"));
  traffic.dispose();
  assert.equal((await get(server.url, `/api/v1/matrix?${RANGE}&format=grb&family=6`)).status, 404);
  assert.equal(
    await (await fetch(`${server.url}/api/v1/matrix?${RANGE}&family=6`)).text(),
    "src,dst,packets,bytes\n",
  );
  await server.close();
});

test("IPv6 links of two sensors are summed under their addresses", async () => {
  const server = await start(config());
  const addresses = ["2001:db8::1", "2001:db8::2", "fe80::9"].map((text) => ipv6Bytes(parseIpv6(text)!));
  const index = addresses.map((address) => ipv6Index(IPV6_HASH_KEY_DEFAULT, address));
  for (const [at, sensor] of ["a", "b"].entries()) {
    const [I, J] = [BigUint64Array.of(index[0]!), BigUint64Array.of(index[1]!)];
    const links =
      at === 0
        ? { I, J }
        : { I: BigUint64Array.of(index[0]!, index[2]!), J: BigUint64Array.of(index[1]!, index[0]!) };
    const known = at === 0 ? [0, 1] : [0, 1, 2];
    const dict = writeDict(
      known
        .map((one) => ({ index: index[one]!, address: addresses[one]! }))
        .sort((a, b) => (a.index < b.index ? -1 : 1)),
    );
    const packets = grb().build("UINT32", DIMENSION6, DIMENSION6, links.I, links.J, 2);
    const bytes = grb().build("UINT64", DIMENSION6, DIMENSION6, links.I, links.J, 200);
    const v6 = { packets, bytes, dict, keyId: IPV6_HASH_KEY_ID_DEFAULT };
    const ipv6 = {
      hash: "siphash-2-4/60",
      key_id: IPV6_HASH_KEY_ID_DEFAULT,
      addresses: known.length,
      collisions: 0,
    };
    const count = 2 * links.I.length;
    const counts = { frames: count, packets: count, bytes: 100 * count, reasons: { ipv6: count } as never };
    const { archive: sealed } = encodeTraffic(
      grb(),
      makeTraffic(undefined, v6),
      head({ sensor, ipv6, ...counts }),
    );
    assert.equal((await put(server.url, sealed, { sensor })).status, 201);
  }
  const csv = await (await fetch(`${server.url}/api/v1/matrix?${RANGE}&family=6`)).text();
  assert.equal(csv, "src,dst,packets,bytes\n2001:db8::1,2001:db8::2,4,400\nfe80::9,2001:db8::1,2,200\n");
  const tar = await (await fetch(`${server.url}/api/v1/matrix?${RANGE}&format=tar`)).arrayBuffer();
  assert.equal(decodeArchive(new Uint8Array(tar)).manifest.ipv6?.addresses, 3);
  await server.close();
});

test("top, quantities and status", async () => {
  const { server, all } = await withTraffic(3);
  const links = [...all].sort(([, a], [, b]) => b.bytes - a.bytes);
  const top = (await get(server.url, `/api/v1/top?${RANGE}&by=bytes&n=3`)).body;
  assert.deepEqual([top.by, top.intervals, top.links.length], ["bytes", 3, 3]);
  assert.equal(top.links[0].bytes, links[0]![1].bytes);
  assert.deepEqual((await get(server.url, `/api/v1/top?${RANGE}&by=bytes&n=3`)).body, top);
  assert.deepEqual(
    (await get(server.url, `/api/v1/top?${RANGE}&by=bytes&n=3`)).body,
    top,
    "from the cache of sums",
  );
  const fan = (await get(server.url, `/api/v1/top?${RANGE}&by=fan-out&n=1`)).body;
  const fans = new Map<string, number>();
  for (const key of all.keys()) fans.set(key.split(",")[0]!, (fans.get(key.split(",")[0]!) ?? 0) + 1);
  assert.equal(fan.sources[0].fan, Math.max(...fans.values()));
  const { quantities } = (await get(server.url, `/api/v1/quantities?${RANGE}&family=4`)).body;
  assert.equal(quantities["links4.packets"].n_packets, total(all, "packets"));
  assert.equal(quantities["links4.packets"].n_links, all.size);
  assert.equal(quantities["links4.packets"].max_fan_out, Math.max(...fans.values()));
  const nothing = (await get(server.url, "/api/v1/top?from=-5m")).body;
  assert.deepEqual([nothing.intervals, nothing.links], [0, []]);
  const status = (await get(server.url, "/api/v1/status")).body;
  assert.deepEqual([status.sensors, status.store.levels.raw.files], [1, 3]);
  await server.close();
});

test("questions that make no sense get an answer that says so", async () => {
  const server = await start(config({ limits: { max_query_archives: 2 } }));
  for (let sequence = 0; sequence < 3; sequence++) {
    const bytes = archive({ sequence, start: NOON + BigInt(sequence) * SECOND });
    assert.equal((await put(server.url, bytes, { sequence })).status, 201);
  }
  const asked: [string, number, string][] = [
    ["matrix?from=yesterday", 400, "BAD_TIME"],
    ["matrix?from=2026-02-30T99:00:00Z", 400, "BAD_TIME"],
    ["matrix?from=now&to=-5m", 416, "BAD_RANGE"],
    ["matrix?form=-5m", 400, "BAD_REQUEST"],
    ["matrix?from=-5m&from=-6m", 400, "BAD_REQUEST"],
    ["matrix?format=xml", 400, "BAD_REQUEST"],
    ["matrix?family=5", 400, "BAD_REQUEST"],
    ["matrix?sensor=a/b", 400, "BAD_REQUEST"],
    ["top?by=name", 400, "BAD_REQUEST"],
    ["top?n=0", 400, "BAD_REQUEST"],
    ["top?n=10000000", 400, "BAD_REQUEST"],
    ["quantities?to=99999999999999", 400, "BAD_TIME"],
    ["intervals?level=2m", 400, "BAD_REQUEST"],
    ["intervals?limit=1001", 400, "BAD_REQUEST"],
    ["intervals?cursor=zzzz", 400, "BAD_REQUEST"],
    ["intervals/edge-1/00000000000000aa/77", 404, "NOT_FOUND"],
    ["nothing", 404, "NOT_FOUND"],
    [`matrix?${RANGE}`, 413, "TOO_MANY_ARCHIVES"],
  ];
  for (const [path, status, code] of asked) {
    const answer = await get(server.url, `/api/v1/${path}`);
    assert.deepEqual([answer.status, answer.body.error?.code], [status, code], path);
  }
  await server.close();
});

test("a sum that does not fit in memory is refused, and the next one is served", async () => {
  const server = await start(config({ limits: { memory_bytes: "16MiB" } }));
  const next = random(5);
  const count = 100_000;
  for (let sequence = 3; sequence < 9; sequence++) {
    const [I, J] = [0, 1].map(() =>
      BigUint64Array.from({ length: count }, () => BigInt(Math.floor(next() * 2 ** 32))),
    ) as [BigUint64Array, BigUint64Array];
    const planes = {
      packets: grb().build("UINT32", DIMENSION4, DIMENSION4, I, J, 1),
      bytes: grb().build("UINT64", DIMENSION4, DIMENSION4, I, J, 64),
    };
    const counts = { frames: count, packets: count, bytes: 64 * count, reasons: { ipv4: count } as never };
    const { archive: large } = encodeTraffic(
      grb(),
      makeTraffic(planes, undefined),
      head({ sequence, ...counts }),
    );
    assert.equal((await put(server.url, large, { sequence })).status, 201);
  }
  const small = trafficArchive({ sequence: 2, start: NOON + 30n * SECOND }, 5, next, new Map());
  assert.equal((await put(server.url, small, { sequence: 2 })).status, 201);
  const refused = await get(server.url, `/api/v1/top?${RANGE}`);
  assert.deepEqual([refused.status, refused.body.error.code], [413, "SUM_TOO_LARGE"]);
  const served = await get(server.url, "/api/v1/top?from=2026-01-31T12:00:20Z&to=2026-01-31T12:00:40Z");
  assert.deepEqual([served.status, served.body.intervals], [200, 1]);
  await server.close();
});

test("a reader that goes away or dawdles keeps nobody else waiting", async () => {
  const { server, all } = await withTraffic(2, 20_000);
  for (let calls = 0; calls < 6; calls++) {
    await new Promise<void>((resolve) => {
      const call = request(`${server.url}/api/v1/matrix?${RANGE}`, (answer) => {
        answer.once("data", () => {
          call.destroy();
          resolve();
        });
        answer.on("error", () => undefined);
      }).end();
      call.on("error", () => resolve());
    });
  }
  await sleep(100);
  assert.equal(await metric(server.url, "queries_in_flight"), 0);
  const csv = await (await fetch(`${server.url}/api/v1/matrix?${RANGE}`)).text();
  assert.deepEqual(sortedLinks(linksOfCsv(csv)), sortedLinks(all));
  await server.close();
});

test("the metrics are those of the golden file", async () => {
  const golden = fileURLToPath(new URL("../../../test/aggregator/metrics.golden.txt", import.meta.url));
  const server = await start(config());
  assert.equal((await put(server.url, archive())).status, 201);
  const text = await (await fetch(`${server.url}/metrics`)).text();
  const series = text
    .split("\n")
    .filter((line) => line !== "")
    .map((line) => (line.startsWith("#") ? line : line.replace(/ \S+$/, "")))
    .map((line) => line.replace(/version="[^"]*"/, 'version="VERSION"'));
  const names = [...new Set(series.filter((line) => !line.includes("_bucket{")))].join("\n");
  if (process.env.SPARSEWIRE_GOLDEN === "write") writeFileSync(golden, `${names}\n`);
  assert.equal(`${names}\n`, readFileSync(golden, "utf8"));
  await server.close();
});
