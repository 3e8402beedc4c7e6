/** A traffic matrix cut into its sub-matrices: every source range x destination range, "everything else" among them. */
import type { GraphBLAS, HyperCSR } from "graphblas-wasm";
import { type ByteOrder, type Family, ipv6Value, swap32 } from "./address.js";
import { addressBook } from "./links.js";
import { type AddressRange, EVERYTHING_ELSE, type Segments, segmentsOf } from "./ranges.js";
import {
  NOTHING,
  type Planes,
  planesOf,
  type Quantities,
  quantitiesOfMatrix,
  type Traffic,
} from "./traffic.js";

export interface PairOptions {
  family: Family;
  /** Of IPv4 indices; default big. */
  byteOrder?: ByteOrder;
}

/** The links from one range to another: at least one. */
export interface RangePair {
  /** Positions in the list; the list's length is everything else. */
  source: number;
  destination: number;
  n_bytes: number;
  /** Its matrices, with the dimensions and indices of the whole; the caller's to free. */
  planes(): Planes;
}

export interface RangeQuantities {
  family: Family;
  src_range: string;
  dst_range: string;
  /** Of the packets. */
  packets: Quantities;
  n_bytes: number;
}

type Values = Uint32Array | BigUint64Array;

/**
 * Pairs of ranges that have links, sources in the list's order, then destinations. Every link is in exactly one of them:
 * where blocks lie within one another, the longest prefix has the address.
 */
export function* rangePairs(
  grb: GraphBLAS,
  traffic: Traffic,
  ranges: readonly AddressRange[],
  options: PairOptions,
): Generator<RangePair> {
  const whole = options.family === 4 ? traffic.v4 : traffic.v6;
  if (whole === undefined) return;
  const arrays = whole.packets.toHyperCSR();
  const bytes = whole.bytes.toHyperCSR().Ax as BigUint64Array;
  const rangeOf = rangeFinder(traffic, ranges, options);
  const side = ranges.length + 1;
  const { rows, order, starts } = sortByPair(arrays, rangeOf(arrays.Ah), rangeOf(arrays.Aj), side);
  for (let pair = 0; pair < side * side; pair++) {
    const entries = order.subarray(starts[pair], starts[pair + 1]);
    if (entries.length === 0) continue;
    yield {
      source: Math.floor(pair / side),
      destination: pair % side,
      n_bytes: sumOf(bytes, entries),
      planes: () => {
        const { nrows } = whole.packets;
        const pattern = patternOf(arrays, rows, entries);
        return planesOf(grb, nrows, pattern, picked(arrays.Ax as Values, entries), picked(bytes, entries))!;
      },
    };
  }
}

/** The quantities of every pair of ranges of one family, whether it has links or not, in the order of rangePairs(). */
export function* rangeQuantities(
  grb: GraphBLAS,
  traffic: Traffic,
  ranges: readonly AddressRange[],
  options: PairOptions,
): Generator<RangeQuantities> {
  const own = ranges.map(({ blocks }) => blocks.some(({ family }) => family === options.family));
  const names = [...ranges.map(({ name }) => name), EVERYTHING_ELSE];
  const shown = [...names.keys()].filter((at) => own[at] ?? true);
  const pairs = rangePairs(grb, traffic, ranges, options);
  let next = pairs.next();
  for (const source of shown) {
    for (const destination of shown) {
      const pair = next.value as RangePair | undefined;
      const isHere = pair?.source === source && pair.destination === destination;
      yield {
        family: options.family,
        src_range: names[source]!,
        dst_range: names[destination]!,
        ...(isHere ? figuresOf(pair) : { packets: { ...NOTHING }, n_bytes: 0 }),
      };
      if (isHere) next = pairs.next();
    }
  }
}

function figuresOf(pair: RangePair): Pick<RangeQuantities, "packets" | "n_bytes"> {
  const { packets, bytes } = pair.planes();
  try {
    return { packets: quantitiesOfMatrix(packets), n_bytes: pair.n_bytes };
  } finally {
    packets.dispose();
    bytes.dispose();
  }
}

