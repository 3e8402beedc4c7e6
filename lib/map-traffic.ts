/**
 * Traffic matrices under a function on addresses. It permutes rows and columns (or lets some fall together), so it commutes
 * with building: it is applied once per distinct address of a sealed interval, not once per packet.
 */
import type { GraphBLAS, Matrix, TypeName } from "graphblas-wasm";
import { type ByteOrder, indexToAddress4 } from "./address.js";
import type { AddressMap } from "./anonymize.js";
import { DICT_RECORD_BYTES, readDict } from "./dict.js";
import { EXIT, SparsewireError } from "./errors.js";
import { mapExtensions } from "./extension-matrix.js";
import { ipv6Indices } from "./ipv6-hash.js";
import { sortRecords, sortWithPositions } from "./radix-sort.js";
import {
  DIMENSION4,
  DIMENSION6,
  disposePlanes,
  makeTraffic,
  type Planes,
  type Planes6,
  type Traffic,
} from "./traffic.js";

export interface MapOptions {
  /** What IPv4 indices mean. Default big. */
  byteOrder?: ByteOrder;
  /** Words of the key of the IPv6 index hash, the one that the traffic's keyId names: mapped addresses get new indices. */
  hashKey: readonly [bigint, bigint];
}

/**
 * The mapped traffic, as a new object; the given one stays. Links that fall together are summed. `collisions` counts the
 * addresses whose new IPv6 index another address has; their packets are under that one's.
 *
 * @throws SparsewireError BAD_ARCHIVE when matrices, planes or dictionary do not fit one another
 */
export function mapTraffic(
  grb: GraphBLAS,
  traffic: Traffic,
  map: AddressMap,
  options: MapOptions,
): Traffic & { collisions: number } {
  const v4 = traffic.v4 && mapPlanes4(grb, traffic.v4, map, options.byteOrder ?? "big");
  try {
    const six = traffic.v6 && mapPlanes6(grb, traffic.v6, map, options.hashKey);
    const extensions = mapExtensions(grb, traffic.extensions, map);
    return Object.assign(makeTraffic(v4, six?.planes, extensions), { collisions: six?.collisions ?? 0 });
  } catch (error) {
    disposePlanes(v4);
    throw error;
  }
}

function mapPlanes4(grb: GraphBLAS, planes: Planes, map: AddressMap, byteOrder: ByteOrder): Planes {
  requireDimension(planes, DIMENSION4);
  const { Ap, Ah, Aj, Ax } = planes.packets.toHyperCSR();
  const bytes = valuesOfSamePattern(planes);
  const rows = Ah.length;
  const indices = new Uint32Array(rows + Aj.length);
  lowWords(Ah, indices, 0);
  lowWords(Aj, indices, rows);
  if (byteOrder === "little") swapAll(indices);
  mapDistinct(indices, (addresses) => map.map4(addresses));
  if (byteOrder === "little") swapAll(indices);
  // Column in the low word, row in the high one.
  const keys = new BigUint64Array(Aj.length);
  const words = new Uint32Array(keys.buffer);
  const ends = new Uint32Array(rows + 1);
  lowWords(Ap, ends, 0);
  for (let row = 0, at = 0; row < rows; row++) {
    const source = indices[row]!;
    for (const end = ends[row + 1]!; at < end; at++) {
      words[2 * at] = indices[rows + at]!;
      words[2 * at + 1] = source;
    }
  }
  const build = (type: TypeName, values: typeof Ax): Matrix =>
    grb.buildPacked(type, keys, values as BigUint64Array, "plus");
  const packets = build(packetsType(planes.packets), Ax);
  return withEstimate(
    planes,
    withBytes(packets, () => build("UINT64", bytes)),
    build,
  );
}

