/**
 * One plane of a matrix as NumPy's .npz in the layout of Binsparse (https://graphblas.org/binsparse-specification/): a JSON
 * descriptor and one array per named part. The format is DCSR, "doubly compressed sparse row", which is HyperCSR under
 * another name: indices_0 is Ah, pointers_to_1 is Ap, indices_1 is Aj, values is Ax.
 */
import type { Matrix } from "graphblas-wasm";
import type { ByteOrder, Family } from "./address.js";
import { rowBands } from "./links.js";
import { DIMENSION4, DIMENSION6, type PlanePair } from "./traffic.js";
import { type ZipMember, zipPieces } from "./zip.js";

const BINSPARSE_VERSION = "0.1.0";
const encoder = new TextEncoder();

export interface NpzOptions {
  family: Family;
  byteOrder?: ByteOrder;
  plane?: "packets" | "bytes";
}

/**
 * The descriptor is there twice: as `binsparse.json` for who unpacks the file, as the array `binsparse` for numpy.load.
 * IPv4 indices are 32 bits wide, IPv6 ones 64. Memory is bounded by the rows and a band of links.
 *
 * @throws SparsewireError TOO_LARGE beyond 4 GiB
 */
export function* npzPieces(planes: PlanePair | undefined, options: NpzOptions): Generator<Uint8Array> {
  const { family } = options;
  const matrix = planes?.[options.plane ?? "packets"];
  const wide = family === 6;
  const isLong = matrix?.type === "UINT64";
  const [rows, links] = [matrix?.nvec ?? 0, matrix?.nvals ?? 0];
  const text = encoder.encode(descriptor(options, links, wide, isLong));
  const members: ZipMember[] = [
    { name: "binsparse.json", size: text.length, pieces: [text] },
    array("binsparse", `|S${text.length}`, [], text.length, () => [text]),
    array("indices_0", dtype(wide), [rows], rows * width(wide), () => [rowIndices(matrix, wide)]),
    array("pointers_to_1", "<u8", [rows + 1], (rows + 1) * 8, () => [rowPointers(matrix)]),
    array("indices_1", dtype(wide), [links], links * width(wide), () => bands(matrix, "Aj", wide)),
    array("values", dtype(isLong), [links], links * width(isLong), () => bands(matrix, "Ax", isLong)),
  ];
  yield* zipPieces(members);
}

const dtype = (wide: boolean): string => (wide ? "<u8" : "<u4");
const width = (wide: boolean): number => (wide ? 8 : 4);

function descriptor(options: NpzOptions, links: number, wide: boolean, isLong: boolean): string {
  const { family, plane = "packets", byteOrder = "big" } = options;
  const size = Number(family === 4 ? DIMENSION4 : DIMENSION6);
  const index = wide ? "uint64" : "uint32";
  const binsparse = {
    version: BINSPARSE_VERSION,
    format: "DCSR",
    shape: [size, size],
    number_of_stored_values: links,
    data_types: {
      indices_0: index,
      pointers_to_1: "uint64",
      indices_1: index,
      values: isLong ? "uint64" : "uint32",
    },
  };
  const indices =
    family === 4 ? `IPv4 addresses, ${byteOrder}-endian` : "keyed 60-bit hashes of IPv6 addresses";
  return JSON.stringify({ binsparse, values: plane, indices, software: "sparsewire" });
}

/** A member `name`.npy: format 1.0 of NumPy (numpy.lib.format), the array's bytes behind a header of whole 64 bytes. */
function array(
  name: string,
  descr: string,
  shape: readonly number[],
  bytes: number,
  pieces: () => Iterable<Uint8Array>,
): ZipMember {
  const tuple = shape.length === 1 ? `(${shape[0]},)` : `(${shape.join(", ")})`;
  const facts = `{'descr': '${descr}', 'fortran_order': False, 'shape': ${tuple}, }`;
  const prefix = 10;
  const length = Math.ceil((prefix + facts.length + 1) / 64) * 64 - prefix;
  const header = new Uint8Array(prefix + length);
  header.set([0x93, ...encoder.encode("NUMPY"), 1, 0, length & 0xff, length >>> 8]);
  encoder.encodeInto(`${facts.padEnd(length - 1)}\n`, header.subarray(prefix));
  const all = function* (): Generator<Uint8Array> {
    yield header;
    yield* pieces();
  };
  return { name: `${name}.npy`, size: header.length + bytes, pieces: { [Symbol.iterator]: all } };
}

function rowIndices(matrix: Matrix | undefined, wide: boolean): Uint8Array {
  if (matrix === undefined) return new Uint8Array(0);
  using fanOut = matrix.reduceRows("count");
  return narrowed(fanOut.extractTuples().I, wide);
}

function rowPointers(matrix: Matrix | undefined): Uint8Array {
  if (matrix === undefined) return new Uint8Array(8);
  using fanOut = matrix.reduceRows("count");
  const { X } = fanOut.extractTuples();
  const pointers = new BigUint64Array(X.length + 1);
  for (let row = 0; row < X.length; row++) pointers[row + 1] = pointers[row]! + X[row]!;
  return narrowed(pointers, true);
}

function* bands(matrix: Matrix | undefined, part: "Aj" | "Ax", wide: boolean): Generator<Uint8Array> {
  if (matrix === undefined) return;
  for (const [low, high] of rowBands(matrix)) {
    using band = matrix.extractRange(low, high, 0n, matrix.ncols);
    yield narrowed(band.toHyperCSR()[part], wide);
  }
}

/** The array's bytes, of 64-bit numbers only their low halves unless `wide`. Hosts are little-endian, as the file is. */
function narrowed(array: BigUint64Array | Uint32Array, wide: boolean): Uint8Array {
  if (array instanceof Uint32Array || wide)
    return new Uint8Array(array.buffer, array.byteOffset, array.byteLength);
  const words = new Uint32Array(array.buffer, array.byteOffset, array.length * 2);
  const low = new Uint32Array(array.length);
  for (let at = 0; at < low.length; at++) low[at] = words[2 * at]!;
  return new Uint8Array(low.buffer);
}
