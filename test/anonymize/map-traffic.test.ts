import assert from "node:assert/strict";
import { test } from "node:test";
import fc from "fast-check";
import { loadSync } from "graphblas-wasm";
import { ipv4Text, ipv6Bytes, ipv6TextOfBytes, parseIpv4, parseIpv6 } from "../../lib/address.js";
import { type AddressMap, anonymizer, deanonymizer } from "../../lib/anonymize.js";
import { readDict } from "../../lib/dict.js";
import { exportLinks } from "../../lib/export.js";
import { ipv6Indices } from "../../lib/ipv6-hash.js";
import {
  IPV6_HASH_KEY_DEFAULT,
  IPV6_HASH_KEY_ID_DEFAULT,
  ipv6Index,
  keyWords,
} from "../../lib/ipv6-index.js";
import { mapTraffic, uniqueRecords } from "../../lib/map-traffic.js";
import { sortRecords, sortWithPositions } from "../../lib/radix-sort.js";
import { makeTraffic, quantitiesOf, type Traffic } from "../../lib/traffic.js";
import { type Row, trafficFrom } from "../cli/traffic.js";
import { SAMPLE_KEY } from "./vectors.js";

const grb = loadSync();
const hashKey = keyWords(Uint8Array.from(IPV6_HASH_KEY_DEFAULT));

/** One address through a map. */
function mapText(map: AddressMap, text: string): string {
  const v4 = parseIpv4(text);
  if (v4 !== undefined) return ipv4Text(map.map4(Uint32Array.of(v4))[0]!);
  return ipv6TextOfBytes(map.map6(ipv6Bytes(parseIpv6(text)!)));
}

const mapRows = (map: AddressMap, rows: Row[]): Row[] =>
  rows.map(([src, dst, packets, bytes]) => [mapText(map, src), mapText(map, dst), packets, bytes]);

const text = (traffic: Traffic, byteOrder: "big" | "little" = "big"): string =>
  ([4, 6] as const)
    .flatMap((family) => [...exportLinks(traffic, { format: "csv", family, byteOrder })])
    .join("");

/** A few hosts that talk a lot, so that links repeat. */
const hosts4 = fc.integer({ min: 0, max: 40 }).map((n) => ipv4Text((n * 0x0611_0307) >>> 0));
const hosts6 = fc.integer({ min: 0, max: 12 }).map((n) => `2001:db8:${n % 3}::${n + 1}`);
const values = fc.tuple(fc.integer({ min: 1, max: 1000 }), fc.integer({ min: 1, max: 1 << 20 }));
const row4 = fc.tuple(hosts4, hosts4, values).map(([src, dst, [p, b]]): Row => [src, dst, p, b]);
const row6 = fc.tuple(hosts6, hosts6, values).map(([src, dst, [p, b]]): Row => [src, dst, p, b]);
const rows = fc.array(fc.oneof(row4, row4, row6), { maxLength: 80 });
const options = fc.record(
  { key: fc.constant(SAMPLE_KEY), truncate4: fc.nat(32), truncate6: fc.nat(128) },
  { requiredKeys: [] },
);

/** Runs a check on traffics that are freed whatever happens. */
function withTraffics(traffics: Traffic[], check: (...traffics: Traffic[]) => void): void {
  try {
    check(...traffics);
  } finally {
    for (const traffic of traffics) traffic.dispose();
  }
}

test("anonymising what was built is building what was anonymised", () => {
  fc.assert(
    fc.property(rows, options, fc.constantFrom("big" as const, "little" as const), (list, how, byteOrder) => {
      const map = anonymizer(how);
      const built = trafficFrom(grb, list, byteOrder);
      const mapped = mapTraffic(grb, built, map, { byteOrder, hashKey });
      const other = trafficFrom(grb, mapRows(map, list), byteOrder);
      withTraffics([built, mapped, other], () => {
        assert.equal(text(mapped, byteOrder), text(other, byteOrder));
        assert.deepEqual(mapped.v6?.dict, other.v6?.dict);
        assert.equal(mapped.collisions, 0);
        for (const family of ["v4", "v6"] as const) {
          for (const plane of ["packets", "bytes"] as const) {
            const [a, b] = [mapped[family]?.[plane], other[family]?.[plane]];
            assert.ok(a === b || (a !== undefined && b !== undefined && a.isEqual(b)), `${family}.${plane}`);
          }
        }
      });
    }),
    { numRuns: 150 },
  );
  assert.equal(grb.liveObjects(), 0);
});

test("CryptoPAN changes no network quantity, and its inverse gives the traffic back", () => {
  fc.assert(
    fc.property(rows, (list) => {
      const built = trafficFrom(grb, list);
      const mapped = mapTraffic(grb, built, anonymizer({ key: SAMPLE_KEY }), { hashKey });
      const back = mapTraffic(grb, mapped, deanonymizer(SAMPLE_KEY), { hashKey });
      withTraffics([built, mapped, back], () => {
        assert.deepEqual(quantitiesOf(mapped), quantitiesOf(built));
        assert.equal(text(back), text(built));
        assert.deepEqual(back.v6?.dict, built.v6?.dict);
      });
    }),
    { numRuns: 50 },
  );
});

