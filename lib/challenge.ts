/**
 * The files of the Anonymized Network Sensing Graph Challenge, as its tools (pcap2grb of CAIDA's ILANDS-sensor) write and
 * read them: a matrix of 2^17 IPv4 packets is a GrB_UINT32 2^32 x 2^32 blob, its indices the raw s_addr of a little-endian
 * host; 64 of them, 0.grb to 63.grb, are a tar named YYYYMMDD-HHMMSS-MICROSECONDS.PACKETS.tar by its first packet.
 */
import type { GraphBLAS, Matrix } from "graphblas-wasm";
import { swap32 } from "./address.js";
import { DIMENSION4, type Traffic } from "./traffic.js";

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

/** The packets of IPv4 links (indices in big-endian order) as a blob with indices in little-endian order. */
export function challengeBlob(grb: GraphBLAS, { v4 }: Traffic): Uint8Array<ArrayBuffer> {
  using packets =
    v4 === undefined ? grb.matrix("UINT32", DIMENSION4, DIMENSION4) : swapByteOrder(grb, v4.packets);
  return packets.serialize();
}

/** A matrix over IPv4 addresses with every index in the other byte order, as a new object of type UINT32 or UINT64. */
export function swapByteOrder(grb: GraphBLAS, matrix: Matrix): Matrix {
  const { Ap, Ah, Aj, Ax } = matrix.toHyperCSR();
  // A key is row * 2^32 + column: the column is its low word. Indices are below 2^32: the low word is all of them.
  const keys = new BigUint64Array(Aj.length);
  const words = new Uint32Array(keys.buffer);
  const [rows, columns] = [wordsOf(Ah), wordsOf(Aj)];
  const ends = wordsOf(Ap);
  for (let row = 0, at = 0; row < Ah.length; row++) {
    const source = swap32(rows[2 * row]!);
    for (const end = ends[2 * row + 2]!; at < end; at++) {
      words[2 * at] = swap32(columns[2 * at]!);
      words[2 * at + 1] = source;
    }
  }
  if (Ax instanceof Uint32Array) return grb.buildPacked("UINT32", keys, Ax);
  return grb.buildPacked("UINT64", keys, Ax as BigUint64Array);
}

const wordsOf = (indices: BigUint64Array): Uint32Array =>
  new Uint32Array(indices.buffer, indices.byteOffset, indices.length * 2);
