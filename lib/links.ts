/**
 * The links of a traffic, in the order people expect (numeric source, then destination), in batches of bounded size.
 *
 * A batch holds *ordinals*: 32-bit numbers in the order of the addresses. For IPv4 the ordinal is the address; for
 * IPv6 it is the address's rank in the dictionary sorted by address, since matrix indices are hashes there.
 */
import type { Matrix } from "graphblas-wasm";
import {
  type ByteOrder,
  compareAddresses6,
  type Family,
  indexToAddress4,
  ipv4Text,
  ipv6TextOfBytes,
  ipv6Value,
} from "./address.js";
import { readDict } from "./dict.js";
import { EXIT, SparsewireError } from "./errors.js";
import type { PlanePair, Planes, Traffic } from "./traffic.js";

/** Links a batch holds at most (unless one source has more), so that a 10 M-link export needs no 10 M-link copy. */
const BATCH_LINKS = 1 << 18;
/** Positions go beside a 32-bit key in an exact double (53 bits); beyond this a radix sort is faster. */
const PACKED_ORDER_MAX = 1 << 14;

/** Values of a plane: numbers, and bigints where a number would not be exact. */
export type Values = (at: number) => number | bigint;

export interface LinkBatch {
  length: number;
  /** Ordinals, one a link. */
  src: Uint32Array;
  dst: Uint32Array;
  packets: Values;
  bytes: Values;
  /** Where some of the traffic was sampled: what was offered, estimated. */
  estimate?: { packets: Values; bytes: Values };
}

export interface LinkList {
  /** Number of links. */
  length: number;
  batches(): Generator<LinkBatch>;
  /** Text of an ordinal. */
  text(ordinal: number): string;
  /** The address as a number, below 2^32 or 2^128: comparable between lists. */
  address(ordinal: number): bigint;
  /** What stands for the address in 64 bits: the address itself (IPv4), the matrices' 60-bit index (IPv6). */
  number(ordinal: number): bigint;
}

/** The links of one family; empty when the traffic has none. */
export function linksOf(traffic: Traffic, family: Family, byteOrder: ByteOrder = "big"): LinkList {
  if (family === 6) return traffic.v6 === undefined ? EMPTY : links6(traffic.v6, traffic.v6.dict);
  if (traffic.v4 === undefined) return EMPTY;
  const planes = traffic.v4;
  return {
    length: Number(planes.packets.nvals),
    batches: () =>
      byteOrder === "big"
        ? naturalBatches(planes)
        : reorderedBatches(planes, (indices) =>
            lowWords(indices).map((word) => indexToAddress4(word, byteOrder)),
          ),
    text: ipv4Text,
    address: BigInt,
    number: BigInt,
  };
}

const EMPTY: LinkList = { length: 0, *batches() {}, text: String, address: BigInt, number: BigInt };

function links6(planes: Planes, bytes: Uint8Array): LinkList {
  const book = addressBook(bytes);
  return {
    length: Number(planes.packets.nvals),
    batches: () => reorderedBatches(planes, (indices) => Uint32Array.from(indices, book.ordinal)),
    text: (ordinal) => ipv6TextOfBytes(book.bytes(ordinal)),
    address: (ordinal) => ipv6Value(book.bytes(ordinal)),
    number: book.index,
  };
}

export interface AddressBook {
  count: number;
  /** Rank of an index's address among all; throws BAD_ARCHIVE when the dictionary lacks it. */
  ordinal(index: bigint): number;
  /** The 16 bytes of an address by its rank. */
  bytes(ordinal: number): Uint8Array;
  /** The index of an address by its rank. */
  index(ordinal: number): bigint;
}

/** A dictionary sorted by address. */
export function addressBook(bytes: Uint8Array): AddressBook {
  const dict = readDict(bytes);
  const sorted = Uint32Array.from({ length: dict.count }, (_, at) => at).sort((a, b) =>
    compareAddresses6(dict.addressAt(a), 0, dict.addressAt(b), 0),
  );
  const rank = new Uint32Array(dict.count);
  sorted.forEach((record, at) => {
    rank[record] = at;
  });
  return {
    count: dict.count,
    ordinal: (index) => {
      const record = dict.find(index);
      if (record < 0) throw unsound(`IPv6 index ${index} is not in its dictionary`);
      return rank[record]!;
    },
    bytes: (ordinal) => dict.addressAt(sorted[ordinal]!),
    index: (ordinal) => dict.indexAt(sorted[ordinal]!),
  };
}

/** Index order is address order: bands of rows are cut out of the matrix one after the other. */
function* naturalBatches(planes: Planes): Generator<LinkBatch> {
  for (const [low, high] of rowBands(planes.packets)) {
    using packets = planes.packets.extractRange(low, high, 0n, planes.packets.ncols);
    using bytes = planes.bytes.extractRange(low, high, 0n, planes.bytes.ncols);
    const { Ap, Ah, Aj, Ax } = packets.toHyperCSR();
    const other = bytes.toHyperCSR();
    requireSamePattern(Aj, other.Aj);
    const src = new Uint32Array(Aj.length);
    for (let row = 0; row < Ah.length; row++) src.fill(Number(Ah[row]), Number(Ap[row]), Number(Ap[row + 1]));
    const batch = {
      length: Aj.length,
      src,
      dst: lowWords(Aj),
      packets: valuesOf(Ax),
      bytes: valuesOf(other.Ax),
    };
    if (planes.estimate === undefined) yield batch;
    else {
      using band = planes.estimate.packets.extractRange(low, high, 0n, planes.packets.ncols);
      using bandBytes = planes.estimate.bytes.extractRange(low, high, 0n, planes.packets.ncols);
      yield { ...batch, estimate: estimateValues({ packets: band, bytes: bandBytes }, Aj) };
    }
  }
}

