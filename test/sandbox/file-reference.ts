/**
 * A second reader of capture files: slow, plain, whole file at hand, bigint times. The C reader must find the same
 * records, the same damage and the same windows, however a file is cut into calls.
 */
import type { Record } from "../pcap/writer.js";

export interface FoundRecord extends Required<Record> {
  linkType: number;
  /** The first of its file or section. */
  isFresh: boolean;
}
export interface Found {
  records: FoundRecord[];
  damage: string;
}

/** Damage ends the reading. */
class Damage extends Error {}

const CAPTURED_MAX = 262144;
const TIME_MAX = 2n ** 63n - 1n;
const clamp = (ns: bigint): bigint => (ns < 0n ? 0n : ns > TIME_MAX ? TIME_MAX : ns);

export function referenceRead(file: Uint8Array): Found {
  const records: FoundRecord[] = [];
  try {
    const view = new DataView(file.buffer, file.byteOffset, file.length);
    if (file.length < 4) throw new Damage("not_a_capture");
    if (view.getUint32(0) === 0x0a0d0d0a) readPcapng(view, records);
    else readPcap(view, records);
  } catch (error) {
    if (!(error instanceof Damage)) throw error;
    return { records, damage: error.message };
  }
  return { records, damage: "none" };
}

const MAGICS = [0xa1b2c3d4, 0xa1b23c4d, 0xa1b2cd34];

function readPcap(view: DataView, records: FoundRecord[]): void {
  const little = MAGICS.includes(view.getUint32(0, true));
  const magic = view.getUint32(0, little);
  if (!MAGICS.includes(magic)) throw new Damage("not_a_capture");
  if (view.byteLength < 24) throw new Damage("cut_in_header");
  if (view.getUint16(4, little) !== 2) throw new Damage("unsupported_version");
  const minor = view.getUint16(6, little);
  const linkType = view.getUint32(20, little) & 0xffff;
  const header = magic === 0xa1b2cd34 ? 24 : 16;
  for (let at = 24; at < view.byteLength; ) {
    if (at + header > view.byteLength) throw new Damage("cut_in_record");
    let [captured, wire] = [view.getUint32(at + 8, little), view.getUint32(at + 12, little)];
    if (minor < 3 || (minor === 3 && captured > wire)) [captured, wire] = [wire, captured];
    if (captured > CAPTURED_MAX) throw new Damage("bad_record_length");
    if (at + header + captured > view.byteLength) throw new Damage("cut_in_record");
    const fraction = BigInt(view.getUint32(at + 4, little)) * (magic === 0xa1b23c4d ? 1n : 1000n);
    const timestamp = BigInt(view.getUint32(at, little)) * 1_000_000_000n + fraction;
    const data = new Uint8Array(view.buffer, view.byteOffset + at + header, captured);
    records.push({ linkType, data, wireLength: wire, timestamp, isFresh: records.length === 0 });
    at += header + captured;
  }
}

interface Interface {
  linkType: number;
  snaplen: number;
  resolution: number;
  offset: bigint;
}

function readPcapng(view: DataView, records: FoundRecord[]): void {
  let little = true;
  let interfaces: Interface[] = [];
  let isFresh = true;
  for (let at = 0; at < view.byteLength; ) {
    const left = view.byteLength - at;
    if (left < 12) throw new Damage("cut_in_record");
    if (view.getUint32(at) === 0x0a0d0d0a) {
      little = view.getUint32(at + 8, true) === 0x1a2b3c4d;
      if (view.getUint32(at + 8, little) !== 0x1a2b3c4d) throw new Damage("not_a_capture");
    }
    const type = view.getUint32(at, little);
    const total = view.getUint32(at + 4, little);
    if (total < 12) throw new Damage("bad_block_length");
    const whole = Math.ceil(total / 4) * 4;
    if (whole > left) throw new Damage("cut_in_record");
    if (view.getUint32(at + whole - 4, little) !== total) throw new Damage("bad_block_length");
    const block = new DataView(view.buffer, view.byteOffset + at, total);
    if (type === 0x0a0d0d0a) {
      if (total < 28) throw new Damage("bad_block_length");
      if (block.getUint16(12, little) !== 1) throw new Damage("unsupported_version");
      interfaces = [];
      isFresh = true;
    } else if (type === 1) interfaces.push(readInterface(block, little, interfaces.length));
    else if (type === 2 || type === 3 || type === 6) {
      records.push({ ...readPacket(block, little, type, interfaces, records), isFresh });
      isFresh = false;
    }
    at += whole;
  }
}

