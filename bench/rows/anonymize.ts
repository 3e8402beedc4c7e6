import { loadSync } from "graphblas-wasm";
import { anonymizer } from "../../lib/anonymize.js";
import { CryptoPan } from "../../lib/cryptopan.js";
import { IPV6_HASH_KEY_DEFAULT, keyWords } from "../../lib/ipv6-index.js";
import { mapTraffic } from "../../lib/map-traffic.js";
import { makeTraffic } from "../../lib/traffic.js";
import type { Row, RowGroup } from "../report.js";

const KEY = Uint8Array.from({ length: 32 }, (_, at) => at * 7 + 1);
const HASH_KEY = keyWords(Uint8Array.from(IPV6_HASH_KEY_DEFAULT));
const ROUNDS = 7;

/** CryptoPAN on distinct addresses, and on the matrices of a window; one thread. */
export const anonymizeGroup: RowGroup = {
  name: "anonymize",
  about: "CryptoPAN: distinct addresses a second, and what a window's matrices cost",
  run: async ({ smoke }, say) => {
    const bits = smoke ? 8 : 20;
    say(`2^${bits} distinct addresses of each kind`);
    const rows = [...ofAddresses(bits, smoke)];
    for (const linkBits of smoke ? [8] : [17, 20]) {
      say(`matrices of 2^${linkBits} links`);
      rows.push(ofMatrices(linkBits, smoke));
    }
    return rows;
  },
};

function ofAddresses(bits: number, smoke: boolean): Row[] {
  const pan = new CryptoPan(KEY);
  const random = distinct4(1 << bits, false);
  const dense = distinct4(1 << bits, true);
  const six = interfaceIdentifiers(1 << (bits - 3));
  const single = new Uint32Array(1);
  const alone = random.subarray(0, 1 << (bits - 6));
  checkAgainstSingle(pan, random);
  const row = (what: string, count: number, subject: string, work: () => void): Row => {
    const seconds = bestSeconds(smoke ? 1 : ROUNDS, work);
    return { group: "anonymize", what, subject, value: count / seconds / 1e6, unit: "M/s" };
  };
  const all = `2^${bits} distinct addresses`;
  return [
    row("IPv4 addresses", random.length, `random, ${all}`, () => pan.anonymize4(random)),
    row("IPv4 addresses", dense.length, `one block of ${all}`, () => pan.anonymize4(dense)),
    row("IPv4 addresses", alone.length, "random, one call an address", () => {
      for (const address of alone) {
        single[0] = address;
        pan.anonymize4(single);
      }
    }),
    row("IPv6 addresses", six.length / 16, `random interfaces of 256 /64s, 2^${bits - 3} addresses`, () =>
      pan.anonymize6(six),
    ),
  ];
}

/** Random links between random hosts: as many distinct addresses as there can be. */
function ofMatrices(bits: number, smoke: boolean): Row {
  using grb = loadSync();
  const count = 1 << bits;
  const [sources, destinations] = [scrambled(count, 1), scrambled(count, 2)];
  const keys = new BigUint64Array(count);
  const words = new Uint32Array(keys.buffer);
  for (let at = 0; at < count; at++) {
    words[2 * at] = destinations[at]!;
    words[2 * at + 1] = sources[at]!;
  }
  const packets = grb.buildPacked("UINT32", keys, 1, "plus");
  const traffic = makeTraffic({ packets, bytes: packets.cast("UINT64") }, undefined);
  const map = anonymizer({ key: KEY });
  const seconds = bestSeconds(smoke ? 1 : ROUNDS, () =>
    mapTraffic(grb, traffic, map, { hashKey: HASH_KEY }).dispose(),
  );
  const links = packets.nvals;
  traffic.dispose();
  const what = "packets and bytes matrices, all addresses distinct";
  return {
    group: "anonymize",
    what,
    subject: `2^${bits} links`,
    value: (seconds * 1e9) / links,
    unit: "ns/link",
  };
}

/** Sorted distinct addresses: all of one block, or spread over the whole space. */
function distinct4(count: number, isDense: boolean): Uint32Array {
  return isDense ? Uint32Array.from({ length: count }, (_, at) => at) : scrambled(count, 3).sort();
}

/** An odd multiplier permutes 32-bit numbers, so they are distinct; its high bits look random. */
function scrambled(count: number, seed: number): Uint32Array {
  return Uint32Array.from({ length: count }, (_, at) => {
    const x = Math.imul(at * 8 + seed, 0x9e37_79b1);
    return Math.imul(x ^ (x >>> 15), 0x85eb_ca6b) >>> 0;
  });
}

function interfaceIdentifiers(count: number): Uint8Array {
  const [high, low] = [scrambled(count, 4), scrambled(count, 5)];
  const bytes = new Uint8Array(count * 16);
  const view = new DataView(bytes.buffer);
  for (let at = 0; at < count; at++) {
    view.setUint32(at * 16, 0x2001_0db8);
    view.setUint32(at * 16 + 4, Math.floor((at * 256) / count));
    view.setUint32(at * 16 + 8, high[at]!);
    view.setUint32(at * 16 + 12, low[at]!);
  }
  return bytes;
}

/** A benchmark of something that gives wrong answers is worth nothing. */
function checkAgainstSingle(pan: CryptoPan, addresses: Uint32Array): void {
  const mapped = pan.anonymize4(addresses);
  for (let at = 0; at < addresses.length; at += addresses.length >>> 5) {
    const [alone] = pan.anonymize4(addresses.slice(at, at + 1));
    if (alone !== mapped[at]) throw new Error("an address alone is not what it is in a batch");
  }
}

function bestSeconds(rounds: number, work: () => void): number {
  let shortest = Number.POSITIVE_INFINITY;
  for (let round = 0; round < rounds; round++) {
    const start = performance.now();
    work();
    shortest = Math.min(shortest, (performance.now() - start) / 1000);
  }
  return shortest;
}
