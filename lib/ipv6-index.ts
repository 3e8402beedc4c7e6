/**
 * The matrix index of an IPv6 address: SipHash-2-4 of its 16 bytes under a 128-bit key, its low 60 bits.
 *
 * The sandbox computes the same in C (native/sandbox); this one is slow (bigint), for re-indexing and tests.
 * Sensors whose matrices are to be summed must share the key: archives name it by `keyId`.
 * SipHash: Aumasson and Bernstein, "SipHash: a fast short-input PRF", 2012.
 */
import { createHash } from "node:crypto";

export const IPV6_INDEX_BITS = 60;
export const IPV6_HASH_SCHEME = "siphash-2-4/60";

/** The key of a sensor that is given none: not a secret, only a common one. */
export const IPV6_HASH_KEY_DEFAULT: Readonly<Uint8Array> = new TextEncoder().encode("sparsewire-ipv6\n");

const MASK = 0xffffffffffffffffn;
const rotate = (value: bigint, bits: bigint): bigint => ((value << bits) | (value >> (64n - bits))) & MASK;

/** SipHash-2-4, 64 bits, of any bytes under a key of 16 bytes. */
export function sipHash24(key: Uint8Array, bytes: Uint8Array): bigint {
  const k = new DataView(key.buffer, key.byteOffset, 16);
  const [k0, k1] = [k.getBigUint64(0, true), k.getBigUint64(8, true)];
  let v0 = k0 ^ 0x736f6d6570736575n;
  let v1 = k1 ^ 0x646f72616e646f6dn;
  let v2 = k0 ^ 0x6c7967656e657261n;
  let v3 = k1 ^ 0x7465646279746573n;
  const rounds = (count: number): void => {
    for (let i = 0; i < count; i++) {
      v0 = (v0 + v1) & MASK;
      v1 = rotate(v1, 13n) ^ v0;
      v0 = rotate(v0, 32n);
      v2 = (v2 + v3) & MASK;
      v3 = rotate(v3, 16n) ^ v2;
      v0 = (v0 + v3) & MASK;
      v3 = rotate(v3, 21n) ^ v0;
      v2 = (v2 + v1) & MASK;
      v1 = rotate(v1, 17n) ^ v2;
      v2 = rotate(v2, 32n);
    }
  };
  // Whole words, then the rest of the bytes below the length in the top byte.
  const padded = new Uint8Array(Math.floor(bytes.length / 8) * 8 + 8);
  padded.set(bytes);
  padded[padded.length - 1] = bytes.length & 255;
  const words = new DataView(padded.buffer);
  for (let at = 0; at < padded.length; at += 8) {
    const word = words.getBigUint64(at, true);
    v3 ^= word;
    rounds(2);
    v0 ^= word;
  }
  v2 ^= 0xffn;
  rounds(4);
  return v0 ^ v1 ^ v2 ^ v3;
}

/** The index of 16 address bytes under a key: 0 to 2^60 - 1. */
export const ipv6Index = (key: Uint8Array, address: Uint8Array): bigint =>
  BigInt.asUintN(IPV6_INDEX_BITS, sipHash24(key, address));

/** The two little-endian words of a key, as control.hash_key has them. */
export function keyWords(key: Uint8Array): [bigint, bigint] {
  const view = new DataView(key.buffer, key.byteOffset, 16);
  return [view.getBigUint64(0, true), view.getBigUint64(8, true)];
}

/** What archives call a key: the first 8 hexadecimal digits of its SHA-256. */
export const keyId = (key: Uint8Array): string => createHash("sha256").update(key).digest("hex").slice(0, 8);

export const IPV6_HASH_KEY_ID_DEFAULT = keyId(IPV6_HASH_KEY_DEFAULT);
