/** Small captures and archives with known contents, and a slow model of a matrix to compare with. */
import type { GraphBLAS } from "graphblas-wasm";
import { ipv6Bytes, parseIpv4, parseIpv6 } from "../../lib/address.js";
import { DICT_RECORD_BYTES, writeDict } from "../../lib/dict.js";
import { IPV6_HASH_KEY_DEFAULT, IPV6_HASH_KEY_ID_DEFAULT, ipv6Index } from "../../lib/ipv6-index.js";
import type { ManifestHead } from "../../lib/manifest.js";
import {
  DIMENSION4,
  DIMENSION6,
  encodeTraffic,
  estimateTraffic,
  makeTraffic,
  type Planes,
  type Traffic,
} from "../../lib/traffic.js";
import { exampleHead } from "../archive/example.js";
import { eth, pcapFile } from "../pcap/writer.js";

/** src, dst, packets, bytes. */
export type Row = [src: string, dst: string, packets: number, bytes: number];

/** A capture with `packets` frames for each row; bytes are what the frames come to. */
export function captureOf(pairs: [src: string, dst: string, packets: number][]): Uint8Array<ArrayBuffer> {
  const records = pairs.flatMap(([src, dst, packets]) =>
    Array.from({ length: packets }, () => {
      const packet = src.includes(":") ? eth().ipv6(src, dst) : eth().ipv4(src, dst);
      return { data: packet.udp(1, 2, 10).bytes(), timestamp: 1_700_000_000_000_000_000n };
    }),
  );
  return pcapFile(records);
}

export function trafficFrom(grb: GraphBLAS, rows: Row[], byteOrder: "big" | "little" = "big"): Traffic {
  const four = rows.filter(([src]) => !src.includes(":"));
  const six = rows.filter(([src]) => src.includes(":"));
  const index4 = (text: string): bigint => {
    const number = parseIpv4(text)!;
    if (byteOrder === "big") return BigInt(number);
    const view = new DataView(new ArrayBuffer(4));
    view.setUint32(0, number);
    return BigInt(view.getUint32(0, true));
  };
  const index6 = (text: string): bigint => ipv6Index(IPV6_HASH_KEY_DEFAULT, ipv6Bytes(parseIpv6(text)!));
  const v4 = four.length === 0 ? undefined : planes(grb, DIMENSION4, four, index4);
  if (six.length === 0) return makeTraffic(v4, undefined);
  const entries = [...new Set([...six.map(([src]) => src), ...six.map(([, dst]) => dst)])].map((text) => ({
    index: index6(text),
    address: ipv6Bytes(parseIpv6(text)!),
  }));
  const dict = writeDict(entries);
  return makeTraffic(v4, { ...planes(grb, DIMENSION6, six, index6), dict, keyId: IPV6_HASH_KEY_ID_DEFAULT });
}

function planes(grb: GraphBLAS, size: bigint, rows: Row[], index: (text: string) => bigint): Planes {
  const I = BigUint64Array.from(rows, ([src]) => index(src));
  const J = BigUint64Array.from(rows, ([, dst]) => index(dst));
  return {
    packets: grb.build(
      "UINT32",
      size,
      size,
      I,
      J,
      Uint32Array.from(rows, ([, , packets]) => packets),
    ),
    bytes: grb.build(
      "UINT64",
      size,
      size,
      I,
      J,
      BigUint64Array.from(rows, ([, , , bytes]) => BigInt(bytes)),
    ),
  };
}

/** An archive with these links, whose manifest fits them. */
export function archiveOf(
  grb: GraphBLAS,
  rows: Row[],
  changes: Partial<ManifestHead> = {},
): Uint8Array<ArrayBuffer> {
  using traffic = disposable(trafficFrom(grb, rows, changes.byte_order ?? "big"));
  if (changes.shed !== undefined) estimateTraffic(traffic, changes.sampling ?? 1);
  const count = (isSix: boolean) =>
    rows.filter(([src]) => src.includes(":") === isSix).reduce((total, [, , packets]) => total + packets, 0);
  const [ipv4, ipv6] = [count(false), count(true)];
  const addresses = (traffic.v6?.dict.length ?? 0) / DICT_RECORD_BYTES;
  const head = exampleHead();
  const none = Object.fromEntries(Object.keys(head.reasons).map((reason) => [reason, 0]));
  return encodeTraffic(grb, traffic, {
    ...head,
    frames: ipv4 + ipv6,
    packets: ipv4 + ipv6,
    bytes: rows.reduce((total, [, , , bytes]) => total + bytes, 0),
    reasons: { ...none, ipv4, ipv6 } as ManifestHead["reasons"],
    ipv6:
      ipv6 === 0
        ? null
        : { hash: "siphash-2-4/60", key_id: IPV6_HASH_KEY_ID_DEFAULT, addresses, collisions: 0 },
    ...changes,
  }).archive;
}

export function disposable<T extends { dispose(): void }>(value: T): T & Disposable {
  return Object.assign(value, { [Symbol.dispose]: () => value.dispose() });
}