/** The values of estimates, once their links are known to be those of what was counted. */
function estimateValues(
  { packets, bytes }: PlanePair,
  Aj: BigUint64Array,
): { packets: Values; bytes: Values } {
  const values = (matrix: Matrix): Values => {
    const csr = matrix.toHyperCSR();
    requireSamePattern(Aj, csr.Aj);
    return valuesOf(csr.Ax);
  };
  return { packets: values(packets), bytes: values(bytes) };
}

/** Half-open ranges of rows, all of them together, that hold about BATCH_LINKS links each. */
export function rowBands(matrix: Matrix): [bigint, bigint][] {
  if (Number(matrix.nvals) <= BATCH_LINKS) return [[0n, matrix.nrows]];
  using fanOut = matrix.reduceRows("count");
  const { I, X } = fanOut.extractTuples();
  const bands: [bigint, bigint][] = [];
  let low = 0n;
  let links = 0;
  for (let row = 0; row < I.length; row++) {
    const more = Number(X[row]);
    if (links > 0 && links + more > BATCH_LINKS) {
      bands.push([low, I[row]!]);
      low = I[row]!;
      links = 0;
    }
    links += more;
  }
  bands.push([low, matrix.nrows]);
  return bands;
}

/** Index order is not address order: rows are sorted by ordinal, then the columns within each row. */
function* reorderedBatches(
  planes: Planes,
  ordinals: (indices: BigUint64Array) => Uint32Array,
): Generator<LinkBatch> {
  const { Ap, Ah, Aj, Ax } = planes.packets.toHyperCSR();
  const other = planes.bytes.toHyperCSR();
  requireSamePattern(Aj, other.Aj);
  const packets = valuesOf(Ax);
  const bytes = valuesOf(other.Ax);
  const estimate = planes.estimate && estimateValues(planes.estimate, Aj);
  const rows = ordinals(Ah);
  const columns = ordinals(Aj);
  const src = new Uint32Array(Aj.length);
  const from = new Uint32Array(Aj.length);
  let at = 0;
  for (const row of sortedOrder(rows)) {
    const start = Number(Ap[row]);
    const end = Number(Ap[row + 1]);
    src.fill(rows[row]!, at, at + end - start);
    // Most sources have one destination: nothing to sort, nothing to allocate.
    if (end === start + 1) from[at++] = start;
    else for (const k of sortedOrder(columns.subarray(start, end))) from[at++] = start + k;
  }
  for (let base = 0; base < at; base += BATCH_LINKS) {
    const part = from.subarray(base, Math.min(base + BATCH_LINKS, at));
    yield {
      length: part.length,
      src: src.subarray(base, base + part.length),
      dst: part.map((k) => columns[k]!),
      packets: (k) => packets(part[k]!),
      bytes: (k) => bytes(part[k]!),
      ...(estimate && {
        estimate: { packets: (k) => estimate.packets(part[k]!), bytes: (k) => estimate.bytes(part[k]!) },
      }),
    };
  }
}

/** Positions of `keys` in ascending order of key; equal keys keep their order. */
function sortedOrder(keys: Uint32Array): Uint32Array | number[] {
  if (keys.length === 1) return [0];
  if (keys.length > PACKED_ORDER_MAX) return radixOrder(keys);
  // Key and position in one double: typed arrays of doubles sort natively, without a comparator call.
  const packed = Float64Array.from(keys, (key, at) => key * PACKED_ORDER_MAX + at).sort();
  return Uint32Array.from(packed, (both) => both % PACKED_ORDER_MAX);
}

/** The same by two counting passes over 16 bits each: linear, for the long lists. */
function radixOrder(keys: Uint32Array): Uint32Array {
  let order = Uint32Array.from(keys, (_, at) => at);
  for (const shift of [0, 16]) {
    const next = new Uint32Array(0x1_0000);
    for (const key of keys) next[(key >>> shift) & 0xffff]!++;
    let total = 0;
    for (let digit = 0; digit < next.length; digit++) {
      const count = next[digit]!;
      next[digit] = total;
      total += count;
    }
    const placed = new Uint32Array(keys.length);
    for (const at of order) placed[next[(keys[at]! >>> shift) & 0xffff]!++] = at;
    order = placed;
  }
  return order;
}

/** Numbers for what fits 2^53 (read as two halves: bigints cost an allocation each), bigints beyond. */
function valuesOf(array: ArrayLike<number | bigint>): Values {
  if (!(array instanceof BigUint64Array)) return (at) => array[at]!;
  const words = new Uint32Array(array.buffer, array.byteOffset, array.length * 2);
  return (at) => {
    const high = words[2 * at + 1]!;
    return high < 1 << 21 ? high * 0x1_0000_0000 + words[2 * at]! : array[at]!;
  };
}

/** Low 32 bits of each. WebAssembly and all hosts of Node with it here are little-endian. */
function lowWords(array: BigUint64Array): Uint32Array {
  const words = new Uint32Array(array.buffer, array.byteOffset, array.length * 2);
  const low = new Uint32Array(array.length);
  for (let at = 0; at < low.length; at++) low[at] = words[2 * at]!;
  return low;
}

function requireSamePattern(a: BigUint64Array, b: BigUint64Array): void {
  const same = a.length === b.length && Buffer.compare(bytesOf(a), bytesOf(b)) === 0;
  if (!same) throw unsound("its packets and bytes have different links");
}

function bytesOf(array: BigUint64Array): Uint8Array {
  return new Uint8Array(array.buffer, array.byteOffset, array.byteLength);
}

function unsound(what: string): SparsewireError {
  return new SparsewireError("BAD_ARCHIVE", `not a sound archive: ${what}`, {
    exit: EXIT.badInput,
    mend: "fetch or write the archive again",
  });
}