test("links that fall together are summed, beyond 32 bits if need be", () => {
  const built = trafficFrom(grb, [
    ["10.0.0.1", "10.9.0.1", 3_000_000_000, 7],
    ["10.0.0.2", "10.9.0.2", 3_000_000_000, 8],
    ["2001:db8::1", "2001:db8:0:1::1", 1, 10],
    ["2001:db8::2", "2001:db8:0:1::2", 2, 20],
  ]);
  const mapped = mapTraffic(grb, built, anonymizer({ truncate4: 24, truncate6: 48 }), { hashKey });
  withTraffics([built, mapped], () => {
    const links = text(mapped).split("\n");
    assert.ok(links.includes("10.0.0.0,10.9.0.0,6000000000,15"), text(mapped));
    assert.ok(links.includes("2001:db8::,2001:db8::,3,30"), text(mapped));
    assert.equal(mapped.v4?.packets.type, "UINT64");
    assert.equal(mapped.v6?.packets.type, "UINT32");
    assert.equal(readDict(mapped.v6!.dict).count, 1);
  });
});

test("two addresses under one IPv6 index are a collision, one address twice is none", () => {
  const record = (index: bigint, address: string): Uint8Array =>
    Buffer.concat([new Uint8Array(BigUint64Array.of(index).buffer), ipv6Bytes(parseIpv6(address)!)]);
  const [a, b, c] = [record(9n, "::a"), record(3n, "::b"), record(9n, "::c")];
  const collided = uniqueRecords(Buffer.concat([a, b, c, b]));
  assert.equal(collided.collisions, 1);
  assert.deepEqual(Buffer.from(collided.dict), Buffer.concat([b, a]));
});

test("matrices that do not fit one another are refused", () => {
  const good = trafficFrom(grb, [
    ["10.0.0.1", "10.0.0.2", 1, 100],
    ["2001:db8::1", "2001:db8::2", 1, 100],
  ]);
  const other = trafficFrom(grb, [["10.0.0.1", "10.0.0.3", 1, 100]]);
  const small = grb.build("UINT32", 16n, 16n, BigUint64Array.of(1n), BigUint64Array.of(2n), 1);
  const map = anonymizer({ key: SAMPLE_KEY });
  const { v4, v6 } = good;
  const wrong = [
    makeTraffic({ packets: v4!.packets, bytes: other.v4!.bytes }, undefined),
    makeTraffic({ packets: small, bytes: small }, undefined),
    makeTraffic(undefined, { ...v6!, dict: new Uint8Array(0) }),
    makeTraffic(v4, { ...v6!, dict: v6!.dict.slice(0, 24) }),
  ];
  const before = grb.liveObjects();
  for (const [at, traffic] of wrong.entries()) {
    assert.throws(() => mapTraffic(grb, traffic, map, { hashKey }), { code: "BAD_ARCHIVE" }, `case ${at}`);
  }
  assert.equal(grb.liveObjects(), before, "nothing is left behind");
  small.dispose();
  good.dispose();
  other.dispose();
});

test("the fast hash is the slow one", () => {
  const bytes = fc.uint8Array({ minLength: 16, maxLength: 16 });
  fc.assert(
    fc.property(bytes, fc.array(bytes, { maxLength: 5 }), (key, list) => {
      const expected = list.map((address) => ipv6Index(key, address));
      assert.deepEqual([...ipv6Indices(keyWords(key), Buffer.concat(list))], expected);
    }),
    { numRuns: 300 },
  );
  assert.equal(IPV6_HASH_KEY_ID_DEFAULT.length, 8);
});

test("radix sorts sort, stably", () => {
  fc.assert(
    fc.property(fc.array(fc.integer({ min: 0, max: 0xffff_ffff })), fc.nat(4), (list, shift) => {
      const keys = Uint32Array.from(list, (key) => key >>> (shift * 8));
      const { sorted, positions } = sortWithPositions(keys);
      const order = [...keys.keys()].sort((a, b) => keys[a]! - keys[b]! || a - b);
      assert.deepEqual([...positions], order);
      assert.deepEqual(
        [...sorted],
        order.map((at) => keys[at]),
      );
      const records = new Uint8Array(list.length * 6);
      const view = new DataView(records.buffer);
      for (const order of ["little", "big"] as const) {
        for (const [at, key] of keys.entries()) view.setUint32(at * 6 + 1, key, order === "little");
        const found = sortRecords(records, { stride: 6, offset: 1, width: 4, order });
        assert.deepEqual([...found], [...positions]);
      }
    }),
  );
});