function mapPlanes6(
  grb: GraphBLAS,
  v6: Planes6,
  map: AddressMap,
  hashKey: readonly [bigint, bigint],
): { planes: Planes6; collisions: number } {
  requireDimension(v6, DIMENSION6);
  const book = mapDict(v6.dict, map, hashKey);
  const { I, J, X } = v6.packets.extractTuples();
  const bytes = valuesOfSamePattern(v6);
  replaceIndices(I, v6.dict, book.indexOfRecord);
  replaceIndices(J, v6.dict, book.indexOfRecord);
  const build = (type: TypeName, values: typeof X): Matrix =>
    grb.build(type, DIMENSION6, DIMENSION6, I, J, values as BigUint64Array, "plus");
  const packets = build(packetsType(v6.packets), X);
  const counted = withBytes(packets, () => build("UINT64", bytes));
  const planes = withEstimate(v6, counted, build);
  return { planes: { ...planes, dict: book.dict, keyId: v6.keyId }, collisions: book.collisions };
}

/** A dictionary of mapped addresses, and the new index of each record of the old one. */
function mapDict(
  bytes: Uint8Array,
  map: AddressMap,
  hashKey: readonly [bigint, bigint],
): { dict: Uint8Array; indexOfRecord: BigUint64Array; collisions: number } {
  const { count } = readDict(bytes);
  const order = sortRecords(bytes, { stride: DICT_RECORD_BYTES, offset: 8, width: 16, order: "big" });
  const sorted = new Uint8Array(count * 16);
  for (let at = 0; at < count; at++) sorted.set(recordAddress(bytes, order[at]!), at * 16);
  const addresses = map.map6(sorted);
  const indices = ipv6Indices(hashKey, addresses);
  const indexOfRecord = new BigUint64Array(count);
  const records = new Uint8Array(count * DICT_RECORD_BYTES);
  const indexBytes = new Uint8Array(indices.buffer);
  for (let at = 0; at < count; at++) {
    indexOfRecord[order[at]!] = indices[at]!;
    records.set(indexBytes.subarray(at * 8, at * 8 + 8), at * DICT_RECORD_BYTES);
    records.set(addresses.subarray(at * 16, at * 16 + 16), at * DICT_RECORD_BYTES + 8);
  }
  return { ...uniqueRecords(records), indexOfRecord };
}

/** Records sorted by index, one for each; of two addresses with one index the first stays, and is a collision. */
export function uniqueRecords(records: Uint8Array): { dict: Uint8Array; collisions: number } {
  const order = sortRecords(records, { stride: DICT_RECORD_BYTES, offset: 0, width: 8, order: "little" });
  const dict = new Uint8Array(records.length);
  let [length, collisions] = [0, 0];
  for (const position of order) {
    const record = records.subarray(position * DICT_RECORD_BYTES, (position + 1) * DICT_RECORD_BYTES);
    const before = length - DICT_RECORD_BYTES;
    if (length > 0 && isSame(dict.subarray(before, before + 8), record.subarray(0, 8))) {
      if (!isSame(dict.subarray(before + 8, length), record.subarray(8))) collisions++;
      continue;
    }
    dict.set(record, length);
    length += DICT_RECORD_BYTES;
  }
  return { dict: dict.slice(0, length), collisions };
}

/** Old indices to new ones, in place: sorted, they are found in one walk along the dictionary. */
function replaceIndices(indices: BigUint64Array, dictBytes: Uint8Array, indexOfRecord: BigUint64Array): void {
  const dict = readDict(dictBytes);
  const order = sortRecords(bytesOf(indices), { stride: 8, offset: 0, width: 8, order: "little" });
  const words = new Uint32Array(indices.buffer, indices.byteOffset, indices.length * 2);
  const from = words.slice();
  let record = 0;
  for (const position of order) {
    const [low, high] = [from[2 * position]!, from[2 * position + 1]!];
    while (record < dict.count && isBelow(dict.high(record), dict.low(record), high, low)) record++;
    if (record >= dict.count || dict.high(record) !== high || dict.low(record) !== low) {
      throw unsound("an IPv6 index is not in its dictionary");
    }
    indices[position] = indexOfRecord[record]!;
  }
}

