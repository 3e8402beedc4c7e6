import assert from "node:assert/strict";
import { mkdirSync, readdirSync, readFileSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { test } from "node:test";
import { load } from "graphblas-wasm";
import { ipv4Text, parseIpv4, swap32 } from "../../lib/address.js";
import { AddressMemory } from "../../lib/address-memory.js";
import { challengeTarName, naturalOrder, swapByteOrder } from "../../lib/challenge.js";
import { readTar, type TarMember, writeTar } from "../../lib/tar.js";
import { DIMENSION4 } from "../../lib/traffic.js";
import { sparsewire, temporaryFolder } from "../cli/command.js";
import { Random } from "../pcap/fuzz.js";
import { eth, pcapFile, type Record } from "../pcap/writer.js";
import { compileNative, nativeMissing } from "./native.js";

const START = 1_700_000_000_123_456_000n;

/** Packets of a few addresses, one a microsecond; now and then one that is not IPv4. */
function mixedCapture(random: Random, packets: number): { capture: Uint8Array; pairs: [string, string][] } {
  const records: Record[] = [];
  const pairs: [string, string][] = [];
  const address = () => `${random.pick([10, 77, 192, 255])}.${random.int(3)}.0.${random.int(20)}`;
  while (pairs.length < packets) {
    const timestamp = START + BigInt(records.length) * 1000n;
    if (pairs.length > 0 && random.chance(0.05)) {
      records.push({ data: eth().ipv6("2001:db8::1", "2001:db8::2").udp(1, 2, 8).bytes(), timestamp });
      continue;
    }
    const [src, dst] = [address(), address()];
    pairs.push([src, dst]);
    records.push({ data: eth().ipv4(src, dst).udp(1, 2, 8).bytes(), timestamp });
  }
  return { capture: pcapFile(records), pairs };
}

/** Packets of each link by its little-endian indices, sorted. */
function expectedLinks(pairs: [string, string][]): string[] {
  const counts = new Map<string, number>();
  for (const [src, dst] of pairs) {
    const key = [src, dst].map((text) => swap32(parseIpv4(text)!) >>> 0).join(" ");
    counts.set(key, (counts.get(key) ?? 0) + 1);
  }
  return [...counts].map(([key, count]) => `${key} ${count}`).sort();
}

const csv = (args: string[]): string[] => {
  const { code, out, err } = sparsewire(["matrix", "export", ...args]);
  assert.equal(code, 0, err);
  return out
    .trim()
    .split("\n")
    .map((line) => line.split(",").slice(0, 3).join(","));
};

test("ingest writes tars that native GraphBLAS reads, and that add up to the capture", (t) => {
  const folder = temporaryFolder(t);
  const { capture, pairs } = mixedCapture(new Random(3), 10 * 65 + 7);
  const [file, out] = [join(folder, "a.pcap"), join(folder, "tars")];
  writeFileSync(file, capture);
  const args = ["ingest", file, "-o", out, "--archive", "challenge", "--window-packets", "10"];
  const ran = sparsewire(args);
  assert.deepEqual([ran.code, ran.err], [0, ""]);
  assert.match(ran.out, /^2 archives in .*: 657 packets of \d+ frames/);
  assert.match(ran.out, /not in the matrices, which are of IPv4: \d+ ipv6\n$/);
  const names = readdirSync(out).sort();
  assert.equal(names[0], "20231114-221320-123456.640.tar");
  assert.match(names[1]!, /^20231114-221320-12\d{4}\.17\.tar$/);
  const members = readTar(readFileSync(join(out, names[0]!))).members.map(({ name }) => name);
  assert.deepEqual(
    members,
    Array.from({ length: 64 }, (_, at) => `${at}.grb`),
  );
  assert.deepEqual(csv([out, "--byte-order", "little"]), csv([file]));
  const again = sparsewire(args);
  assert.equal(again.code, 1);
  assert.match(again.err, /^sparsewire: .*123456\.640\.tar exists already; give -o another folder/);
  assert.deepEqual(readdirSync(out).sort(), names, "nothing half-written stays");
  if (nativeMissing) return t.diagnostic(`not read by native GraphBLAS: ${nativeMissing}`);
  const lines = compileNative(folder)(["read", ...names.map((name) => join(out, name))])
    .trim()
    .split("\n");
  assert.deepEqual(lines.slice(0, 66), [...Array<string>(65).fill("matrix 10"), "matrix 7"]);
  assert.deepEqual(lines.slice(66).sort(), expectedLinks(pairs));
});

test("tars of native GraphBLAS, without an end marker, in either byte order, and tars of them", {
  skip: nativeMissing,
}, (t) => {
  const folder = temporaryFolder(t);
  const native = compileNative(folder);
  const { pairs } = mixedCapture(new Random(4), 300);
  for (const order of ["big", "little"] as const) {
    const [one, two] = [join(folder, `20240101-000000-9.${order}.tar`), join(folder, `${order}2.tar`)];
    const index = (text: string) => (order === "big" ? parseIpv4(text)! : swap32(parseIpv4(text)!) >>> 0);
    const lines = pairs.map(([src, dst]) => `${index(src)} ${index(dst)}\n`);
    native(["write", one, "100"], lines.slice(0, 250).join(""));
    native(["write", two, "100"], lines.slice(250).join(""));
    const counts = new Map<string, number>();
    for (const [src, dst] of pairs) counts.set(`${src},${dst}`, (counts.get(`${src},${dst}`) ?? 0) + 1);
    const found = csv([one, two, "--byte-order", order]);
    assert.deepEqual(found.slice(1).sort(), [...counts].map(([pair, count]) => `${pair},${count}`).sort());
    const nest = (members: [string, string][]): TarMember[] =>
      members.map(([name, path]) => ({ name, data: readFileSync(path) }));
    const outer = join(folder, `outer-${order}.tar`);
    const inner = writeTar(nest([["x/b.tar", two]]), { mtime: 0 });
    const members = [...nest([["a.tar", one]]), { name: "deep.tar", data: inner }];
    writeFileSync(outer, writeTar([{ name: "README", data: new Uint8Array(9) }, ...members], { mtime: 0 }));
    assert.deepEqual(csv([outer, "--byte-order", order]), found);
  }
});

test("equal windows count every time, the same tar twice counts once", async (t) => {
  const folder = temporaryFolder(t);
  const grb = await load();
  using matrix = grb.buildPacked("UINT32", BigUint64Array.of((1n << 32n) | 2n), 5);
  const members = [0, 1, 2].map((at) => ({ name: `${at}.grb`, data: matrix.serialize() }));
  const tar = writeTar(members, { mtime: 0 });
  mkdirSync(join(folder, "copy"));
  for (const name of ["a.tar", "b.tar", "copy/a.tar"]) writeFileSync(join(folder, name), tar);
  const { out, err } = sparsewire(["matrix", "export", folder]);
  assert.equal(out, "src,dst,packets,bytes\n0.0.0.1,0.0.0.2,30,0\n");
  assert.match(err, /warning: 1 archives hold intervals that are in others too: counted once/);
});

test("sums of the challenge's tools are INT64; negative values are no counts", {
  skip: nativeMissing,
}, (t) => {
  const folder = temporaryFolder(t);
  const native = compileNative(folder);
  const tar = (name: string, value: string): string => {
    native(["write", join(folder, name), "9", value], "16909060 84281096\n16909060 84281096\n1 2\n");
    return join(folder, name);
  };
  assert.deepEqual(csv([tar("sum.tar", "5000000000")]).slice(1), [
    "0.0.0.1,0.0.0.2,5000000000",
    "1.2.3.4,5.6.7.8,10000000000",
  ]);
  assert.equal(sparsewire(["matrix", "export", tar("bad.tar", "-1")]).code, 3);
});

test("what is no matrix of IPv4 packets is refused, and why", async (t) => {
  const folder = temporaryFolder(t);
  const grb = await load();
  const write = (name: string, ...data: Uint8Array[]): string => {
    const path = join(folder, name);
    const members = data.map((blob, at) => ({ name: `${at}.grb`, data: blob }));
    writeFileSync(path, writeTar(members, { mtime: 0 }));
    return path;
  };
  using small = grb.matrix("UINT32", 5n, DIMENSION4);
  const refused = (path: string, why: RegExp) => {
    const { code, err } = sparsewire(["matrix", "quantities", path]);
    assert.equal(code, 3, err);
    assert.match(err, why);
  };
  refused(write("small.tar", small.serialize()), /0\.grb is not a 2\^32 x 2\^32 matrix/);
  const readme = join(folder, "none.tar");
  writeFileSync(readme, writeTar([{ name: "README", data: new Uint8Array(9) }], { mtime: 0 }));
  refused(readme, /holds no manifest and no matrix/);
  refused(write("junk.tar", new Uint8Array(100)), /junk\.tar: .*GrB_INVALID_OBJECT/);
  let deep = readFileSync(write("whole.tar", small.serialize()));
  for (let level = 0; level < 6; level++) {
    deep = Buffer.from(writeTar([{ name: "t.tar", data: deep }], { mtime: 0 }));
  }
  writeFileSync(join(folder, "deep.tar"), deep);
  refused(join(folder, "deep.tar"), /more than 4 deep/);
});

test("byte order: an involution that keeps every packet", async () => {
  const grb = await load();
  const random = new Random(9);
  const keys = BigUint64Array.from({ length: 3000 }, () => {
    const word = () => BigInt(random.int(2 ** 16)) * 65_537n;
    return (word() << 32n) | word();
  });
  using matrix = grb.buildPacked("UINT32", keys, 1);
  using swapped = swapByteOrder(grb, matrix);
  using back = swapByteOrder(grb, swapped);
  assert.ok(back.isEqual(matrix));
  const { I, J } = swapped.extractTuples();
  const texts = new Set(Array.from(I, (row, at) => `${ipv4Text(Number(row))} ${ipv4Text(Number(J[at]))}`));
  for (const key of keys) {
    const text = [key >> 32n, key & 0xffffffffn]
      .map((index) => ipv4Text(Number(index)).split(".").reverse().join("."))
      .join(" ");
    assert.ok(texts.has(text), text);
  }
});

test("names: UTC of the first packet, and an order in which numbers count", () => {
  assert.equal(challengeTarName(0n, 1), "19700101-000000-000000.1.tar");
  assert.equal(challengeTarName(START, 8388608), "20231114-221320-123456.8388608.tar");
  const names = ["20241022-035742-648596.1.tar", "20241022-035742-5123.1.tar", "10.grb", "9.grb", "a"];
  assert.deepEqual(names.sort(naturalOrder), [
    "9.grb",
    "10.grb",
    "20241022-035742-5123.1.tar",
    "20241022-035742-648596.1.tar",
    "a",
  ]);
});

test("anonymised tars have the links of anonymised archives", (t) => {
  const folder = temporaryFolder(t);
  const { capture } = mixedCapture(new Random(5), 900);
  const [file, key] = [join(folder, "a.pcap"), join(folder, "key")];
  writeFileSync(file, capture);
  writeFileSync(key, `${"5a".repeat(32)}\n`, { mode: 0o600 });
  for (const options of [[], ["--truncate4", "16"]]) {
    const out = join(folder, `out${options.length}`);
    const args = ["--anonymize", key, ...options, "--window-packets", "100"];
    for (const archive of ["sparsewire", "challenge"]) {
      const ran = sparsewire(["ingest", file, "-o", join(out, archive), "--archive", archive, ...args]);
      assert.equal(ran.code, 0, ran.err);
    }
    const links = csv([join(out, "challenge"), "--byte-order", "little"]);
    assert.deepEqual(links, csv([join(out, "sparsewire")]));
    assert.notDeepEqual(links, csv([file]));
  }
});

test("remembered addresses are those that the map gives, whatever falls into one slot", () => {
  const random = new Random(6);
  const map4 = (addresses: Uint32Array) => addresses.map((address) => address ^ 0x5a5a5a5a);
  const memory = new AddressMemory({ map4, map6: (addresses) => addresses }, 12_345);
  for (let round = 0; round < 20; round++) {
    const addresses = Uint32Array.from({ length: 5000 }, () => random.int(2 ** 19) * 8192);
    addresses[0] = 0;
    const expected = map4(addresses);
    memory.apply(addresses);
    assert.deepEqual(addresses, expected);
  }
});
