/**
 * The files of the Anonymized Network Sensing Graph Challenge, as its tools (pcap2grb of CAIDA's ILANDS-sensor) write and
 * read them: a matrix of 2^17 IPv4 packets is a GrB_UINT32 2^32 x 2^32 blob, its indices the raw s_addr of a little-endian
 * host; 64 of them, 0.grb to 63.grb, are a tar named YYYYMMDD-HHMMSS-MICROSECONDS.PACKETS.tar by its first packet.
 */
import type { GraphBLAS, HyperCSR, Matrix } from "graphblas-wasm";
import { swap32 } from "./address.js";

/** Packets of one matrix. */
export const WINDOW_PACKETS = 1 << 17;
export const MATRICES_PER_TAR = 64;

/**
 * The name of a tar: UTC time of its first packet, and the packets in it (2^23, fewer in a last one). The challenge's own
 * tools take local time and do not pad the microseconds; padded, names sort by time.
 */
export function challengeTarName(firstPacketNs: bigint, packets: number): string {
  const iso = new Date(Number(firstPacketNs / 1_000_000n)).toISOString();
  const [date, time] = [iso.slice(0, 10).replaceAll("-", ""), iso.slice(11, 19).replaceAll(":", "")];
  const microseconds = ((firstPacketNs / 1000n) % 1_000_000n).toString().padStart(6, "0");
  return `${date}-${time}-${microseconds}.${packets}.tar`;
}

/** The name of a matrix in its tar. */
export const challengeMatrixName = (at: number): string => `${at}.grb`;

/**
 * Order of names in which numbers count by value: 9.grb before 10.grb, and tars by their times though the challenge's tools
 * write microseconds without leading zeros.
 */
export function naturalOrder(a: string, b: string): number {
  const [left, right] = [parts(a), parts(b)];
  for (let at = 0; at < Math.min(left.length, right.length); at++) {
    const [x, y] = [left[at]!, right[at]!];
    if (x === y) continue;
    const isNumeric = /^\d/.test(x) && /^\d/.test(y);
    const [m, n] = [x.replace(/^0+(?=\d)/, ""), y.replace(/^0+(?=\d)/, "")];
    if (isNumeric && m.length !== n.length) return m.length - n.length;
    if (isNumeric && m !== n) return m < n ? -1 : 1;
    return x < y ? -1 : 1;
  }
  return left.length - right.length;
}

const parts = (name: string): string[] => name.match(/\d+|\D+/g) ?? [];

/** The IPv4 links of a window, big-endian addresses: row k is `rows[k]`, its columns end at `ends[k + 1]`. */
export interface WindowLinks {
  ends: Uint32Array;
  rows: Uint32Array;
  columns: Uint32Array;
  packets: Uint32Array;
}

/** A copy of what the capture sandbox has sealed, so that it may go on. */
export function windowLinks(
  { Ap, Ah, Aj }: Pick<HyperCSR<BigUint64Array>, "Ap" | "Ah" | "Aj">,
  packets: Uint32Array,
): WindowLinks {
  return { ends: lowWords(Ap), rows: lowWords(Ah), columns: lowWords(Aj), packets: packets.slice() };
}

/**
 * A window as a blob with indices in little-endian order. `map` replaces addresses in place, before that; links that it lets
 * fall together are summed.
 */
export function challengeBlob(
  grb: GraphBLAS,
  { ends, rows, columns, packets }: WindowLinks,
  map?: (addresses: Uint32Array) => void,
): Uint8Array<ArrayBuffer> {
  map?.(rows);
  map?.(columns);
  using matrix = grb.buildPacked("UINT32", swappedKeys(ends, rows, columns), packets);
  return matrix.serialize();
}

/** A matrix over IPv4 addresses with every index in the other byte order, as a new object of type UINT32 or UINT64. */
export function swapByteOrder(grb: GraphBLAS, matrix: Matrix): Matrix {
  const { Ap, Ah, Aj, Ax } = matrix.toHyperCSR();
  const keys = swappedKeys(lowWords(Ap), lowWords(Ah), lowWords(Aj));
  if (Ax instanceof Uint32Array) return grb.buildPacked("UINT32", keys, Ax);
  return grb.buildPacked("UINT64", keys, Ax as BigUint64Array);
}

/** Keys row * 2^32 + column of indices in the other byte order. */
function swappedKeys(ends: Uint32Array, rows: Uint32Array, columns: Uint32Array): BigUint64Array {
  const keys = new BigUint64Array(columns.length);
  // The low word is the column, on a little-endian host.
  const words = new Uint32Array(keys.buffer);
  for (let row = 0, at = 0; row < rows.length; row++) {
    const source = swap32(rows[row]!);
    for (const end = ends[row + 1]!; at < end; at++) {
      words[2 * at] = swap32(columns[at]!);
      words[2 * at + 1] = source;
    }
  }
  return keys;
}

/** Elements below 2^32, as 32-bit numbers of their own. */
function lowWords(elements: BigUint64Array): Uint32Array {
  const words = new Uint32Array(elements.buffer, elements.byteOffset, elements.length * 2);
  const low = new Uint32Array(elements.length);
  for (let at = 0; at < low.length; at++) low[at] = words[2 * at]!;
  return low;
}
