import assert from "node:assert/strict";
import { test } from "node:test";
import { load } from "graphblas-wasm";
import { parseIpv4, parseIpv6 } from "../../lib/address.js";
import { exportLinks } from "../../lib/export.js";
import { linksOf } from "../../lib/links.js";
import { rangeQuantities } from "../../lib/range-pairs.js";
import { EVERYTHING_ELSE, parseRanges } from "../../lib/ranges.js";
import { topOf } from "../../lib/top.js";
import { makeTraffic } from "../../lib/traffic.js";
import { Random } from "../pcap/fuzz.js";
import { disposable, type Row, trafficFrom } from "./traffic.js";

const number = (text: string): bigint => BigInt(parseIpv4(text) ?? parseIpv6(text)!);

/** Distinct pairs over few enough addresses that rows have several columns. */
function randomRows(random: Random, family: 4 | 6, count: number): Row[] {
  const address = () => {
    const low = random.int(300);
    if (family === 6)
      return `2001:db8:${((1 + random.int(40)) * 1601).toString(16)}::${(low + 1).toString(16)}`;
    return [random.int(256), 0, low >> 8, low & 255].join(".");
  };
  const rows = new Map<string, Row>();
  for (let at = 0; at < count; at++) {
    const [src, dst] = [address(), address()];
    rows.set(`${src} ${dst}`, [src, dst, 1 + random.int(1000), 1 + random.int(2 ** 30)]);
  }
  return [...rows.values()];
}

function sorted(rows: Row[]): Row[] {
  const compare = (a: string, b: string) => (number(a) < number(b) ? -1 : number(a) > number(b) ? 1 : 0);
  return rows.toSorted((a, b) => compare(a[0], b[0]) || compare(a[1], b[1]));
}

test("csv: rows in numeric order of address, in both families and byte orders", async () => {
  const grb = await load();
  const random = new Random(4);
  for (const family of [4, 6] as const) {
    for (const byteOrder of ["big", "little"] as const) {
      const rows = randomRows(random, family, 3000);
      using traffic = disposable(trafficFrom(grb, rows, byteOrder));
      const text = [...exportLinks(traffic, { format: "csv", family, byteOrder })].join("");
      const expected = ["src,dst,packets,bytes", ...sorted(rows).map((row) => row.join(","))];
      assert.deepEqual(text.trimEnd().split("\n"), expected, `IPv${family} ${byteOrder}`);
    }
  }
  assert.equal(grb.liveObjects(), 0);
});

test("the formats hold the same links; an empty family is an empty list", async () => {
  const grb = await load();
  const rows: Row[] = [
    ["10.0.0.2", "10.0.0.1", 3, 300],
    ["9.0.0.1", "10.0.0.1", 1, 60],
  ];
  using traffic = disposable(trafficFrom(grb, rows));
  const text = (format: "tsv" | "json" | "mtx", family: 4 | 6 = 4) =>
    [...exportLinks(traffic, { format, family })].join("");
  assert.equal(
    text("tsv"),
    "src\tdst\tpackets\tbytes\n9.0.0.1\t10.0.0.1\t1\t60\n10.0.0.2\t10.0.0.1\t3\t300\n",
  );
  assert.deepEqual(JSON.parse(text("json")), [
    { src: "9.0.0.1", dst: "10.0.0.1", packets: 1, bytes: 60 },
    { src: "10.0.0.2", dst: "10.0.0.1", packets: 3, bytes: 300 },
  ]);
  assert.deepEqual(JSON.parse(text("json", 6)), []);
  assert.deepEqual(text("mtx").split("\n").slice(2), [
    "4294967296 4294967296 2",
    `${0x09000002} ${0x0a000002} 1`,
    `${0x0a000003} ${0x0a000002} 3`,
    "",
  ]);
  const [blob] = [...exportLinks(traffic, { format: "grb", family: 4, plane: "bytes" })] as [Uint8Array];
  using back = grb.deserialize(blob);
  assert.ok(back.isEqual(traffic.v4!.bytes));
  assert.throws(() => [...exportLinks(traffic, { format: "grb", family: 6 })], { code: "NO_LINKS" });
});

