/** Looks for addresses in everything a program wrote: as text, as numbers, as bytes in either order, inside blobs too. */
import { randomBytes } from "node:crypto";
import { writeFileSync } from "node:fs";
import { type GraphBLAS, loadSync } from "graphblas-wasm";
import { ipv4Text, ipv6Bytes, ipv6Text, parseIpv4, parseIpv6 } from "../../lib/address.js";
import { IPV6_HASH_KEY_DEFAULT, ipv6Index } from "../../lib/ipv6-index.js";
import { readTar } from "../../lib/tar.js";

/** Clear addresses that no anonymised or made-up byte of a test is by chance. */
export const CLEAR = [
  "198.51.100.37",
  "203.0.113.201",
  "192.0.2.77",
  "172.29.183.114",
  "2001:db8:a7f3:91c2::6e1d:35b9",
  "2001:db8:a7f3:91c2:8f2b:4d6a:17e3:c05d",
] as const;

/** Writes a key as an operator would have it: mode 0600. */
export function writeKey(path: string, mode = 0o600): string {
  writeFileSync(path, `${randomBytes(32).toString("hex")}\n`, { mode });
  return path;
}

/** Every form an address may be told in, with a name for each. */
export function formsOf(address: string): [name: string, bytes: Buffer][] {
  const v4 = parseIpv4(address);
  if (v4 !== undefined) {
    const big = Buffer.alloc(4);
    big.writeUInt32BE(v4);
    return [
      ["text", Buffer.from(ipv4Text(v4))],
      ["number", Buffer.from(String(v4))],
      ["network order", big],
      ["host order", Buffer.from(big).reverse()],
      ["hexadecimal", Buffer.from(big.toString("hex"))],
    ];
  }
  const value = parseIpv6(address)!;
  const big = Buffer.from(ipv6Bytes(value));
  // Its index under the common key names it as surely as its text: whoever guesses an address can check the guess.
  const index = Buffer.alloc(8);
  index.writeBigUInt64LE(ipv6Index(IPV6_HASH_KEY_DEFAULT, big));
  return [
    ["text", Buffer.from(ipv6Text(value))],
    ["network order", big],
    ["interface identifier", big.subarray(8)],
    ["host order", Buffer.from(big).reverse()],
    ["hexadecimal", Buffer.from(big.toString("hex"))],
    ["clear index", index],
    ["clear index, big-endian", Buffer.from(index).reverse()],
  ];
}

/** "address, form" for each that is found. */
export function found(bytes: Uint8Array, addresses: readonly string[] = CLEAR): string[] {
  const haystack = Buffer.from(bytes.buffer, bytes.byteOffset, bytes.length);
  return addresses.flatMap((address) =>
    formsOf(address)
      .filter(([, form]) => haystack.includes(form))
      .map(([name]) => `${address}, ${name}`),
  );
}

let grb: GraphBLAS | undefined;

/** The same in an archive: its bytes, and its blobs decompressed. */
export function foundInArchive(archive: Uint8Array, addresses: readonly string[] = CLEAR): string[] {
  grb ??= loadSync();
  const all = found(archive, addresses);
  for (const { name, data } of readTar(archive).members) {
    if (!name.endsWith(".grb")) continue;
    using matrix = grb.deserialize(data);
    const { Ap, Ah, Aj, Ax } = matrix.toHyperCSR();
    for (const array of [Ap, Ah, Aj, Ax]) {
      const bytes = new Uint8Array(array.buffer, array.byteOffset, array.byteLength);
      all.push(...found(bytes, addresses).map((what) => `${name}: ${what}`));
    }
  }
  return all;
}
