import assert from "node:assert/strict";
import { existsSync, mkdirSync, readdirSync, readFileSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { test } from "node:test";
import { load } from "graphblas-wasm";
import { decodeArchive } from "../../lib/archive.js";
import { writeTar } from "../../lib/tar.js";
import { PCAPS, sparsewire, temporaryFolder } from "./command.js";
import { archiveOf, captureOf, disposable, type Row, trafficFrom } from "./traffic.js";

const HEADER = "src,dst,packets,bytes\n";

/** The text of a run that must succeed. */
function ok(args: string[]): string {
  const { code, out, err } = sparsewire(args);
  assert.equal(code, 0, `${args.join(" ")}: ${err}`);
  assert.equal(err, "");
  return out;
}

test("every real capture exports the matrix that tshark finds", (t) => {
  if (!existsSync(PCAPS)) return t.skip(`no captures at ${PCAPS} (SPARSEWIRE_PCAPS)`);
  const names = readdirSync(PCAPS).filter((name) => existsSync(join(PCAPS, `${name}.v4.csv`)));
  assert.ok(names.length > 10);
  for (const name of names) {
    const { code, out, err } = sparsewire([
      "matrix",
      "export",
      join(PCAPS, name),
      "--format",
      "csv",
      "--family",
      "4",
    ]);
    const expected = readFileSync(join(PCAPS, `${name}.v4.csv`), "utf8")
      .trim()
      .split("\n");
    assert.ok(out.startsWith(HEADER), `${name}: exit ${code}, ${err}`);
    assert.deepEqual(out.slice(HEADER.length).trim().split("\n").toSorted(), expected.toSorted(), name);
    assert.equal(code === 3, err !== "", name);
    if (code === 3)
      assert.match(
        err,
        /^sparsewire: warning: .* is damaged at byte \d+ \(.*\); what precedes it is counted\n$/,
      );
    else assert.equal(code, 0, name);
  }
});

test("archives, folders of archives and captures add up", async (t) => {
  const folder = temporaryFolder(t);
  const grb = await load();
  mkdirSync(join(folder, "store/2026/01"), { recursive: true });
  const one: Row[] = [
    ["10.0.0.1", "10.0.0.2", 2, 200],
    ["9.9.9.9", "10.0.0.2", 1, 50],
    ["2001:db8::1", "2001:db8::2", 1, 90],
  ];
  const two: Row[] = [
    ["10.0.0.1", "10.0.0.2", 5, 500],
    ["2001:db8::3", "2001:db8::2", 4, 400],
  ];
  writeFileSync(join(folder, "store/2026/01/a.tar"), archiveOf(grb, one, { sequence: 1 }));
  writeFileSync(join(folder, "store/2026/b.tar"), archiveOf(grb, two, { sequence: 2 }));
  writeFileSync(join(folder, "store/2026/b.tar.tmp"), "half an archive");
  writeFileSync(join(folder, "c.pcap"), captureOf([["10.0.0.1", "10.0.0.2", 3]]));
  const store = join(folder, "store");
  assert.equal(ok(["matrix", "export", store]), `${HEADER}9.9.9.9,10.0.0.2,1,50\n10.0.0.1,10.0.0.2,7,700\n`);
  assert.equal(
    ok(["matrix", "export", store, "--family", "6"]),
    `${HEADER}2001:db8::1,2001:db8::2,1,90\n2001:db8::3,2001:db8::2,4,400\n`,
  );
  const length = 14 + 20 + 8 + 10;
  assert.equal(
    ok(["matrix", "export", store, join(folder, "c.pcap")]),
    `${HEADER}9.9.9.9,10.0.0.2,1,50\n10.0.0.1,10.0.0.2,10,${700 + 3 * length}\n`,
  );
});

test("an interval that comes twice counts once; half a roll-up is refused", async (t) => {
  const folder = temporaryFolder(t);
  const grb = await load();
  const path = (name: string) => join(folder, name);
  const rows: Row[] = [["10.0.0.1", "10.0.0.2", 1, 100]];
  for (const sequence of [1, 2, 3])
    writeFileSync(path(`${sequence}.tar`), archiveOf(grb, rows, { sequence }));
  ok(["matrix", "sum", path("1.tar"), path("2.tar"), "-o", path("rollup.tar")]);
  const both = sparsewire([
    "matrix",
    "export",
    path("1.tar"),
    path("2.tar"),
    path("rollup.tar"),
    path("1.tar"),
  ]);
  assert.equal(both.out, `${HEADER}10.0.0.1,10.0.0.2,2,200\n`);
  assert.match(both.err, /warning: 2 archives hold intervals that are in others too: counted once/);
  assert.equal(
    ok(["matrix", "export", path("rollup.tar"), path("3.tar")]),
    `${HEADER}10.0.0.1,10.0.0.2,3,300\n`,
  );
  const partial = sparsewire(["matrix", "export", path("2.tar"), path("rollup.tar")]);
  assert.equal(partial.code, 3);
  assert.match(partial.err, /rollup.tar contains intervals that were already added, and others/);
});

test("sum writes an archive whose manifest says what is in it", async (t) => {
  const folder = temporaryFolder(t);
  const grb = await load();
  const names = Array.from({ length: 300 }, (_, at) => join(folder, `${String(at).padStart(3, "0")}.tar`));
  names.forEach((name, sequence) => {
    writeFileSync(name, archiveOf(grb, [[`10.0.0.${sequence % 7}`, "10.0.0.9", 1, 100]], { sequence }));
  });
  const output = join(folder, "out", "sum.tar");
  mkdirSync(join(folder, "out"));
  const summary = JSON.parse(ok(["matrix", "sum", ...names, "-o", output, "--json"])) as Record<
    string,
    unknown
  >;
  assert.deepEqual([summary.intervals, summary.packets, summary.bytes], [300, 300, 30_000]);
  const { manifest } = decodeArchive(readFileSync(output));
  assert.deepEqual([manifest.mode, manifest.intervals, manifest.packets], ["sum", 300, 300]);
  assert.deepEqual(manifest.parts, [{ sensor: "test-1", run: "0123456789abcdef", ranges: [[0, 299]] }]);
  assert.deepEqual(readdirSync(join(folder, "out")), ["sum.tar"]);
  assert.match(ok(["matrix", "quantities", output]), /n_links +7 /);
});

test("diff: gained, lost and changed links, signed", async (t) => {
  const folder = temporaryFolder(t);
  const grb = await load();
  const [a, b] = [join(folder, "a.tar"), join(folder, "b.tar")];
  writeFileSync(
    a,
    archiveOf(grb, [
      ["1.1.1.1", "2.2.2.2", 5, 500],
      ["3.3.3.3", "2.2.2.2", 1, 9],
      ["4.4.4.4", "4.4.4.5", 1, 1],
      ["2001:db8::1", "::1", 1, 1],
    ]),
  );
  writeFileSync(
    b,
    archiveOf(grb, [
      ["1.1.1.1", "2.2.2.2", 2, 700],
      ["3.3.3.3", "2.2.2.3", 4, 8],
      ["4.4.4.4", "4.4.4.5", 1, 1],
      ["2001:db8::2", "::1", 1, 1],
    ]),
  );
  assert.equal(
    ok(["matrix", "diff", a, b]),
    "change,src,dst,packets,bytes\nchanged,1.1.1.1,2.2.2.2,-3,200\nlost,3.3.3.3,2.2.2.2,-1,-9\ngained,3.3.3.3,2.2.2.3,4,8\n",
  );
  assert.equal(
    ok(["matrix", "diff", a, b, "--family", "6"]),
    "change,src,dst,packets,bytes\nlost,2001:db8::1,::1,-1,-1\ngained,2001:db8::2,::1,1,1\n",
  );
  assert.deepEqual(JSON.parse(ok(["matrix", "diff", a, a, "--json"])), []);
});

test("foreign archives: bare little-endian blobs in a tar", async (t) => {
  const folder = temporaryFolder(t);
  const grb = await load();
  const blob = (rows: Row[]) => {
    using traffic = disposable(trafficFrom(grb, rows, "little"));
    return traffic.v4!.packets.serialize();
  };
  const members = [
    {
      name: "0.grb",
      data: blob([
        ["10.0.0.2", "192.0.2.1", 3, 0],
        ["9.0.0.200", "192.0.2.1", 1, 0],
      ]),
    },
    { name: "1.grb", data: blob([["10.0.0.2", "192.0.2.1", 4, 0]]) },
  ];
  const path = join(folder, "challenge.tar");
  writeFileSync(path, writeTar(members, { mtime: 0 }));
  assert.equal(
    ok(["matrix", "export", path, "--byte-order", "little"]),
    `${HEADER}9.0.0.200,192.0.2.1,1,0\n10.0.0.2,192.0.2.1,7,0\n`,
  );
  const top = JSON.parse(ok(["matrix", "top", path, "--byte-order", "little", "-n", "1", "--json"])) as {
    links: { src: string }[];
  }[];
  assert.equal(top[0]!.links[0]!.src, "10.0.0.2");
  const own = join(folder, "own.tar");
  writeFileSync(own, archiveOf(grb, [["10.0.0.2", "192.0.2.1", 1, 60]]));
  const mixed = sparsewire(["matrix", "export", own, path, "--byte-order", "little"]);
  assert.deepEqual([mixed.code, mixed.out], [3, ""]);
  assert.match(mixed.err, /has little-endian indices, others do not/);
});

test("formats and places: grb to a file, tsv and json to stdout", (t) => {
  const folder = temporaryFolder(t);
  const capture = join(folder, "a.pcap");
  writeFileSync(capture, captureOf([["10.0.0.1", "10.0.0.2", 2]]));
  const blob = join(folder, "a.grb");
  assert.equal(ok(["matrix", "export", capture, "--format", "grb", "-o", blob]), "");
  assert.ok(readFileSync(blob).length > 100);
  assert.match(
    ok(["matrix", "export", capture, "--format", "tsv"]),
    /^src\tdst\tpackets\tbytes\n10.0.0.1\t10.0.0.2\t2\t\d+\n$/,
  );
  assert.match(
    ok(["matrix", "export", capture, "--format", "mtx"]),
    /^%%MatrixMarket matrix coordinate integer general\n/,
  );
  assert.equal((JSON.parse(ok(["matrix", "export", capture, "--json"])) as unknown[]).length, 1);
  assert.match(ok(["matrix", "export", capture, "-o", "/dev/stdout"]), /^src,dst/);
});

test("quantities, whole and between ranges; top in words", (t) => {
  const folder = temporaryFolder(t);
  const capture = join(folder, "a.pcap");
  writeFileSync(
    capture,
    captureOf([
      ["10.0.0.1", "10.0.0.2", 2],
      ["10.0.0.1", "192.0.2.1", 3],
      ["2001:db8::1", "::1", 1],
    ]),
  );
  const quantities = JSON.parse(ok(["matrix", "quantities", capture, "--json"])) as Record<
    string,
    Record<string, number>
  >;
  assert.deepEqual(quantities["links4.packets"], {
    n_packets: 5,
    n_links: 2,
    n_sources: 1,
    n_destinations: 2,
    max_packets: 3,
    max_source_packets: 5,
    max_fan_out: 2,
    max_destination_packets: 3,
    max_fan_in: 1,
  });
  assert.equal(quantities["links6.packets"]!.n_links, 1);
  const ranges = join(folder, "sites.txt");
  writeFileSync(ranges, "10.0.0.0/8 # ours\n192.0.2.0/24\n2001:db8::/32\n");
  const { whole, pairs } = JSON.parse(
    ok(["matrix", "quantities", capture, "--ranges", ranges, "--json"]),
  ) as {
    whole: Record<string, { n_packets: number }>;
    pairs: { family: number; src_range: string; dst_range: string; packets: { n_packets: number } }[];
  };
  assert.equal(whole["links4.packets"]!.n_packets, 5);
  assert.equal(pairs.length, 9 + 4);
  assert.deepEqual(
    pairs
      .filter(({ packets }) => packets.n_packets > 0)
      .map((pair) => [pair.family, pair.src_range, pair.dst_range, pair.packets.n_packets]),
    [
      [4, "10.0.0.0/8", "10.0.0.0/8", 2],
      [4, "10.0.0.0/8", "192.0.2.0/24", 3],
      [6, "2001:db8::/32", "everything else", 1],
    ],
  );
  assert.match(ok(["matrix", "quantities", capture, "--ranges", ranges]), /^src_range +dst_range +n_packets/);
  const top = ok(["matrix", "top", capture, "--by", "packets,fan-out"]);
  assert.match(top, /^links by packets\nsource +destination +packets +bytes\n10.0.0.1 +192.0.2.1 +3 +\d+\n/);
  assert.match(top, /sources by fan-out\nsource +packets +bytes +fan-out\n10.0.0.1 +5 +\d+ +2\n/);
});

test("an empty capture is an empty matrix, not an error", (t) => {
  const capture = join(temporaryFolder(t), "none.pcap");
  writeFileSync(capture, captureOf([]));
  assert.equal(ok(["matrix", "export", capture]), HEADER);
  assert.equal(ok(["matrix", "export", capture, "--json"]), "[\n]\n");
});