test("values beyond 2^53 are exact", async () => {
  const grb = await load();
  const one = BigUint64Array.of(1n);
  const huge = 2n ** 64n - 1n;
  const bytes = grb.build("UINT64", 1n << 32n, 1n << 32n, one, one, BigUint64Array.of(huge));
  const packets = grb.build("UINT64", 1n << 32n, 1n << 32n, one, one, BigUint64Array.of(2n ** 53n + 1n));
  using traffic = disposable(makeTraffic({ packets, bytes }, undefined));
  const text = [...exportLinks(traffic, { format: "csv", family: 4 })].join("");
  assert.equal(text, `src,dst,packets,bytes\n0.0.0.1,0.0.0.1,9007199254740993,${huge}\n`);
});

test("planes with different links are refused, not misread", async () => {
  const grb = await load();
  const plane = (at: bigint) =>
    grb.build(
      "UINT64",
      1n << 32n,
      1n << 32n,
      BigUint64Array.of(1n),
      BigUint64Array.of(at),
      BigUint64Array.of(1n),
    );
  using traffic = disposable(makeTraffic({ packets: plane(1n), bytes: plane(2n) }, undefined));
  assert.throws(() => [...exportLinks(traffic, { format: "csv", family: 4 })], {
    code: "BAD_ARCHIVE",
    exit: 3,
  });
});

test("262,144 links become csv in pieces", async (t) => {
  const grb = await load();
  const random = new Random(9);
  const keys = BigUint64Array.from(
    new Set(
      Array.from(
        { length: 280_000 },
        () => (BigInt(random.int(2 ** 32)) << 32n) | BigInt(random.int(2 ** 32)),
      ),
    ),
  ).subarray(0, 262_144);
  const packets = grb.buildPacked("UINT32", keys, 7);
  const bytes = grb.buildPacked("UINT64", keys, 700);
  using traffic = disposable(makeTraffic({ packets, bytes }, undefined));
  const began = performance.now();
  let [pieces, characters, longest] = [0, 0, 0];
  for (const piece of exportLinks(traffic, { format: "csv", family: 4 })) {
    pieces++;
    characters += piece.length;
    longest = Math.max(longest, piece.length);
  }
  const ms = performance.now() - began;
  t.diagnostic(`${ms.toFixed(0)} ms`);
  assert.ok(pieces > 50 && longest < 70_000, `${pieces} pieces, the longest ${longest}`);
  assert.ok(characters > 262_144 * 20);
});

test("a large matrix comes in batches of rows, complete", async () => {
  const grb = await load();
  const keys = BigUint64Array.from({ length: 600_000 }, (_, at) => (BigInt(at >> 2) << 40n) | BigInt(at));
  using traffic = disposable(
    makeTraffic(
      { packets: grb.buildPacked("UINT32", keys, 1), bytes: grb.buildPacked("UINT64", keys, 60) },
      undefined,
    ),
  );
  let [links, batches, before] = [0, 0, -1];
  for (const { length, src, dst, packets, bytes } of linksOf(traffic, 4).batches()) {
    batches++;
    for (let at = 0; at < length; at++) {
      const order = src[at]! * 2 ** 20 + dst[at]!;
      assert.ok(order > before && packets(at) === 1 && bytes(at) === 60);
      before = order;
    }
    links += length;
  }
  assert.deepEqual([links, batches > 1], [600_000, true]);
});

test("long lists are sorted in either byte order, and Matrix Market is complete", async () => {
  const grb = await load();
  const random = new Random(8);
  const word = () => BigInt(random.int(2 ** 32));
  const keys = new BigUint64Array(new Set(Array.from({ length: 300_000 }, () => (word() << 32n) | word())));
  using traffic = disposable(
    makeTraffic(
      { packets: grb.buildPacked("UINT32", keys, 1), bytes: grb.buildPacked("UINT64", keys, 60) },
      undefined,
    ),
  );
  let [links, before] = [0, -1];
  for (const { length, src } of linksOf(traffic, 4, "little").batches()) {
    for (let at = 0; at < length; at++) {
      assert.ok(src[at]! >= before);
      before = src[at]!;
    }
    links += length;
  }
  assert.equal(links, keys.length);
  const lines = [...exportLinks(traffic, { format: "mtx", family: 4 })].join("").trimEnd().split("\n");
  assert.equal(lines.length, 3 + keys.length);
  const last = keys.toSorted().at(-1)!;
  assert.equal(lines.at(-1), `${(last >> 32n) + 1n} ${(last & 0xffff_ffffn) + 1n} 1`);
});

