import { closeSync, openSync, writeSync } from "node:fs";

export const FILE_DISTRIBUTIONS = ["uniform", "zipf", "distinct"] as const;
export type FileDistribution = (typeof FILE_DISTRIBUTIONS)[number];

const MAGIC_MICRO = 0xa1b2c3d4;
const LINKTYPE_ETHERNET = 1;
const FILE_HEADER_BYTES = 24;
const FRAME_BYTES = 64;
const RECORD_BYTES = 16 + FRAME_BYTES;
const RECORDS_PER_WRITE = 1 << 16;
const LINKS = 1 << 18;
const SOURCES = 512;
/** 2024-01-01T00:00:00Z, so that the file is the same on every day. */
const START_SECONDS = 1_704_067_200;
const IPV4_HEAD = [
  2,
  0,
  0,
  0,
  0,
  2,
  2,
  0,
  0,
  0,
  0,
  1,
  0x08,
  0x00,
  0x45,
  0,
  0,
  FRAME_BYTES - 14,
  0,
  0,
  0,
  0,
  64,
  17,
];

/** Bytes of the file that {@link writeCaptureFile} writes. */
export function captureFileBytes(packets: number): number {
  return FILE_HEADER_BYTES + packets * RECORD_BYTES;
}

/**
 * Writes a pcap of 64-byte IPv4 frames, one a microsecond, by streaming: memory does not grow with `packets`.
 * Deterministic: the same arguments give the same bytes. Links are 2^18 (uniform, zipf with exponent 1), or as
 * many as packets (distinct; at most 2^32).
 */
export function writeCaptureFile(path: string, packets: number, distribution: FileDistribution): void {
  const fd = openSync(path, "w");
  try {
    writeSync(fd, fileHeader());
    const buffer = Buffer.alloc(RECORDS_PER_WRITE * RECORD_BYTES);
    for (let at = 0; at < packets; at += RECORDS_PER_WRITE) {
      const count = Math.min(RECORDS_PER_WRITE, packets - at);
      for (let i = 0; i < count; i++) writeRecord(buffer, i * RECORD_BYTES, at + i, distribution);
      writeSync(fd, buffer, 0, count * RECORD_BYTES);
    }
  } finally {
    closeSync(fd);
  }
}

function fileHeader(): Buffer {
  const header = Buffer.alloc(FILE_HEADER_BYTES);
  header.writeUInt32LE(MAGIC_MICRO, 0);
  header.writeUInt16LE(2, 4);
  header.writeUInt16LE(4, 6);
  header.writeUInt32LE(65_535, 16);
  header.writeUInt32LE(LINKTYPE_ETHERNET, 20);
  return header;
}

function writeRecord(buffer: Buffer, at: number, number: number, distribution: FileDistribution): void {
  buffer.writeUInt32LE(START_SECONDS + Math.floor(number / 1e6), at);
  buffer.writeUInt32LE(number % 1e6, at + 4);
  buffer.writeUInt32LE(FRAME_BYTES, at + 8);
  buffer.writeUInt32LE(FRAME_BYTES, at + 12);
  for (let i = 0; i < IPV4_HEAD.length; i++) buffer[at + 16 + i] = IPV4_HEAD[i]!;
  if (distribution === "distinct") {
    buffer.writeUInt32BE(mix32(number), at + 16 + 26);
    buffer.writeUInt32BE(mix32(number ^ 0x5bd1e995), at + 16 + 30);
    return;
  }
  const link = linkOf(number, distribution);
  buffer.writeUInt32BE(mix32((link % SOURCES) + 1), at + 16 + 26);
  buffer.writeUInt32BE(mix32(Math.floor(link / SOURCES) + 0x40000001), at + 16 + 30);
}

function linkOf(number: number, distribution: "uniform" | "zipf"): number {
  return distribution === "uniform" ? mix32(number) % LINKS : zipfLink(mix32(number) / 2 ** 32);
}

/** What is in such a file, counted without writing it: the truth for those who read it. */
export function captureTruth(
  packets: number,
  distribution: "uniform" | "zipf",
): { n_packets: number; n_links: number; max_packets: number } {
  const counts = new Uint32Array(LINKS);
  for (let number = 0; number < packets; number++) counts[linkOf(number, distribution)]!++;
  const links = counts.filter((count) => count > 0);
  return {
    n_packets: packets,
    n_links: links.length,
    max_packets: links.reduce((a, b) => Math.max(a, b), 0),
  };
}

/** Zipf with exponent 1 by its continuous inverse: rank = N^u. */
function zipfLink(uniform: number): number {
  return Math.floor(LINKS ** uniform) - 1;
}

/** A bijection of 32-bit numbers. */
function mix32(value: number): number {
  let x = value | 0;
  x = Math.imul(x ^ (x >>> 16), 0x7feb352d);
  x = Math.imul(x ^ (x >>> 15), 0x846ca68b);
  return (x ^ (x >>> 16)) >>> 0;
}
