import assert from "node:assert/strict";
import { writeFileSync } from "node:fs";
import { join } from "node:path";
import { test } from "node:test";
import { load } from "graphblas-wasm";
import { ipv6Bytes, parseIpv4, parseIpv6 } from "../../lib/address.js";
import { exportLinks } from "../../lib/export.js";
import { IPV6_HASH_KEY_DEFAULT, ipv6Index } from "../../lib/ipv6-index.js";
import type { LinkList } from "../../lib/links.js";
import { parquetLinks } from "../../lib/parquet/links.js";
import { CompactWriter } from "../../lib/parquet/thrift.js";
import { makeTraffic } from "../../lib/traffic.js";
import { sparsewire, temporaryFolder } from "../cli/command.js";
import { captureOf, disposable, trafficFrom } from "../cli/traffic.js";
import { Random } from "../pcap/fuzz.js";
import { randomLinks } from "./links.js";
import { duckdb } from "./readers.js";

const INTERVAL = { start: 1_700_000_000_123_456_789n, end: 1_700_000_001_000_000_000n };

test("thrift compact: fields, lists and structures as the protocol's specification has them", () => {
  const writer = new CompactWriter().i32(1, 1).i64(2, -3n).bool(4, false).binary(20, "ab").i8(21, 64);
  writer.structs(22, [5, 300], (fields, value) => fields.i32(1, value)).end();
  assert.deepEqual(
    [...writer.bytes],
    [0x15, 2, 0x16, 5, 0x22, 0x08, 40, 2, 97, 98, 0x13, 64, 0x19, 0x2c, 0x15, 10, 0, 0x15, 0xd8, 4, 0, 0],
  );
});

test("DuckDB reads the same links back, in both families and byte orders", async (t) => {
  const reader = await duckdb();
  if (typeof reader === "string") return t.skip(reader);
  t.after(reader.close);
  const grb = await load();
  const random = new Random(11);
  const path = join(temporaryFolder(t), "links.parquet");
  for (const family of [4, 6] as const) {
    for (const byteOrder of ["big", "little"] as const) {
      const rows = randomLinks(random, family, 5000);
      using traffic = disposable(trafficFrom(grb, rows, byteOrder));
      const pieces = exportLinks(traffic, { format: "parquet", family, byteOrder, interval: INTERVAL });
      writeFileSync(path, Buffer.concat([...pieces] as Uint8Array[]));
      const number = (text: string): string =>
        String(
          family === 4 ? parseIpv4(text)! : ipv6Index(IPV6_HASH_KEY_DEFAULT, ipv6Bytes(parseIpv6(text)!)),
        );
      assert.deepEqual(
        await reader.query(`SELECT src, dst, src_number, dst_number, packets, bytes FROM '${path}'`),
        rows.map(([src, dst, packets, bytes]) => [
          src,
          dst,
          number(src),
          number(dst),
          `${packets}`,
          `${bytes}`,
        ]),
        `IPv${family} ${byteOrder}`,
      );
      const times = "SELECT DISTINCT epoch_us(interval_start), epoch_us(interval_end)";
      assert.deepEqual(await reader.query(`${times} FROM '${path}'`), [
        [String(INTERVAL.start / 1000n), String(INTERVAL.end / 1000n)],
      ]);
    }
  }
  assert.equal(grb.liveObjects(), 0);
});

test("no link, no interval, a time beyond 2262, values of 64 bits, columns of one value", async (t) => {
  const reader = await duckdb();
  if (typeof reader === "string") return t.skip(reader);
  t.after(reader.close);
  const path = join(temporaryFolder(t), "links.parquet");
  const write = (pieces: Iterable<string | Uint8Array>): void =>
    writeFileSync(path, Buffer.concat([...pieces] as Uint8Array[]));
  write(exportLinks(makeTraffic(undefined, undefined), { format: "parquet", family: 4 }));
  assert.deepEqual(await reader.query(`SELECT count(*) FROM '${path}'`), [["0"]]);
  write(parquetLinks(listOf(1, 2n ** 64n - 1n), { start: 2n ** 63n, end: 5n }, "test"));
  assert.deepEqual(
    await reader.query(`SELECT src, packets, bytes, interval_start, epoch_ns(interval_end) FROM '${path}'`),
    [["address 0", "18446744073709551615", "7", null, "0"]],
  );
});

test("many batches: row groups can be skipped by their ranges", async (t) => {
  const reader = await duckdb();
  if (typeof reader === "string") return t.skip(reader);
  t.after(reader.close);
  const path = join(temporaryFolder(t), "links.parquet");
  const count = 300_000;
  writeFileSync(path, Buffer.concat([...parquetLinks(listOf(count, 3, 100_000), INTERVAL, "test")]));
  const sums = "SELECT count(*), count(DISTINCT src), sum(packets), min(dst), sum(src_number)";
  assert.deepEqual(await reader.query(`${sums} FROM '${path}'`), [
    [`${count}`, `${count}`, `${3 * count}`, "address 0", String((count * (count - 1)) / 2)],
  ]);
  const columns = "row_group_id, stats_min_value, stats_max_value";
  assert.deepEqual(
    await reader.query(
      `SELECT ${columns} FROM parquet_metadata('${path}') WHERE path_in_schema = 'src_number'`,
    ),
    [
      ["0", "0", "99999"],
      ["1", "100000", "199999"],
      ["2", "200000", "299999"],
    ],
  );
});

test("the command writes the interval of a capture", async (t) => {
  const reader = await duckdb();
  if (typeof reader === "string") return t.skip(reader);
  t.after(reader.close);
  const folder = temporaryFolder(t);
  const [capture, path] = [join(folder, "a.pcap"), join(folder, "a.parquet")];
  writeFileSync(capture, captureOf([["10.0.0.1", "10.0.0.2", 3]]));
  const { code, err } = sparsewire(["matrix", "export", capture, "--format", "parquet", "-o", path]);
  assert.equal(code, 0, err);
  assert.deepEqual(await reader.query(`SELECT src, dst, packets, epoch_us(interval_start) FROM '${path}'`), [
    ["10.0.0.1", "10.0.0.2", "3", "1700000000000000"],
  ]);
});

/** Links n -> 0, without a matrix behind them. */
function listOf(length: number, packets: number | bigint, batch = length): LinkList {
  return {
    length,
    *batches() {
      for (let low = 0; low < length; low += batch) {
        const src = Uint32Array.from({ length: Math.min(batch, length - low) }, (_, at) => low + at);
        const dst = new Uint32Array(src.length);
        yield { length: src.length, src, dst, packets: () => packets, bytes: () => 7 };
      }
    },
    text: (ordinal) => `address ${ordinal}`,
    address: BigInt,
    number: BigInt,
  };
}
