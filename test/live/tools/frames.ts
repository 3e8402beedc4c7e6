import { readFileSync } from "node:fs";
import { gunzipSync } from "node:zlib";

const LINKTYPE_ETHERNET = 1;
const MAGIC_MICRO = 0xa1b2c3d4;
const MAGIC_NANO = 0xa1b23c4d;
const BLOCK = { section: 0x0a0d0d0a, interface: 1, packet: 2, simple: 3, enhanced: 6 } as const;
const BYTE_ORDER_MAGIC = 0x1a2b3c4d;
/** A capture for tests is small; anything beyond this is a mistake. */
const CAPTURE_BYTES_MAX = 1 << 28;

/** One record of a capture: `bytes` is what was captured of a frame of `length` bytes on the wire. */
export interface CapturedFrame {
  bytes: Uint8Array;
  length: number;
  linkType: number;
}

/**
 * Reads every whole record of a pcap or pcapng file (both byte orders, gzip or not). It is for tests only and
 * independent of the product's reader on purpose. A record that is cut off ends the list.
 */
export function readCapture(path: string): CapturedFrame[] {
  let data: Uint8Array = readFileSync(path);
  if (data[0] === 0x1f && data[1] === 0x8b) data = gunzipSync(data, { maxOutputLength: CAPTURE_BYTES_MAX });
  const view = new DataView(data.buffer, data.byteOffset, data.byteLength);
  if (data.byteLength < 24) return [];
  if (view.getUint32(0) === BLOCK.section) return readBlocks(data, view);
  const magics = [MAGIC_MICRO, MAGIC_NANO];
  if (magics.includes(view.getUint32(0))) return readRecords(data, view, false);
  if (magics.includes(view.getUint32(0, true))) return readRecords(data, view, true);
  throw new Error(`${path} is neither pcap nor pcapng`);
}

/** True for frames that an Ethernet interface can send. */
export function isEthernet(frame: CapturedFrame): boolean {
  return frame.linkType === LINKTYPE_ETHERNET;
}

/** A classic little-endian Ethernet pcap of the given frames: what replay.c reads. */
export function writeEthernetPcap(frames: readonly Uint8Array[]): Uint8Array {
  const size = frames.reduce((sum, frame) => sum + 16 + frame.byteLength, 24);
  const data = new Uint8Array(size);
  const view = new DataView(data.buffer);
  view.setUint32(0, MAGIC_MICRO, true);
  view.setUint16(4, 2, true);
  view.setUint16(6, 4, true);
  view.setUint32(16, 1 << 18, true);
  view.setUint32(20, LINKTYPE_ETHERNET, true);
  let offset = 24;
  for (const frame of frames) {
    view.setUint32(offset + 8, frame.byteLength, true);
    view.setUint32(offset + 12, frame.byteLength, true);
    data.set(frame, offset + 16);
    offset += 16 + frame.byteLength;
  }
  return data;
}

function readRecords(data: Uint8Array, view: DataView, little: boolean): CapturedFrame[] {
  const frames: CapturedFrame[] = [];
  // The upper half of the field holds the FCS length, not the link type.
  const linkType = view.getUint32(20, little) & 0xffff;
  for (let at = 24; at + 16 <= data.byteLength; ) {
    const captured = view.getUint32(at + 8, little);
    if (at + 16 + captured > data.byteLength) break;
    frames.push({
      bytes: data.subarray(at + 16, at + 16 + captured),
      length: view.getUint32(at + 12, little),
      linkType,
    });
    at += 16 + captured;
  }
  return frames;
}

function readBlocks(data: Uint8Array, view: DataView): CapturedFrame[] {
  const frames: CapturedFrame[] = [];
  let little = true;
  let linkTypes: number[] = [];
  for (let at = 0; at + 12 <= data.byteLength; ) {
    const type = view.getUint32(at, little);
    if (type === BLOCK.section) {
      little = view.getUint32(at + 8, true) === BYTE_ORDER_MAGIC;
      linkTypes = [];
    }
    const length = view.getUint32(at + 4, little);
    if (length < 12 || length % 4 !== 0 || at + length > data.byteLength) break;
    if (type === BLOCK.interface) linkTypes.push(view.getUint16(at + 8, little));
    const frame = readPacketBlock(data, view, at, type, length, little, linkTypes);
    if (frame !== undefined) frames.push(frame);
    at += length;
  }
  return frames;
}

function readPacketBlock(
  data: Uint8Array,
  view: DataView,
  at: number,
  type: number,
  blockLength: number,
  little: boolean,
  linkTypes: readonly number[],
): CapturedFrame | undefined {
  // The obsolete packet block differs from the enhanced one only in a shorter interface number.
  if ((type === BLOCK.enhanced || type === BLOCK.packet) && blockLength >= 32) {
    const number = type === BLOCK.packet ? view.getUint16(at + 8, little) : view.getUint32(at + 8, little);
    const captured = view.getUint32(at + 20, little);
    const linkType = linkTypes[number];
    if (linkType === undefined || captured > blockLength - 32) return undefined;
    const length = view.getUint32(at + 24, little);
    return { bytes: data.subarray(at + 28, at + 28 + captured), length, linkType };
  }
  if (type === BLOCK.simple && linkTypes[0] !== undefined) {
    const length = view.getUint32(at + 8, little);
    const captured = Math.min(length, blockLength - 16);
    return { bytes: data.subarray(at + 12, at + 12 + captured), length, linkType: linkTypes[0] };
  }
  return undefined;
}
