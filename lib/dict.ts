/**
 * `links6.dict`: which IPv6 address an index of the IPv6 matrices stands for.
 *
 * Records of 24 bytes, {u64 index, little-endian; u8 address[16], network order}, strictly increasing by index,
 * every index below 2^60.
 */
import { EXIT, SparsewireError } from "./errors.js";

export const DICT_RECORD_BYTES = 24;

export interface DictEntry {
  index: bigint;
  /** 16 bytes, network order. */
  address: Uint8Array;
}

/** A checked dictionary over the bytes it was made of. */
export class Dict {
  readonly count: number;
  private readonly view: DataView;

  /** Throws SparsewireError BAD_DICT when the bytes are not whole records in order. */
  constructor(readonly bytes: Uint8Array) {
    if (bytes.length % DICT_RECORD_BYTES !== 0) throw bad(`${bytes.length} bytes are not whole records`);
    this.count = bytes.length / DICT_RECORD_BYTES;
    this.view = new DataView(bytes.buffer, bytes.byteOffset, bytes.length);
    for (let i = 0; i < this.count; i++) {
      if (this.high(i) >= 1 << 28) throw bad(`record ${i} has an index of more than 60 bits`);
      if (i > 0 && !this.precedes(i - 1, this, i)) throw bad(`record ${i} is out of order`);
    }
  }

  indexAt(i: number): bigint {
    return this.view.getBigUint64(i * DICT_RECORD_BYTES, true);
  }

  /** A view of 16 bytes. */
  addressAt(i: number): Uint8Array {
    return this.bytes.subarray(i * DICT_RECORD_BYTES + 8, (i + 1) * DICT_RECORD_BYTES);
  }

  /** Copies of all addresses, 16 bytes each, in order of their indices. */
  addresses(): Uint8Array<ArrayBuffer> {
    const all = new Uint8Array(16 * this.count);
    for (let i = 0; i < this.count; i++) all.set(this.addressAt(i), 16 * i);
    return all;
  }

  /** Record number of an index, or -1. */
  find(index: bigint): number {
    let [low, high] = [0, this.count];
    while (low < high) {
      const middle = (low + high) >>> 1;
      if (this.indexAt(middle) < index) low = middle + 1;
      else high = middle;
    }
    return low < this.count && this.indexAt(low) === index ? low : -1;
  }

  /** The address of an index, or undefined. */
  lookup(index: bigint): Uint8Array | undefined {
    const i = this.find(index);
    return i < 0 ? undefined : this.addressAt(i);
  }

  high(i: number): number {
    return this.view.getUint32(i * DICT_RECORD_BYTES + 4, true);
  }

  low(i: number): number {
    return this.view.getUint32(i * DICT_RECORD_BYTES, true);
  }

  /** Whether record i has a smaller index than record j of another dictionary. Halves, as bigints are slow. */
  precedes(i: number, other: Dict, j: number): boolean {
    const [a, b] = [this.high(i), other.high(j)];
    return a < b || (a === b && this.low(i) < other.low(j));
  }
}

/** Checks and opens a dictionary; throws BAD_DICT. */
export const readDict = (bytes: Uint8Array): Dict => new Dict(bytes);

/** The bytes of a dictionary; entries in any order, of equal indices the first stays. */
export function writeDict(entries: Iterable<DictEntry>): Uint8Array<ArrayBuffer> {
  const first = new Map<bigint, Uint8Array>();
  for (const { index, address } of entries) if (!first.has(index)) first.set(index, address);
  const sorted = [...first].sort(([a], [b]) => (a < b ? -1 : 1));
  const bytes = new Uint8Array(sorted.length * DICT_RECORD_BYTES);
  const view = new DataView(bytes.buffer);
  sorted.forEach(([index, address], i) => {
    if (address.length !== 16) throw bad(`an address of ${address.length} bytes`);
    view.setBigUint64(i * DICT_RECORD_BYTES, index, true);
    bytes.set(address, i * DICT_RECORD_BYTES + 8);
  });
  return new Dict(bytes).bytes as Uint8Array<ArrayBuffer>;
}

/**
 * The union of two dictionaries. `collisions` counts the indices that stand for one address in `a` and another in
 * `b`: a's address stays, and packets of both are under the one index.
 */
export function mergeDicts(a: Uint8Array, b: Uint8Array): { dict: Uint8Array; collisions: number } {
  const [left, right] = [readDict(a), readDict(b)];
  if (left.count === 0) return { dict: b, collisions: 0 };
  if (right.count === 0) return { dict: a, collisions: 0 };
  const merged = new Uint8Array(a.length + b.length);
  let [i, j, at, collisions] = [0, 0, 0, 0];
  while (i < left.count || j < right.count) {
    const takeLeft = j >= right.count || (i < left.count && !right.precedes(j, left, i));
    const isBoth = takeLeft && j < right.count && !left.precedes(i, right, j);
    if (isBoth && !sameAddress(left, i, right, j)) collisions++;
    const [from, record] = takeLeft ? [a, i++] : [b, j];
    if (!takeLeft || isBoth) j++;
    merged.set(from.subarray(record * DICT_RECORD_BYTES, (record + 1) * DICT_RECORD_BYTES), at);
    at += DICT_RECORD_BYTES;
  }
  return { dict: merged.subarray(0, at), collisions };
}

function sameAddress(a: Dict, i: number, b: Dict, j: number): boolean {
  const [left, right] = [a.addressAt(i), b.addressAt(j)];
  return left.every((byte, k) => byte === right[k]);
}

const bad = (what: string): SparsewireError =>
  new SparsewireError("BAD_DICT", `not a sound IPv6 dictionary: ${what}`, {
    exit: EXIT.badInput,
    mend: "fetch or write the archive again",
  });
