/** Intervals of different sampling rates, added up, shown, anonymised and stored: estimates are right wherever they appear. */
import assert from "node:assert/strict";
import { mkdirSync, readFileSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { test as nodeTest, type TestContext } from "node:test";
import { loadSync } from "graphblas-wasm";
import { decodeArchive } from "../../lib/archive.js";
import type { ManifestHead } from "../../lib/manifest.js";
import { DROP_CAUSES } from "../../lib/reasons.js";
import { CLUSTER, type Shed } from "../../lib/sampling.js";
import { trafficOf } from "../../lib/traffic.js";
import { config, get, NOON, put, RUN, SECOND, start, test } from "../aggregator/support.js";
import { sparsewire, temporaryFolder } from "../cli/command.js";
import { archiveOf, type Row } from "../cli/traffic.js";

const grb = loadSync();

/** What was counted at each rate. 10.0.0.1 > 11.0.0.1 is in all of them. */
const INTERVALS: { rate: number; rows: Row[] }[] = [
  {
    rate: 1,
    rows: [
      ["10.0.0.1", "11.0.0.1", 1000, 60_000],
      ["10.0.0.2", "11.0.0.1", 7, 700],
      ["2001:db8::1", "2001:db8::2", 5, 500],
    ],
  },
  {
    rate: 1 / 4,
    rows: [
      ["10.0.0.1", "11.0.0.1", 400, 24_000],
      ["12.0.0.9", "11.0.0.1", 90, 9000],
    ],
  },
  {
    rate: 1 / 16,
    rows: [
      ["10.0.0.1", "11.0.0.1", 100, 6000],
      ["2001:db8::1", "2001:db8::2", 20, 2000],
    ],
  },
];
const SHED = 5000;

function headOf(at: number): Partial<ManifestHead> {
  const { rate } = INTERVALS[at]!;
  const start = NOON + BigInt(at) * SECOND;
  const drops = Object.fromEntries(DROP_CAUSES.map((cause) => [cause, 0])) as ManifestHead["drops"];
  const times = { sensor: "edge-1", run: RUN, sequence: at, start, end: start + SECOND };
  if (rate === 1) return { ...times, drops: { ...drops, rx_dropped: 3 } };
  const both: [number, number] = [SHED, SHED * 60];
  const shed: Shed = {
    packets: SHED,
    bytes: SHED * 60,
    protocols: { ipv4_udp: [SHED - 500, (SHED - 500) * 60], ipv6_udp: [500, 30_000] },
    sources4: { "10.0.0.0/8": both },
    destinations4: { "11.0.0.0/8": both },
    rate_min: rate,
    rate_max: rate,
    cluster: CLUSTER,
    frame_max: 60,
    unseen: 0,
  };
  return { ...times, sampling: rate, drops: { ...drops, shed: SHED }, shed };
}

const archiveAt = (at: number): Uint8Array<ArrayBuffer> => archiveOf(grb, INTERVALS[at]!.rows, headOf(at));

/** "src,dst" -> [packets, bytes, packets_estimate, bytes_estimate] by hand. */
function expected(family: 4 | 6): Map<string, number[]> {
  const links = new Map<string, number[]>();
  for (const { rate, rows } of INTERVALS) {
    for (const [src, dst, packets, bytes] of rows) {
      if (src.includes(":") !== (family === 6)) continue;
      const known = links.get(`${src},${dst}`) ?? [0, 0, 0, 0];
      const more = [packets, bytes, packets / rate, bytes / rate];
      links.set(
        `${src},${dst}`,
        known.map((value, i) => value + more[i]!),
      );
    }
  }
  return links;
}

function folderOf(t: TestContext): string {
  const folder = join(temporaryFolder(t), "archives");
  mkdirSync(folder);
  for (const at of INTERVALS.keys()) writeFileSync(join(folder, `${at}.tar`), archiveAt(at));
  return folder;
}

function run(...args: string[]): string {
  const { code, out, err } = sparsewire(args);
  assert.equal(code, 0, err);
  return out;
}

function checkCsv(csv: string, family: 4 | 6): void {
  const [header, ...lines] = csv.trimEnd().split("\n");
  assert.equal(header, "src,dst,packets,bytes,packets_estimate,bytes_estimate,packets_error");
  const found = new Map(
    lines
      .map((line) => line.split(","))
      .map(([src, dst, ...values]) => [`${src},${dst}`, values.map(Number)]),
  );
  const wanted = expected(family);
  assert.equal(found.size, wanted.size);
  for (const [name, values] of wanted) {
    const [packets, bytes, packetsEstimate, bytesEstimate, error] = found.get(name)!;
    assert.deepEqual([packets, bytes, packetsEstimate, bytesEstimate], values, name);
    assert.ok(error! >= 0 && error! < 3 * values[2]! + 2000, `${name}: ${error}`);
  }
}

nodeTest("an archive of a sampled interval has its estimates as matrices, and its rate", () => {
  const { manifest, members } = decodeArchive(archiveAt(1));
  assert.equal(manifest.sampling, 0.25);
  assert.equal(manifest.shed?.rate_min, 0.25);
  const names = members.map(({ name }) => name);
  assert.ok(names.includes("links4.estimate.packets.grb") && names.includes("links4.estimate.bytes.grb"));
  assert.ok(!names.includes("links6.estimate.packets.grb"), "there was no IPv6");
  const traffic = trafficOf(grb, decodeArchive(archiveAt(1)));
  assert.equal(Number(traffic.v4!.packets.reduce("plus")), 490);
  assert.equal(Number(traffic.v4!.estimate!.packets.reduce("plus")), 4 * 490);
  traffic.dispose();
  assert.ok(!decodeArchive(archiveAt(0)).members.some(({ name }) => name.includes("estimate")));
});

nodeTest(
  "export --estimate of the parts and of their sum; every text format; other formats carry estimates",
  (t) => {
    const folder = folderOf(t);
    const sum = join(folder, "..", "sum.tar");
    run("matrix", "sum", folder, "-o", sum);
    const parts = run("matrix", "export", folder, "--estimate");
    checkCsv(parts, 4);
    assert.equal(run("matrix", "export", sum, "--estimate", "--format", "tsv").replaceAll("\t", ","), parts);
    checkCsv(run("matrix", "export", sum, "--estimate", "--family", "6"), 6);
    const json = JSON.parse(run("matrix", "export", sum, "--estimate", "--format", "json")) as Record<
      string,
      unknown
    >[];
    assert.equal(json[0]!.packets_estimate, 1000 + 1600 + 1600);
    const mtx = run("matrix", "export", sum, "--estimate", "--format", "mtx");
    assert.ok(mtx.includes(` ${1000 + 1600 + 1600}\n`), mtx);
    const d4m = run("matrix", "export", sum, "--estimate", "--format", "d4m");
    assert.ok(d4m.startsWith("10.0.0.1\t11.0.0.1\t4200\n"), d4m);
    const plain = sparsewire(["matrix", "export", sum]);
    assert.ok(plain.out.startsWith("src,dst,packets,bytes\n10.0.0.1,11.0.0.1,1500,90000\n"));
    assert.match(plain.err, /was sampled.*--estimate/);
    for (const args of [
      ["quantities", sum],
      ["diff", sum, sum],
      ["plot", sum],
    ]) {
      const { code, err } = sparsewire(["matrix", ...args]);
      assert.equal(code, 0, err);
      assert.match(err, /was sampled.*what was counted|was sampled: what was counted/);
    }
  },
);

nodeTest("top orders by estimates and says so; what was counted whole has no estimate columns", (t) => {
  const folder = folderOf(t);
  const [top] = JSON.parse(run("matrix", "top", folder, "--json")) as {
    links: Record<string, never>[];
    sources: Record<string, never>[];
  }[];
  const [first, second] = top!.links as unknown as {
    src: string;
    packets: number;
    estimated: Record<string, number>;
  }[];
  assert.equal(first!.src, "10.0.0.1");
  assert.equal(first!.packets, 1500);
  assert.equal(first!.estimated.packets, 4200);
  const { packets_low, packets_high } = first!.estimated;
  assert.ok(packets_low! >= 1500 && packets_low! <= 4200 && packets_high! >= 4200 && packets_high! < 9000);
  // 12/8 has shed nothing: what was counted is all there can have been, but for 3 lost packets.
  assert.equal(second!.src, "12.0.0.9");
  assert.equal(second!.estimated.packets_high, 90 + 3);
  const text = run("matrix", "top", folder);
  assert.match(text, /^sampled: 1,622 of 11,625 frames counted, 10,000 shed on purpose/);
  assert.match(text, /packets est\. +between/);
  const whole = run("matrix", "top", join(folder, "0.tar"));
  assert.ok(!whole.includes("est."), whole);
});

nodeTest("anonymised, estimates and /8s go along; back again nothing has changed", (t) => {
  const folder = folderOf(t);
  const key = join(folder, "..", "key");
  writeFileSync(key, `${"5a".repeat(32)}\n`, { mode: 0o600 });
  const hidden = join(folder, "..", "hidden");
  const clear = join(folder, "..", "clear");
  run("anonymize", folder, "-o", hidden, "--key", key);
  const { manifest } = decodeArchive(readFileSync(join(hidden, "1.tar")));
  assert.equal(Object.keys(manifest.shed!.sources4).length, 1);
  assert.notDeepEqual(manifest.shed!.sources4, headOf(1).shed!.sources4, "the /8 is not told");
  const estimates = (path: string): string[] =>
    run("matrix", "export", path, "--estimate")
      .split("\n")
      .slice(1)
      .map((line) => line.split(",").slice(2).join(","))
      .sort();
  assert.deepEqual(estimates(hidden), estimates(folder), "bounds, too: the /8s fit the addresses still");
  run("deanonymize", hidden, "-o", clear, "--key", key);
  assert.equal(run("matrix", "export", clear, "--estimate"), run("matrix", "export", folder, "--estimate"));
});

test("the aggregator sums them, rolls them up, and says what was sampled", async () => {
  const server = await start(config());
  for (const at of INTERVALS.keys()) {
    const answer = await put(server.url, archiveAt(at), { sequence: at });
    assert.ok(answer.ok, await answer.text());
  }
  const range = "from=2026-01-31T12:00:00Z&to=2026-01-31T12:01:00Z";
  for (const family of [4, 6] as const) {
    const csv = await (
      await fetch(`${server.url}/api/v1/matrix?${range}&family=${family}&estimate=1`)
    ).text();
    checkCsv(csv, family);
  }
  const { body } = await get(server.url, `/api/v1/top?${range}`);
  assert.ok(body.sampling < 1);
  assert.equal(body.links[0].estimated.packets, 4200);
  const plain = await (await fetch(`${server.url}/api/v1/matrix?${range}`)).text();
  await server.close();
  assert.ok(plain.startsWith("src,dst,packets,bytes\n10.0.0.1,11.0.0.1,1500,90000\n"));
});