function readInterface(block: DataView, little: boolean, known: number): Interface {
  if (block.byteLength < 20) throw new Damage("bad_block_length");
  if (known === 4096) throw new Damage("bad_interface");
  const found = {
    linkType: block.getUint16(8, little),
    snaplen: block.getUint32(12, little),
    resolution: 6,
    offset: 0n,
  };
  const end = block.byteLength - 4;
  for (let at = 16; at + 4 <= end; ) {
    const [code, length] = [block.getUint16(at, little), block.getUint16(at + 2, little)];
    at += 4;
    if (code === 0 || at + length > end) break;
    if (code === 9 && length >= 1) found.resolution = block.getUint8(at);
    if (code === 14 && length >= 8) found.offset = block.getBigInt64(at, little);
    at += Math.ceil(length / 4) * 4;
  }
  return found;
}

function readPacket(
  block: DataView,
  little: boolean,
  type: number,
  interfaces: Interface[],
  before: FoundRecord[],
): Omit<FoundRecord, "isFresh"> {
  if (block.byteLength < (type === 3 ? 16 : 32)) throw new Damage("bad_block_length");
  const number = type === 6 ? block.getUint32(8, little) : type === 2 ? block.getUint16(8, little) : 0;
  const found = interfaces[number];
  if (found === undefined) throw new Damage("bad_interface");
  const header = type === 3 ? 12 : 28;
  const wire = block.getUint32(type === 3 ? 8 : 24, little);
  const limit = found.snaplen === 0 ? wire : Math.min(wire, found.snaplen);
  const captured = type === 3 ? limit : block.getUint32(20, little);
  if (captured > CAPTURED_MAX || captured > block.byteLength - header - 4)
    throw new Damage("bad_record_length");
  const units = (BigInt(block.getUint32(12, little)) << 32n) | BigInt(block.getUint32(16, little));
  return {
    linkType: found.linkType,
    data: new Uint8Array(block.buffer, block.byteOffset + header, captured),
    wireLength: wire,
    timestamp: type === 3 ? (before.at(-1)?.timestamp ?? 0n) : timeOf(found, units),
  };
}

/** Exact, then held to 0 .. 2^63 - 1; below 2^-34 s binary fractions are cut first, as in the C. */
function timeOf({ resolution, offset }: Interface, units: bigint): bigint {
  const exponent = BigInt(resolution & 0x7f);
  let ns: bigint;
  if ((resolution & 0x80) === 0) {
    ns = exponent <= 9n ? units * 10n ** (9n - exponent) : units / 10n ** (exponent - 9n);
  } else {
    const cut = exponent > 34n ? exponent - 34n : 0n;
    ns = ((units >> cut) * 1_000_000_000n) >> (exponent - cut);
  }
  // Each term is held to the range by itself before they are added.
  const offsetNs = offset * 1_000_000_000n;
  const most = TIME_MAX / 1_000_000_000n;
  const held = offset > most ? TIME_MAX : offset < -most ? -TIME_MAX : offsetNs;
  return clamp(clamp(ns) + held);
}

export interface FoundWindow {
  start: bigint;
  end: bigint;
  first: bigint;
  last: bigint;
  records: FoundRecord[];
  late: number;
}

/** The windows that records fall into: by time (windowNs > 0), else one. */
export function referenceWindows(records: readonly FoundRecord[], windowNs: bigint): FoundWindow[] {
  const windows: FoundWindow[] = [];
  let open: FoundWindow | undefined;
  for (const record of records) {
    const time = record.timestamp;
    const isBefore = open !== undefined && time < open.start;
    if (open === undefined || (windowNs > 0n && (time >= open.end || (isBefore && record.isFresh)))) {
      const start = windowNs > 0n ? time - (time % windowNs) : time;
      open = { start, end: start + windowNs, first: time, last: time, records: [], late: 0 };
      windows.push(open);
    }
    if (windowNs > 0n && time < open.start) open.late++;
    if (time < open.first) open.first = time;
    if (time > open.last) open.last = time;
    open.records.push(record);
  }
  if (windowNs === 0n)
    for (const window of windows) [window.start, window.end] = [window.first, window.last + 1n];
  return windows;
}
