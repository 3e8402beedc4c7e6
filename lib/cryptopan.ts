/**
 * CryptoPAN: prefix-preserving anonymisation of IP addresses. Two addresses that share exactly k leading bits share
 * exactly k leading bits afterwards, and nothing else can be told of them without the key.
 *
 * Bit p of the result is bit p of the address, flipped by the first bit of AES(the address's first p bits, filled up
 * with the pad). Xu, Fan, Ammar, Moon: "Prefix-preserving IP address anonymization", ICNP 2002. The key has 32 bytes:
 * 16 of AES-128, and 16 that are encrypted once to give the pad. IPv6 is the same over 128 bits.
 *
 * A flip depends on the bits before it only, so neighbours in a sorted list share the flips of their common prefix: of n
 * random IPv4 addresses each costs about 33 - log2(n) AES blocks, not 32. Blocks are encrypted in large batches, where
 * OpenSSL uses the processor's AES instructions. All hosts are little-endian here: a block's word is a byte-swapped one.
 */
import { type Cipher, createCipheriv, createHash } from "node:crypto";
import { EXIT, SparsewireError } from "./errors.js";

export const CRYPTOPAN_SCHEME = "cryptopan-aes128";
export const CRYPTOPAN_KEY_BYTES = 32;

const BLOCK_BYTES = 16;
const BLOCK_WORDS = 4;
/** Blocks of a batch: 32 KiB in and as much out stay in the cache, and a call's cost is spread thin. */
const BATCH_BLOCKS = 1 << 11;

const swap32 = (x: number): number => (x << 24) | ((x & 0xff00) << 8) | ((x >>> 8) & 0xff00) | (x >>> 24);

/** The leading `bits` bits of 32 as a mask, a signed word; all for 32 and more. */
const leading = (bits: number): number => (bits <= 0 ? 0 : bits >= 32 ? -1 : -1 << (32 - bits));

export class CryptoPan {
  readonly #cipher: Cipher;
  /** Words as they lie in memory, four a bit p: what the address gives to the block of bit p, and what the pad gives. */
  readonly #keep = new Int32Array(128 * BLOCK_WORDS);
  readonly #fill = new Int32Array(128 * BLOCK_WORDS);
  readonly #blocks = new Int32Array(BATCH_BLOCKS * BLOCK_WORDS);
  /** The same for IPv4, where only the first word of a block differs from the pad. */
  readonly #blocks4 = new Int32Array(BATCH_BLOCKS * BLOCK_WORDS);

