/** The independent matrix builder: links in a Map, counted one by one; and what a sealed slot says, in the same shape. */
import assert from "node:assert/strict";
import type { SealedMatrix, SealedSlot } from "../../daemon/capture/control-view.js";
import { INDEX_MASK, siphash24 } from "./siphash.js";

/** "source destination" (decimal indices) -> [packets, bytes]. */
export type Links = Map<string, [packets: number, bytes: bigint]>;

export function addLink(links: Links, source: bigint, destination: bigint, bytes: bigint, packets = 1): void {
  const name = `${source} ${destination}`;
  const link = links.get(name);
  if (link === undefined) links.set(name, [packets, bytes]);
  else {
    link[0] += packets;
    link[1] += bytes;
  }
}

/** Adds all links of `from` to `into`. */
export function addLinks(into: Links, from: Links): void {
  for (const [name, [packets, bytes]] of from) {
    const [source, destination] = name.split(" ");
    addLink(into, BigInt(source!), BigInt(destination!), bytes, packets);
  }
}

/** Reads HyperCSR arrays, checking every rule they have to keep. */
export function linksOf(matrix: SealedMatrix): Links {
  const { Ap, Ah, Aj, packets, bytes } = matrix;
  const links: Links = new Map();
  if (Aj.length === 0) {
    assert.equal(Ah.length, 0);
    return links;
  }
  assert.equal(Ap.length, Ah.length + 1);
  assert.equal(Ap[0], 0n);
  assert.equal(Ap[Ah.length], BigInt(Aj.length));
  for (let row = 0; row < Ah.length; row++) {
    assert.ok(row === 0 || Ah[row]! > Ah[row - 1]!, "Ah increases");
    assert.ok(Ap[row + 1]! > Ap[row]!, "no row is empty");
    for (let i = Number(Ap[row]); i < Number(Ap[row + 1]); i++) {
      assert.ok(i === Number(Ap[row]) || Aj[i]! > Aj[i - 1]!, "Aj increases in a row");
      assert.ok(packets[i]! > 0, "no link without a packet");
      addLink(links, Ah[row]!, Aj[i]!, bytes[i]!, packets[i]!);
    }
  }
  return links;
}

export const bytesToBigInt = (bytes: Uint8Array): bigint => BigInt(`0x${Buffer.from(bytes).toString("hex")}`);

/** The index of an IPv6 address in a matrix. */
export const index6 = (address: Uint8Array, key: [bigint, bigint], mask = INDEX_MASK): bigint =>
  siphash24(address, key) & mask;

/** The dictionary of a slot, index -> address in hexadecimal; checks its order. */
export function dictionaryOf(slot: SealedSlot): Map<bigint, string> {
  const entries = new Map<bigint, string>();
  let last = -1n;
  for (let at = 0; at < slot.dict.length; at += 24) {
    const record = Buffer.from(slot.dict.subarray(at, at + 24));
    const index = record.readBigUInt64LE(0);
    assert.ok(index > last, "the dictionary is sorted by index");
    last = index;
    entries.set(index, record.subarray(8).toString("hex"));
  }
  return entries;
}

/** Fails with a short difference, not with two maps of thousands. */
export function assertLinks(actual: Links, expected: Links, what = ""): void {
  for (const [name, [packets, bytes]] of expected) {
    const link = actual.get(name);
    assert.deepEqual(link, [packets, bytes], `${what} link ${name}`);
  }
  assert.equal(actual.size, expected.size, `${what} number of links`);
}
