/**
 * Column chunks of a Parquet file: pages of plain values or of indices into a dictionary page, compressed with gzip
 * (https://parquet.apache.org/docs/file-format/). One page a chunk: a chunk is a batch of links, some megabytes.
 */
import { gzipSync } from "node:zlib";
import { CompactWriter } from "./thrift.js";

const PAGE = { data: 0, dictionary: 2 } as const;
export const ENCODING = { plain: 0, rle: 3, dictionary: 8 } as const;
export const CODEC_GZIP = 2;

/** A column of one row group, ready to be written. */
export interface Chunk {
  /** Pages with their headers, in order. */
  pieces: Uint8Array[];
  values: number;
  encodings: number[];
  /** Bytes of the dictionary page with its header; 0 where there is none. */
  dictionaryBytes: number;
  bytes: number;
  /** The same, had nothing been compressed. */
  plainBytes: number;
  /** Least and greatest value as the column's plain encoding has them; for readers that skip row groups. */
  range?: { min: Uint8Array; max: Uint8Array };
}

/** 64-bit numbers, one after the other. */
export function plainColumn(values: BigUint64Array, optional = false): Chunk {
  const body = bytesOf(values);
  const levels = optional ? presentLevels(values.length) : NOTHING;
  return chunkOf(values.length, undefined, page(PAGE.data, values.length, ENCODING.plain, [levels, body]));
}

/**
 * Values by their place in a dictionary: `indices[k]` < `entries`, `dictionary` holds that many plain values. The indices
 * may be shared by several columns: packIndices() once, then one chunk for each.
 */
export function dictionaryColumn(packed: PackedIndices, dictionary: Uint8Array): Chunk {
  const first = page(PAGE.dictionary, packed.entries, ENCODING.plain, [dictionary]);
  return chunkOf(
    packed.values,
    first,
    page(PAGE.data, packed.values, ENCODING.dictionary, [packed.levels, packed.bytes]),
  );
}

/** The same value, or null, in every row. */
export function constantColumn(length: number, value: bigint | undefined): Chunk {
  if (value === undefined) {
    const levels = levelRun(length, 0);
    return chunkOf(length, undefined, page(PAGE.data, length, ENCODING.plain, [levels]));
  }
  const packed = {
    // Indices of no bits at all: the width, and one run.
    bytes: concat([Uint8Array.of(0), varint(length * 2)]),
    levels: presentLevels(length),
    values: length,
    entries: 1,
  };
  return dictionaryColumn(packed, bytesOf(BigUint64Array.of(value)));
}

export interface PackedIndices {
  bytes: Uint8Array;
  levels: Uint8Array;
  values: number;
  entries: number;
}

/** Dictionary indices as one bit-packed run: the width in bits, the run's header, groups of eight. */
export function packIndices(indices: Uint32Array, entries: number): PackedIndices {
  const width = Math.max(1, 32 - Math.clz32(entries - 1));
  const groups = Math.ceil(indices.length / 8);
  const header = concat([Uint8Array.of(width), varint(groups * 2 + 1)]);
  const bytes = new Uint8Array(header.length + groups * width);
  bytes.set(header);
  let [at, bits, held] = [header.length, 0, 0];
  for (const index of indices) {
    // held < 2^8 and index < 2^width: the sum is an exact number whatever the width.
    held += index * 2 ** bits;
    bits += width;
    for (; bits >= 8; bits -= 8) {
      bytes[at++] = held % 256;
      held = Math.floor(held / 256);
    }
  }
  if (bits > 0) bytes[at] = held;
  return { bytes, levels: NOTHING, values: indices.length, entries };
}

const NOTHING = new Uint8Array(0);

/** Definition levels of a column that may hold nulls and holds none. */
const presentLevels = (length: number): Uint8Array => levelRun(length, 1);

function levelRun(length: number, level: number): Uint8Array {
  const run = concat([varint(length * 2), Uint8Array.of(level)]);
  const size = new Uint8Array(4);
  new DataView(size.buffer).setUint32(0, run.length, true);
  return concat([size, run]);
}

interface Page {
  bytes: Uint8Array[];
  size: number;
  plainSize: number;
  encoding: number;
}

function page(type: number, values: number, encoding: number, parts: Uint8Array[]): Page {
  const plain = parts.reduce((sum, part) => sum + part.length, 0);
  // Level 1: the least time; addresses shrink well at any level.
  const body = gzipSync(parts.length === 1 ? parts[0]! : concat(parts), { level: 1 });
  const header = new CompactWriter().i32(1, type).i32(2, plain).i32(3, body.length);
  if (type === PAGE.dictionary) header.struct(7, (fields) => fields.i32(1, values).i32(2, encoding));
  else {
    header.struct(5, (fields) =>
      fields.i32(1, values).i32(2, encoding).i32(3, ENCODING.rle).i32(4, ENCODING.rle),
    );
  }
  const head = header.end().bytes;
  return {
    bytes: [head, body],
    size: head.length + body.length,
    plainSize: head.length + plain,
    encoding,
  };
}

function chunkOf(values: number, dictionary: Page | undefined, data: Page): Chunk {
  const pages = dictionary === undefined ? [data] : [dictionary, data];
  return {
    pieces: pages.flatMap(({ bytes }) => bytes),
    values,
    encodings: [...new Set([ENCODING.plain, ENCODING.rle, ...pages.map(({ encoding }) => encoding)])],
    dictionaryBytes: dictionary?.size ?? 0,
    bytes: pages.reduce((sum, { size }) => sum + size, 0),
    plainBytes: pages.reduce((sum, { plainSize }) => sum + plainSize, 0),
  };
}

function varint(value: number): Uint8Array {
  const bytes: number[] = [];
  let rest = value;
  for (; rest > 0x7f; rest = Math.floor(rest / 128)) bytes.push((rest % 128) | 0x80);
  bytes.push(rest);
  return Uint8Array.from(bytes);
}

export function concat(parts: readonly Uint8Array[]): Uint8Array {
  const whole = new Uint8Array(parts.reduce((sum, part) => sum + part.length, 0));
  let at = 0;
  for (const part of parts) {
    whole.set(part, at);
    at += part.length;
  }
  return whole;
}

/** The bytes of a typed array: Parquet is little-endian, and so are all hosts of this software. */
export const bytesOf = (array: BigUint64Array): Uint8Array =>
  new Uint8Array(array.buffer, array.byteOffset, array.byteLength);
