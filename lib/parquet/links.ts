/** The links of a traffic as a Parquet file: one row a link, one row group a batch. */
import type { LinkBatch, LinkList, Values } from "../links.js";
import {
  bytesOf,
  type Chunk,
  concat,
  constantColumn,
  dictionaryColumn,
  packIndices,
  plainColumn,
} from "./column.js";
import { type Column, ParquetFile } from "./file.js";

/**
 * src and dst are text. src_number and dst_number are the address itself (IPv4), or the 60-bit index that the matrices
 * have for it (IPv6, whose addresses do not fit). interval_start and interval_end are the same in every row.
 */
export const PARQUET_COLUMNS: readonly Column[] = [
  { name: "src", kind: "text" },
  { name: "dst", kind: "text" },
  { name: "src_number", kind: "uint64" },
  { name: "dst_number", kind: "uint64" },
  { name: "packets", kind: "uint64" },
  { name: "bytes", kind: "uint64" },
  { name: "interval_start", kind: "nanoseconds" },
  { name: "interval_end", kind: "nanoseconds" },
];

/** Half-open, ns since 1970 UTC. */
export interface Interval {
  start: bigint;
  end: bigint;
}

/** Memory is bounded by a batch. Times beyond the year 2262 do not fit the format, and are null. */
export function* parquetLinks(
  links: LinkList,
  interval: Interval | undefined,
  createdBy: string,
): Generator<Uint8Array> {
  const file = new ParquetFile(PARQUET_COLUMNS);
  yield file.start();
  for (const batch of links.batches()) {
    if (batch.length > 0) yield* file.rowGroup(chunksOf(links, batch, interval));
  }
  yield* file.finish(createdBy, {});
}

function chunksOf(links: LinkList, batch: LinkBatch, interval: Interval | undefined): Chunk[] {
  const { length } = batch;
  const source = addressColumns(links, batch.src.subarray(0, length));
  const destination = addressColumns(links, batch.dst.subarray(0, length));
  return [
    source.text,
    destination.text,
    source.number,
    destination.number,
    valueColumn(batch.packets, length),
    valueColumn(batch.bytes, length),
    constantColumn(length, fitting(interval?.start)),
    constantColumn(length, fitting(interval?.end)),
  ];
}

const fitting = (ns: bigint | undefined): bigint | undefined =>
  ns !== undefined && ns < 1n << 63n ? ns : undefined;

/** Text and number of one end of the links: two dictionaries behind one list of indices. */
function addressColumns(links: LinkList, ordinals: Uint32Array): { text: Chunk; number: Chunk } {
  const { indices, distinct } = dictionaryOf(ordinals);
  const packed = packIndices(indices, distinct.length);
  const numbers = BigUint64Array.from(distinct, (ordinal) => links.number(ordinal));
  return {
    text: dictionaryColumn(packed, textDictionary(links, distinct)),
    number: { ...dictionaryColumn(packed, bytesOf(numbers)), range: rangeOf(numbers) },
  };
}

/** Distinct ordinals in order of first appearance, and for each row the place of its own. */
function dictionaryOf(ordinals: Uint32Array): { indices: Uint32Array; distinct: Uint32Array } {
  const indices = new Uint32Array(ordinals.length);
  const distinct = new Uint32Array(ordinals.length);
  // Open addressing at no more than half load: place + 1, 0 is free. Fibonacci hashing spreads neighbours.
  const bits = Math.max(4, 33 - Math.clz32(ordinals.length));
  const table = new Uint32Array(2 ** bits);
  const mask = table.length - 1;
  let count = 0;
  for (let row = 0; row < ordinals.length; row++) {
    const ordinal = ordinals[row]!;
    if (row > 0 && ordinal === ordinals[row - 1]) {
      indices[row] = indices[row - 1]!;
      continue;
    }
    let slot = Math.imul(ordinal, 0x9e3779b1) >>> (32 - bits);
    while (table[slot] !== 0 && distinct[table[slot]! - 1] !== ordinal) slot = (slot + 1) & mask;
    if (table[slot] === 0) {
      distinct[count++] = ordinal;
      table[slot] = count;
    }
    indices[row] = table[slot]! - 1;
  }
  return { indices, distinct: distinct.subarray(0, count) };
}

/** Plain text values: length, then bytes. Addresses are ASCII of at most 45 characters. */
function textDictionary(links: LinkList, ordinals: Uint32Array): Uint8Array {
  const parts: Uint8Array[] = [];
  let buffer = Buffer.alloc(0);
  let at = 0;
  for (const ordinal of ordinals) {
    if (buffer.length - at < TEXT_BYTES_MAX) {
      parts.push(buffer.subarray(0, at));
      buffer = Buffer.allocUnsafe(1 << 18);
      at = 0;
    }
    const length = buffer.write(links.text(ordinal), at + 4, "latin1");
    buffer.writeUInt32LE(length, at);
    at += 4 + length;
  }
  return concat([...parts, buffer.subarray(0, at)]);
}

const TEXT_BYTES_MAX = 64;

function valueColumn(values: Values, length: number): Chunk {
  const numbers = new BigUint64Array(length);
  const words = new Uint32Array(numbers.buffer);
  for (let at = 0; at < length; at++) {
    const value = values(at);
    if (typeof value === "bigint") numbers[at] = value;
    else {
      words[2 * at] = value;
      words[2 * at + 1] = value / 0x1_0000_0000;
    }
  }
  return { ...plainColumn(numbers), range: rangeOf(numbers) };
}

function rangeOf(numbers: BigUint64Array): { min: Uint8Array; max: Uint8Array } {
  let [min, max] = [numbers[0]!, numbers[0]!];
  for (const number of numbers) {
    if (number < min) min = number;
    if (number > max) max = number;
  }
  return { min: bytesOf(BigUint64Array.of(min)), max: bytesOf(BigUint64Array.of(max)) };
}
