/** Random traffic for the aggregator's tests: archives with real matrices, and the same links in a Map to compare with. */
import { type GraphBLAS, loadSync } from "graphblas-wasm";
import { ipv4Text } from "../../lib/address.js";
import type { ManifestHead } from "../../lib/manifest.js";
import { DIMENSION4, encodeTraffic, makeTraffic } from "../../lib/traffic.js";
import { head } from "./client.js";

/** "src,dst" (as text) -> packets and bytes */
export type Links = Map<string, { packets: number; bytes: number }>;

let shared: GraphBLAS | undefined;
export const grb = (): GraphBLAS => (shared ??= loadSync());

/** A small repeatable generator (mulberry32). */
export function random(seed: number): () => number {
  let state = seed >>> 0;
  return () => {
    state = (state + 0x6d2b79f5) >>> 0;
    let t = Math.imul(state ^ (state >>> 15), 1 | state);
    t = (t + Math.imul(t ^ (t >>> 7), 61 | t)) ^ t;
    return ((t ^ (t >>> 14)) >>> 0) / 2 ** 32;
  };
}

/** An archive with `count` random links among few addresses; what it holds is added to `into`. */
export function trafficArchive(
  overrides: Partial<ManifestHead>,
  count: number,
  next: () => number,
  into: Links,
): Uint8Array {
  const I = new BigUint64Array(count);
  const J = new BigUint64Array(count);
  const packets = new BigUint64Array(count);
  const bytes = new BigUint64Array(count);
  const totals = { packets: 0, bytes: 0 };
  for (let at = 0; at < count; at++) {
    const [src, dst] = [0x0a000000 + Math.floor(next() * 40), 0xc0a80000 + Math.floor(next() * 40)];
    const [p, b] = [1 + Math.floor(next() * 9), 64 + Math.floor(next() * 1400)];
    [I[at], J[at], packets[at], bytes[at]] = [BigInt(src), BigInt(dst), BigInt(p), BigInt(b)];
    addLink(into, `${ipv4Text(src)},${ipv4Text(dst)}`, p, b);
    totals.packets += p;
    totals.bytes += b;
  }
  const traffic = makeTraffic(
    count === 0
      ? undefined
      : {
          packets: grb().build("UINT64", DIMENSION4, DIMENSION4, I, J, packets, "plus"),
          bytes: grb().build("UINT64", DIMENSION4, DIMENSION4, I, J, bytes, "plus"),
        },
    undefined,
  );
  const counts = { frames: totals.packets, ...totals, reasons: { ipv4: totals.packets } as never };
  const { archive } = encodeTraffic(grb(), traffic, head({ ...counts, ...overrides }));
  traffic.dispose();
  return archive;
}

/** An archive with one link of these counts; frames and reasons are those of its packets unless given. */
export function oneLinkArchive(overrides: Partial<ManifestHead>, packets: number, bytes: number): Uint8Array {
  const [I, J] = [BigUint64Array.of(0x0a000001n), BigUint64Array.of(0x0a000002n)];
  const plane = (value: number) =>
    grb().build("UINT64", DIMENSION4, DIMENSION4, I, J, BigUint64Array.of(BigInt(value)));
  const traffic = makeTraffic({ packets: plane(packets), bytes: plane(bytes) }, undefined);
  const counts = { frames: packets, packets, bytes, reasons: { ipv4: packets } as never };
  const { archive } = encodeTraffic(grb(), traffic, head({ ...counts, ...overrides }));
  traffic.dispose();
  return archive;
}

export function addLink(links: Links, key: string, packets: number, bytes: number): void {
  const known = links.get(key) ?? { packets: 0, bytes: 0 };
  links.set(key, { packets: known.packets + packets, bytes: known.bytes + bytes });
}

/** The links of a csv answer. */
export function linksOfCsv(csv: string): Links {
  const links: Links = new Map();
  const [header, ...rows] = csv.trimEnd().split("\n");
  if (header !== "src,dst,packets,bytes") throw new Error(`not the expected header: ${header}`);
  for (const row of rows) {
    const [src, dst, packets, bytes] = row.split(",");
    addLink(links, `${src},${dst}`, Number(packets), Number(bytes));
  }
  return links;
}

export const sortedLinks = (links: Links) => [...links].sort(([a], [b]) => (a < b ? -1 : 1));
