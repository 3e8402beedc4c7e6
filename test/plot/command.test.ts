import assert from "node:assert/strict";
import { existsSync, mkdirSync, readFileSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { test } from "node:test";
import { load } from "graphblas-wasm";
import { archiveName } from "../../lib/archive.js";
import { PCAPS, type Ran, sparsewire, temporaryFolder } from "../cli/command.js";
import { archiveOf, captureOf, type Row } from "../cli/traffic.js";
import { checkSvg, textsOf } from "./support.js";

const plot = (...args: string[]): Ran => sparsewire(["matrix", "plot", ...args]);

test("a capture as each kind of picture, SVG and PNG", (t) => {
  const folder = temporaryFolder(t);
  const capture = join(folder, "a.pcap");
  writeFileSync(
    capture,
    captureOf([
      ["10.0.0.1", "10.0.0.2", 2],
      ["10.0.0.9", "192.0.2.1", 3],
      ["2001:db8::1", "2001:db8::2", 1],
    ]),
  );
  for (const args of [
    ["--kind", "heatmap"],
    ["--axes", "address", "--family", "6"],
    ["--kind", "degree", "--theme", "dark"],
    ["--kind", "timeline", "--title", "Mine & yours"],
  ]) {
    const { code, out, err } = plot(capture, ...args);
    assert.equal(code, 0, err);
    checkSvg(out);
    assert.ok(textsOf(out).includes(args.includes("--title") ? "Mine &amp; yours" : textsOf(out)[0]!));
  }
  const figures = (kind: string) => JSON.parse(plot(capture, "--kind", kind, "--json").out);
  assert.deepEqual(figures("degree").distributions[0].histogram, { values: [2, 3], counts: [1, 1] });
  assert.deepEqual(figures("heatmap").blocks, [1, 0, 0, 1]);
  assert.equal(figures("timeline").points[0].start, "1700000000000000000");
  const png = join(folder, "a.png");
  const drawn = plot(capture, "-o", png);
  if (drawn.code === 5) return t.skip(drawn.err.trim());
  assert.equal(drawn.code, 0, drawn.err);
  const bytes = readFileSync(png);
  assert.equal(bytes.toString("latin1", 1, 4), "PNG");
  assert.equal(bytes.readUInt32BE(16), 1920);
  assert.ok(bytes.length > 10_000);
});

test("timeline of archives: intervals of one time are added up, repeated ones count once", async (t) => {
  const grb = await load();
  const folder = join(temporaryFolder(t), "store");
  mkdirSync(folder);
  const second = 1_000_000_000n;
  const put = (sensor: string, sequence: number, at: bigint, rows: Row[], copy = ""): void => {
    const identity = { sensor, run: "00000000000000aa", sequence, start: at * second };
    const bytes = archiveOf(grb, rows, { ...identity, end: (at + 1n) * second });
    writeFileSync(join(folder, copy === "" ? archiveName(identity) : copy), bytes);
  };
  put("a", 0, 100n, [["10.0.0.1", "10.0.0.2", 5, 300]]);
  put("a", 1, 101n, [["10.0.0.1", "10.0.0.3", 7, 420]]);
  put("b", 0, 100n, [["10.0.0.1", "10.0.0.4", 6, 360]]);
  put("b", 0, 100n, [["10.0.0.1", "10.0.0.4", 6, 360]], "again.tar");
  const { code, out, err } = plot(folder, "--kind", "timeline");
  assert.equal(code, 0, err);
  assert.match(err, /1 archives hold intervals that are in others too/);
  assert.ok(textsOf(out).includes("2 intervals of 1 s, 1970-01-01 00:01:40 to 1970-01-01 00:01:42 UTC"));
  // 11 packets of two sensors in the first second, 7 in the next: the first line starts higher.
  const [, first] = /class="line s0" d="M([^"]*)"/.exec(out)!;
  const heights = [...first!.matchAll(/[\d.]+ ([\d.]+)/g)].map(([, y]) => Number(y));
  assert.equal(heights.length, 4);
  assert.ok(heights[0]! < heights[2]!, first);
});

test("timeline of addresses of two kinds: only by force; a damaged archive is named", async (t) => {
  const grb = await load();
  const folder = temporaryFolder(t);
  const [clear, other, cut] = ["clear.tar", "other.tar", "cut.tar"].map((name) => join(folder, name));
  const rows: Row[] = [["10.0.0.1", "10.0.0.2", 5, 300]];
  const bytes = archiveOf(grb, rows, {
    run: "00000000000000aa",
    anonymization: { scheme: "none", key_id: null },
  });
  const anonymization = { scheme: "cryptopan", key_id: "k" };
  writeFileSync(clear!, bytes);
  writeFileSync(other!, archiveOf(grb, rows, { run: "00000000000000bb", anonymization }));
  writeFileSync(cut!, bytes.subarray(0, bytes.length - 2000));
  const mixed = plot(clear!, other!, "--kind", "timeline");
  assert.equal(mixed.code, 3);
  assert.match(mixed.err, /not of the same kind/);
  const forced = plot(clear!, other!, "--kind", "timeline", "--force");
  assert.equal(forced.code, 0, forced.err);
  assert.ok(textsOf(forced.out)[1]!.startsWith("1 interval of"), textsOf(forced.out)[1]);
  const damaged = plot(cut!, "--kind", "timeline");
  assert.equal(damaged.code, 3);
  assert.match(damaged.err, /cut\.tar: /);
});

test("what cannot be drawn is said in one line", (t) => {
  const folder = temporaryFolder(t);
  const empty = join(folder, "none.pcap");
  writeFileSync(empty, captureOf([]));
  assert.match(plot(empty).out, /no links: the matrix is empty/);
  assert.match(plot(empty, "--kind", "timeline").out, /no interval has a packet/);
  const foreign = join(folder, "foreign.tar");
  const tar = Buffer.alloc(1024);
  tar.write("0.grb");
  tar.write("ustar", 257);
  writeFileSync(foreign, tar);
  for (const [args, code, message] of [
    [[], 2, /nothing to read/],
    [[empty, "-o", join(folder, "a.jpeg")], 2, /not named like a picture; end its name in .svg or .png/],
    [[empty, "--kind", "timeline", "--live"], 2, /--live is one interval/],
    [[empty, "--kind", "pie"], 2, /Allowed choices are heatmap, degree, timeline/],
    [[foreign, "--kind", "timeline"], 3, /./],
    [[join(folder, "missing"), "--kind", "timeline"], 2, /no such file/],
  ] as const) {
    const ran = plot(...args);
    assert.equal(ran.code, code, ran.err);
    assert.match(ran.err, message);
    assert.equal(ran.err.trim().split("\n").length, 1);
  }
});

test("a real capture", (t) => {
  const capture = join(PCAPS, "mercury__capture2.pcap");
  if (!existsSync(capture)) return t.skip(`no captures in ${PCAPS}`);
  for (const kind of ["heatmap", "degree", "timeline"]) {
    const { out, err } = plot(capture, "--kind", kind, "--interval", "1d");
    checkSvg(out);
    assert.ok(out.length > 4000 && out.length < 100_000, `${kind}: ${out.length} bytes ${err}`);
  }
});
