/** A capture file of made-up traffic: classic pcap, Ethernet, IPv4/UDP headers, popularity like 1/rank. */
import { closeSync, openSync, writeSync } from "node:fs";

const FRAME_BYTES = 60;
const RECORD_BYTES = 16 + FRAME_BYTES;

/** Writes `packets` records whose timestamps end now, `perSecond` apart. */
export function writeCapture(path: string, packets: number, perSecond: number): void {
  const file = openSync(path, "w");
  const header = Buffer.alloc(24);
  header.writeUInt32LE(0xa1b2c3d4, 0);
  header.writeUInt16LE(2, 4);
  header.writeUInt16LE(4, 6);
  header.writeUInt32LE(65_535, 16);
  header.writeUInt32LE(1, 20);
  writeSync(file, header);
  const first = Date.now() / 1000 - packets / perSecond;
  const batch = Buffer.alloc(RECORD_BYTES * 10_000);
  for (let done = 0; done < packets; ) {
    const count = Math.min(10_000, packets - done);
    for (let i = 0; i < count; i++) record(batch, i * RECORD_BYTES, first + (done + i) / perSecond);
    writeSync(file, batch, 0, count * RECORD_BYTES);
    done += count;
  }
  closeSync(file);
}

function record(out: Buffer, at: number, seconds: number): void {
  const bytes = 60 + Math.floor(1400 * Math.random() ** 4);
  out.writeUInt32LE(Math.floor(seconds), at);
  out.writeUInt32LE(Math.floor((seconds % 1) * 1e6), at + 4);
  out.writeUInt32LE(FRAME_BYTES, at + 8);
  out.writeUInt32LE(bytes, at + 12);
  const frame = at + 16;
  out.writeUInt16BE(0x0800, frame + 12);
  out[frame + 14] = 0x45;
  out.writeUInt16BE(bytes - 14, frame + 16);
  out[frame + 22] = 64;
  out[frame + 23] = 17;
  out.writeUInt32BE(0x0a010000 + rank(4000), frame + 26);
  out.writeUInt32BE(0x0a020000 + rank(600), frame + 30);
}

const rank = (n: number): number => Math.floor(n ** Math.random()) - 1;