test("top: what a sort of everything says", async () => {
  const grb = await load();
  const random = new Random(5);
  for (const family of [4, 6] as const) {
    const rows = randomRows(random, family, 2000);
    using traffic = disposable(trafficFrom(grb, rows));
    for (const [by, column] of [
      ["packets", 2],
      ["bytes", 3],
    ] as const) {
      const top = topOf(traffic, { by, n: 25, family });
      const values = rows
        .map((row) => row[column])
        .toSorted((a, b) => b - a)
        .slice(0, 25);
      assert.deepEqual(
        top.links.map((link) => link[by]),
        values,
      );
      for (const { src, dst, packets, bytes } of top.links) {
        assert.ok(
          rows.some((row) => row[0] === src && row[1] === dst && row[2] === packets && row[3] === bytes),
        );
      }
    }
    const fanOut = topOf(traffic, { by: "fan-out", n: 3, family });
    assert.deepEqual([fanOut.links, fanOut.destinations], [[], []]);
    for (const { address, packets, bytes, fan } of fanOut.sources) {
      const own = rows.filter(([src]) => src === address);
      const sum = (column: 2 | 3) => own.reduce((total, row) => total + row[column], 0);
      assert.deepEqual([fan, packets, bytes], [own.length, sum(2), sum(3)]);
    }
    const fanIn = new Map<string, number>();
    for (const [, dst] of rows) fanIn.set(dst, (fanIn.get(dst) ?? 0) + 1);
    const most = Math.max(...fanIn.values());
    assert.equal(topOf(traffic, { by: "fan-in", n: 1, family }).destinations[0]!.fan, most);
  }
});

test("quantities between ranges: what a filter of everything says", async () => {
  const grb = await load();
  const random = new Random(6);
  const ranges = parseRanges(
    "0.0.0.0/1 half\n10.0.0.0/8\n77.0.1.0/24 two\n255.255.255.255/32 two\n\n::/3\n2001:db8::/33 half\n2001:db8:8000::/33",
  );
  /** The longest prefix has the address. */
  const nameOf = (family: 4 | 6, address: bigint): string => {
    const own = ranges.flatMap(({ name, blocks }) => blocks.map((block) => ({ name, block })));
    return own
      .filter(({ block: { lo, hi, family: its } }) => its === family && address >= lo && address < hi)
      .reduce((best, one) => (one.block.prefix > best.prefix ? { ...one.block, name: one.name } : best), {
        prefix: -1,
        name: EVERYTHING_ELSE,
      }).name;
  };
  for (const family of [4, 6] as const) {
    const names = ranges
      .filter(({ blocks }) => blocks.some((block) => block.family === family))
      .map(({ name }) => name);
    names.push(EVERYTHING_ELSE);
    for (const byteOrder of ["big", "little"] as const) {
      const rows = randomRows(random, family, 2000);
      using traffic = disposable(trafficFrom(grb, rows, byteOrder));
      const answers = [...rangeQuantities(grb, traffic, ranges, { family, byteOrder })];
      assert.deepEqual(
        answers.map(({ src_range, dst_range }) => [src_range, dst_range]),
        names.flatMap((source) => names.map((target) => [source, target])),
      );
      for (const { src_range, dst_range, packets, n_bytes } of answers) {
        const inside = rows.filter(
          ([src, dst]) =>
            nameOf(family, number(src)) === src_range && nameOf(family, number(dst)) === dst_range,
        );
        const sum = (column: 2 | 3) => inside.reduce((total, row) => total + row[column], 0);
        assert.deepEqual([packets.n_links, packets.n_packets, n_bytes], [inside.length, sum(2), sum(3)]);
      }
    }
  }
  assert.equal(grb.liveObjects(), 0);
});

test("a bad list of ranges names its line", () => {
  assert.throws(() => parseRanges("10.0.0.0/8\n10.0.0.1/8"), /line 2: .*beyond its prefix/);
  assert.throws(() => parseRanges("# nothing"), { code: "BAD_RANGES", exit: 3 });
  assert.throws(() => parseRanges("banana"), /line 1/);
  assert.throws(() => parseRanges("10.0.0.0/8 a\n10.0.0.0/8 b"), /line 2: 10.0.0.0\/8 is on line 1 too/);
  assert.throws(() => parseRanges(`1.1.1.1 ${EVERYTHING_ELSE}`), /line 1: that name is taken/);
});