  /** `key`: 32 bytes; throws BAD_ANONYMIZATION_KEY for any other length. */
  constructor(key: Uint8Array) {
    if (key.length !== CRYPTOPAN_KEY_BYTES) throw badKey(`${key.length} bytes are not the 32 of a key`);
    this.#cipher = createCipheriv("aes-128-ecb", key.subarray(0, 16), null).setAutoPadding(false);
    const pad = new Int32Array(Uint8Array.from(this.#cipher.update(key.subarray(16))).buffer);
    for (let at = 0; at < this.#keep.length; at++) {
      const [p, j] = [at >>> 2, at & 3];
      this.#keep[at] = swap32(leading(p - 32 * j));
      this.#fill[at] = pad[j]! & ~this.#keep[at]!;
    }
    for (let at = 0; at < this.#blocks4.length; at++) this.#blocks4[at] = pad[at & 3]!;
  }

  /**
   * Anonymised addresses, in the order given. `addresses` should be sorted: what neighbours share is computed once. Only
   * the leading `bits` bits are anonymised and kept, the others are 0.
   */
  anonymize4(addresses: Uint32Array, bits = 32): Uint32Array<ArrayBuffer> {
    const words = new Int32Array(addresses.buffer, addresses.byteOffset, addresses.length);
    const result = new Uint32Array(words.length);
    const first = firstNewBits(words, 1);
    for (let start = 0, end = 0, flips = 0; start < words.length; start = end) {
      end = batchEnd(first, start, bits);
      const output = this.#encrypt(this.#blocks4, this.#fill4(words, first, start, end, bits));
      flips = flip4(words, first, start, end, bits, output, flips, result);
    }
    return result;
  }

  /** The same for IPv6: 16 bytes an address, network order. */
  anonymize6(addresses: Uint8Array, bits = 128): Uint8Array<ArrayBuffer> {
    const words = new Int32Array(new Uint8Array(addresses).buffer);
    const values = words.map(swap32);
    const result = new Int32Array(words.length);
    const first = firstNewBits(values, BLOCK_WORDS);
    const flips = new Int32Array(BLOCK_WORDS);
    for (let start = 0, end = 0; start < first.length; start = end) {
      end = batchEnd(first, start, bits);
      const output = this.#encrypt(this.#blocks, this.#fill6(words, first, start, end, bits));
      flip6(values, first, start, end, bits, output, flips, result);
    }
    return new Uint8Array(result.buffer);
  }

  /** The inverse of anonymize4 over all 32 bits. */
  deanonymize4(addresses: Uint32Array): Uint32Array<ArrayBuffer> {
    const bytes = new Uint8Array(addresses.length * 16);
    const words = new Int32Array(bytes.buffer);
    for (let i = 0; i < addresses.length; i++) words[i * BLOCK_WORDS] = swap32(addresses[i]!);
    this.#invert(bytes, 32);
    return Uint32Array.from(addresses, (_, i) => swap32(words[i * BLOCK_WORDS]!));
  }

  /** The inverse of anonymize6 over all 128 bits. */
  deanonymize6(addresses: Uint8Array): Uint8Array<ArrayBuffer> {
    return this.#invert(new Uint8Array(addresses), 128);
  }

  /** In place, 16 bytes an address; bit by bit, as each flip depends on the clear bits before it. */
  #invert(bytes: Uint8Array<ArrayBuffer>, bits: number): Uint8Array<ArrayBuffer> {
    const count = bytes.length / 16;
    const words = new Int32Array(bytes.buffer);
    for (let start = 0; start < count; start += BATCH_BLOCKS) {
      const end = Math.min(count, start + BATCH_BLOCKS);
      for (let p = 0; p < bits; p++) {
        for (let i = start; i < end; i++) this.#put((i - start) * BLOCK_WORDS, words, i * BLOCK_WORDS, p);
        const output = this.#encrypt(this.#blocks, end - start);
        for (let i = start; i < end; i++) {
          bytes[i * 16 + (p >>> 3)]! ^= (output[(i - start) * BLOCK_BYTES]! >>> 7) << (7 - (p & 7));
        }
      }
    }
    return bytes;
  }

  /** Puts the blocks of addresses start to end in order; how many. */
  #fill4(words: Int32Array, first: Uint8Array, start: number, end: number, bits: number): number {
    const [keep, fill, blocks] = [this.#keep, this.#fill, this.#blocks4];
    const last = bits * BLOCK_WORDS;
    let at = 0;
    for (let i = start; i < end; i++) {
      const word = swap32(words[i]!);
      for (let p = first[i]! * BLOCK_WORDS; p < last; p += BLOCK_WORDS, at += BLOCK_WORDS) {
        blocks[at] = (word & keep[p]!) | fill[p]!;
      }
    }
    return at / BLOCK_WORDS;
  }

  #fill6(words: Int32Array, first: Uint8Array, start: number, end: number, bits: number): number {
    const [keep, fill, blocks] = [this.#keep, this.#fill, this.#blocks];
    const last = bits * BLOCK_WORDS;
    let at = 0;
    for (let i = start * BLOCK_WORDS; i < end * BLOCK_WORDS; i += BLOCK_WORDS) {
      const [a, b, c, d] = [words[i]!, words[i + 1]!, words[i + 2]!, words[i + 3]!];
      for (let p = first[i >>> 2]! * BLOCK_WORDS; p < last; p += BLOCK_WORDS, at += BLOCK_WORDS) {
        blocks[at] = (a & keep[p]!) | fill[p]!;
        blocks[at + 1] = (b & keep[p + 1]!) | fill[p + 1]!;
        blocks[at + 2] = (c & keep[p + 2]!) | fill[p + 2]!;
        blocks[at + 3] = (d & keep[p + 3]!) | fill[p + 3]!;
      }
    }
    return at / BLOCK_WORDS;
  }

  /** The block of bit p of the 128-bit address at `from`. */
  #put(at: number, words: Int32Array, from: number, p: number): void {
    const [keep, fill, blocks] = [this.#keep, this.#fill, this.#blocks];
    const mask = p * BLOCK_WORDS;
    blocks[at] = (words[from]! & keep[mask]!) | fill[mask]!;
    blocks[at + 1] = (words[from + 1]! & keep[mask + 1]!) | fill[mask + 1]!;
    blocks[at + 2] = (words[from + 2]! & keep[mask + 2]!) | fill[mask + 2]!;
    blocks[at + 3] = (words[from + 3]! & keep[mask + 3]!) | fill[mask + 3]!;
  }

  /** The first bytes of the result are what is wanted, 16 apart. */
  #encrypt(blocks: Int32Array<ArrayBuffer>, count: number): Uint8Array {
    return this.#cipher.update(new Uint8Array(blocks.buffer, 0, count * BLOCK_BYTES));
  }
}

/** What archives call a key: the first 8 hexadecimal digits of its SHA-256. */
export const anonymizationKeyId = (key: Uint8Array): string =>
  createHash("sha256").update(key).digest("hex").slice(0, 8);

/** The key of 64 hexadecimal digits, white space around them allowed; throws BAD_ANONYMIZATION_KEY. */
export function parseAnonymizationKey(text: string, where: string): Uint8Array<ArrayBuffer> {
  const digits = text.trim();
  if (!/^[0-9a-f]{64}$/i.test(digits)) throw badKey(`${where} is not a key of 64 hexadecimal digits`);
  return Uint8Array.from(Buffer.from(digits, "hex"));
}

/**
 * For each address the first bit whose flip the address before it does not give: where k leading bits are common, bits
 * 0 to k are flipped alike. `size` words an address, values (not memory) of their bytes in network order.
 */
function firstNewBits(words: Int32Array, size: number): Uint8Array {
  const first = new Uint8Array(words.length / size);
  for (let i = 1; i < first.length; i++) {
    let bits = 0;
    for (let at = i * size; at < (i + 1) * size; at++) {
      const common = Math.clz32(words[at]! ^ words[at - size]!);
      bits += common;
      if (common < 32) break;
    }
    first[i] = bits + 1;
  }
  return first;
}

/** The end of a batch of addresses, at least one, whose blocks fit. */
function batchEnd(first: Uint8Array, start: number, bits: number): number {
  let end = start;
  for (let used = 0; end < first.length; end++) {
    used += Math.max(0, bits - first[end]!);
    if (used > BATCH_BLOCKS) break;
  }
  return end;
}

/** Takes the flips of addresses start to end out of the encrypted blocks; `flips` are those of the address before. */
function flip4(
  words: Int32Array,
  first: Uint8Array,
  start: number,
  end: number,
  bits: number,
  output: Uint8Array,
  flips: number,
  result: Uint32Array,
): number {
  const kept = leading(bits);
  let current = flips;
  let at = 0;
  for (let i = start; i < end; i++) {
    let fresh = 0;
    const from = first[i]!;
    for (let p = from; p < bits; p++, at += BLOCK_BYTES) fresh = (fresh << 1) | (output[at]! >>> 7);
    if (from < bits) current = (current & leading(from)) | (fresh << (32 - bits));
    result[i] = (words[i]! ^ current) & kept;
  }
  return current;
}

/** The same for four words an address, most significant first; `flips` is carried on in place. */
function flip6(
  values: Int32Array,
  first: Uint8Array,
  start: number,
  end: number,
  bits: number,
  output: Uint8Array,
  flips: Int32Array,
  result: Int32Array,
): void {
  let at = 0;
  for (let i = start; i < end; i++) {
    const from = first[i]!;
    for (let base = from & ~31; base < bits; base += 32) {
      const low = Math.max(from, base);
      const high = Math.min(bits, base + 32);
      let fresh = 0;
      for (let p = low; p < high; p++, at += BLOCK_BYTES) fresh = (fresh << 1) | (output[at]! >>> 7);
      if (low >= high) continue;
      const j = base >>> 5;
      flips[j] = (flips[j]! & leading(low - base)) | (fresh << (base + 32 - high));
    }
    for (let j = 0; j < BLOCK_WORDS; j++) {
      const k = i * BLOCK_WORDS + j;
      result[k] = swap32((values[k]! ^ flips[j]!) & leading(bits - 32 * j));
    }
  }
}

/** Zeroes everything behind the leading `bits` bits of 16 bytes. */
export function keepLeadingBits(bytes: Uint8Array, bits: number): void {
  if (bits >= 128) return;
  bytes[bits >>> 3]! &= 0xff00 >> (bits & 7);
  bytes.fill(0, (bits >>> 3) + 1);
}

const badKey = (what: string): SparsewireError =>
  new SparsewireError("BAD_ANONYMIZATION_KEY", what, {
    exit: EXIT.usage,
    mend: "make one that only its owner reads: (umask 077; openssl rand -hex 32 > anonymize.key)",
  });