/** Positions of the entries by pair, row-major within one; `starts` of each pair and the end; the row of each entry. */
function sortByPair(
  { Ap, Ah, Aj }: HyperCSR<BigUint64Array>,
  sources: Uint16Array,
  destinations: Uint16Array,
  side: number,
): { rows: Uint32Array; order: Uint32Array; starts: Uint32Array } {
  const [rows, pairs, order] = [Aj, Aj, Aj].map(({ length }) => new Uint32Array(length)) as [
    Uint32Array,
    Uint32Array,
    Uint32Array,
  ];
  const starts = new Uint32Array(side * side + 1);
  for (let at = 0, row = 0; row < Ah.length; row++) {
    const first = sources[row]! * side;
    for (const end = Number(Ap[row + 1]); at < end; at++) {
      const pair = first + destinations[at]!;
      rows[at] = row;
      pairs[at] = pair;
      starts[pair + 1]!++;
    }
  }
  for (let at = 1; at < starts.length; at++) starts[at]! += starts[at - 1]!;
  const next = starts.slice();
  for (let at = 0; at < pairs.length; at++) order[next[pairs[at]!]!++] = at;
  return { rows, order, starts };
}

function patternOf(
  { Ah, Aj }: HyperCSR<BigUint64Array>,
  rows: Uint32Array,
  entries: Uint32Array,
): Omit<HyperCSR<BigUint64Array>, "Ax"> {
  const [ends, own]: [number[], number[]] = [[0], []];
  entries.forEach((entry, at) => {
    const row = rows[entry]!;
    if (own.at(-1) !== row) own.push(row);
    ends[own.length] = at + 1;
  });
  return {
    Ap: BigUint64Array.from(ends, BigInt),
    Ah: BigUint64Array.from(own, (row) => Ah[row]!),
    Aj: picked(Aj, entries),
  };
}

function picked<T extends Values>(values: T, entries: Uint32Array): T {
  if (values instanceof BigUint64Array) {
    const result = new BigUint64Array(entries.length);
    for (let at = 0; at < entries.length; at++) result[at] = values[entries[at]!]!;
    return result as T;
  }
  const result = new Uint32Array(entries.length);
  for (let at = 0; at < entries.length; at++) result[at] = values[entries[at]!] as number;
  return result as T;
}

/** Exact up to 2^53. */
function sumOf(values: BigUint64Array, entries: Uint32Array): number {
  const words = wordsOf(values);
  let [low, high] = [0, 0];
  for (let at = 0; at < entries.length; at++) {
    low += words[2 * entries[at]!]!;
    high += words[2 * entries[at]! + 1]!;
  }
  return high * 2 ** 32 + low;
}

/** Little-endian machines: the low word of each comes first. */
const wordsOf = (values: BigUint64Array): Uint32Array =>
  new Uint32Array(values.buffer, values.byteOffset, values.length * 2);

/** A function from indices to positions in the list of ranges. */
function rangeFinder(
  traffic: Traffic,
  ranges: readonly AddressRange[],
  { family, byteOrder = "big" }: PairOptions,
): (indices: BigUint64Array) => Uint16Array {
  const segments = segmentsOf(ranges, family);
  if (family === 4) return (indices) => rangesOf4(segments, indices, byteOrder);
  const book = addressBook(traffic.v6!.dict);
  const owners = new Uint16Array(book.count);
  // The book is in address order, so the segments pass by once.
  for (let at = 0, segment = 0; at < book.count; at++) {
    const address = ipv6Value(book.bytes(at));
    while (segment + 1 < segments.starts.length && segments.starts[segment + 1]! <= address) segment++;
    owners[at] = segments.ranges[segment]!;
  }
  return (indices) => {
    const found = new Uint16Array(indices.length);
    for (let at = 0; at < indices.length; at++) found[at] = owners[book.ordinal(indices[at]!)]!;
    return found;
  };
}

/** A table by the upper 16 bits says where to search; most of it says the answer. */
function rangesOf4(segments: Segments, indices: BigUint64Array, byteOrder: ByteOrder): Uint16Array {
  const starts = Float64Array.from(segments.starts, Number);
  const first = new Uint32Array((1 << 16) + 1);
  for (let upper = 0, segment = 0; upper <= 1 << 16; upper++) {
    while (segment + 1 < starts.length && starts[segment + 1]! <= upper * 65536) segment++;
    first[upper] = segment;
  }
  const words = wordsOf(indices);
  const found = new Uint16Array(indices.length);
  for (let at = 0; at < found.length; at++) {
    const index = words[2 * at]!;
    const address = byteOrder === "big" ? index : swap32(index) >>> 0;
    let low = first[address >>> 16]!;
    let high = first[(address >>> 16) + 1]!;
    while (low < high) {
      const middle = (low + high + 1) >>> 1;
      if (starts[middle]! <= address) low = middle;
      else high = middle - 1;
    }
    found[at] = segments.ranges[low]!;
  }
  return found;
}