/** Maps every element, in place, by a function that sees each distinct one once, in ascending order. */
export function mapDistinct(elements: Uint32Array, map: (distinct: Uint32Array) => Uint32Array): void {
  const { sorted, positions } = sortWithPositions(elements);
  const distinct = new Uint32Array(sorted.length);
  let count = 0;
  for (let at = 0; at < sorted.length; at++) {
    if (at === 0 || sorted[at] !== sorted[at - 1]) distinct[count++] = sorted[at]!;
  }
  const mapped = map(distinct.subarray(0, count));
  // `sorted` may be `elements` itself: what precedes is compared with `distinct`, which stays.
  for (let at = 0, rank = -1; at < sorted.length; at++) {
    if (rank < 0 || sorted[at] !== distinct[rank]) rank++;
    elements[positions[at]!] = mapped[rank]!;
  }
}

/** UINT32, unless links that fall together might exceed it. */
function packetsType(packets: Matrix): TypeName {
  return packets.type === "UINT32" && BigInt(packets.reduce("plus")) < 1n << 32n ? "UINT32" : "UINT64";
}

function withBytes(packets: Matrix, build: () => Matrix): Planes {
  try {
    return { packets, bytes: build() };
  } catch (error) {
    packets.dispose();
    throw error;
  }
}

/** The estimates, where there are some, by the same links: they are of the pattern of what was counted. */
function withEstimate(
  from: Planes,
  to: Planes,
  build: (type: TypeName, values: Uint32Array | BigUint64Array) => Matrix,
): Planes {
  if (from.estimate === undefined) return to;
  const { packets, bytes } = from.estimate;
  try {
    const packetValues = as64(valuesOfSamePattern({ packets: from.packets, bytes: packets }));
    const byteValues = as64(valuesOfSamePattern({ packets, bytes }));
    const pair = withBytes(build("UINT64", packetValues), () => build("UINT64", byteValues));
    return { ...to, estimate: pair };
  } catch (error) {
    disposePlanes(to);
    throw error;
  }
}

/** Estimates are written as 64-bit values; an archive of another origin may hold others. */
const as64 = (values: Uint32Array | BigUint64Array): BigUint64Array =>
  values instanceof BigUint64Array ? values : BigUint64Array.from(values, BigInt);

/** The values of the bytes plane, once its links are known to be those of the packets. */
function valuesOfSamePattern({ packets, bytes }: Planes): Uint32Array | BigUint64Array {
  const [a, b] = [packets.toHyperCSR(), bytes.toHyperCSR()];
  const isShared = (["Ap", "Ah", "Aj"] as const).every((name) => isSame(bytesOf(a[name]), bytesOf(b[name])));
  if (!isShared) throw unsound("its packets and bytes have different links");
  return b.Ax as Uint32Array | BigUint64Array;
}

function requireDimension({ packets, bytes }: Planes, dimension: bigint): void {
  for (const { nrows, ncols } of [packets, bytes]) {
    if (nrows !== dimension || ncols !== dimension) {
      throw unsound(`a matrix is ${nrows} x ${ncols}, not the size of its address space`);
    }
  }
}

const recordAddress = (dict: Uint8Array, record: number): Uint8Array =>
  dict.subarray(record * DICT_RECORD_BYTES + 8, (record + 1) * DICT_RECORD_BYTES);

const isBelow = (highA: number, lowA: number, highB: number, lowB: number): boolean =>
  highA < highB || (highA === highB && lowA < lowB);

const isSame = (a: Uint8Array, b: Uint8Array): boolean => Buffer.compare(a, b) === 0;

const bytesOf = (array: BigUint64Array): Uint8Array =>
  new Uint8Array(array.buffer, array.byteOffset, array.byteLength);

/** Low words of 64-bit elements to `to`, from `at` on. Hosts are little-endian here. */
function lowWords(from: BigUint64Array, to: Uint32Array, at: number): void {
  const words = new Uint32Array(from.buffer, from.byteOffset, from.length * 2);
  for (let k = 0; k < from.length; k++) to[at + k] = words[2 * k]!;
}

function swapAll(indices: Uint32Array): void {
  for (let at = 0; at < indices.length; at++) indices[at] = indexToAddress4(indices[at]!, "little");
}

const unsound = (what: string): SparsewireError =>
  new SparsewireError("BAD_ARCHIVE", `not a sound archive: ${what}`, {
    exit: EXIT.badInput,
    mend: "fetch or write the archive again",
  });
