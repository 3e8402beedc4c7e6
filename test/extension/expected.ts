/**
 * What the three examples must say of a list of frames, worked out here by a parser of the test's own: lines
 * `row,column,value` as the export has them, sorted as text.
 */
import type { CapturedFrame } from "../live/tools/frames.js";

interface Packet {
  source: string;
  destination: string;
  protocol: number;
  payload: Uint8Array;
}

const u16 = (bytes: Uint8Array, at: number): number => bytes[at]! * 256 + bytes[at + 1]!;
const u32 = (bytes: Uint8Array, at: number): number => u16(bytes, at) * 65536 + u16(bytes, at + 2);
const TAGS = [0x8100, 0x88a8, 0x9100];

/** Where the network layer begins, by link type; its EtherType where there is one. */
const LINKS: Record<number, [header: number, typeAt: number]> = {
  1: [14, 12],
  113: [16, 14],
  276: [20, 0],
  0: [4, -1],
  108: [4, -1],
  12: [0, -1],
  101: [0, -1],
  228: [0, -1],
  229: [0, -1],
};

/** The outermost IP packet; undefined where there is none, or it is a later fragment. */
function packetOf({ bytes, linkType }: CapturedFrame): Packet | undefined {
  const link = LINKS[linkType];
  if (link === undefined || bytes.length < link[0]) return undefined;
  let [at] = link;
  if (link[1] >= 0) {
    let type = u16(bytes, link[1]);
    while (TAGS.includes(type) && bytes.length - at >= 4) {
      type = u16(bytes, at + 2);
      at += 4;
    }
    if (type !== 0x0800 && type !== 0x86dd) return undefined;
  }
  const ip = bytes.subarray(at);
  if (ip.length < 20) return undefined;
  return ip[0]! >> 4 === 4 ? packet4(ip) : ip[0]! >> 4 === 6 && ip.length >= 40 ? packet6(ip) : undefined;
}

function packet4(ip: Uint8Array): Packet | undefined {
  const header = (ip[0]! & 15) * 4;
  const total = u16(ip, 2);
  if (header < 20 || header > ip.length || (u16(ip, 6) & 0x1fff) !== 0) return undefined;
  const text = (at: number): string => ip.subarray(at, at + 4).join(".");
  const end = total >= header ? Math.min(total, ip.length) : ip.length;
  return { source: text(12), destination: text(16), protocol: ip[9]!, payload: ip.subarray(header, end) };
}

function packet6(ip: Uint8Array): Packet | undefined {
  const end = Math.min(ip.length, 40 + u16(ip, 4));
  let next = ip[6]!;
  let at = 40;
  while ([0, 43, 44, 60].includes(next) && end - at >= 8) {
    if (next === 44 && (u16(ip, at + 2) & 0xfff8) !== 0) return undefined;
    const length = next === 44 ? 8 : 8 + 8 * ip[at + 1]!;
    if (end - at < length) break;
    next = ip[at]!;
    at += length;
  }
  return { source: text6(ip, 8), destination: text6(ip, 24), protocol: next, payload: ip.subarray(at, end) };
}

/** RFC 5952, by way of the URL parser, which is nobody's of ours. */
function text6(ip: Uint8Array, at: number): string {
  const groups = Array.from({ length: 8 }, (_, i) => u16(ip, at + 2 * i).toString(16));
  return new URL(`http://[${groups.join(":")}]/`).hostname.slice(1, -1);
}

class Tally {
  readonly #counts = new Map<string, number>();
  add(row: string, column: string): void {
    const key = `${row},${column}`;
    this.#counts.set(key, (this.#counts.get(key) ?? 0) + 1);
  }
  lines(): string[] {
    return [...this.#counts].map(([key, count]) => `${key},${count}`).sort();
  }
}

export function expectedPorts(frames: readonly CapturedFrame[]): string[] {
  const tally = new Tally();
  for (const frame of frames) {
    const packet = packetOf(frame);
    if (packet === undefined || packet.payload.length < 4) continue;
    const name = { 6: "tcp", 17: "udp" }[packet.protocol];
    if (name !== undefined) tally.add(`${u16(packet.payload, 2)}/${name}`, packet.source);
  }
  return tally.lines();
}

export function expectedDns(frames: readonly CapturedFrame[]): string[] {
  const tally = new Tally();
  for (const frame of frames) {
    const packet = packetOf(frame);
    if (packet?.protocol !== 17 || packet.payload.length < 20 || u16(packet.payload, 2) !== 53) continue;
    const dns = packet.payload.subarray(8);
    if (dns[2]! & 0xf8) continue;
    tally.add(packet.source, u16(dns, 4) === 0 ? "?" : (nameAt(dns, 12) ?? "?"));
  }
  return tally.lines();
}

function nameAt(dns: Uint8Array, start: number): string | undefined {
  const labels: string[] = [];
  for (let at = start; at < dns.length; ) {
    const length = dns[at++]!;
    if (length === 0) return labels.length === 0 ? "." : labels.join(".");
    if (length > 63 || at + length > dns.length) return undefined;
    const bytes = dns.subarray(at, at + length);
    labels.push(Array.from(bytes, printed).join(""));
    at += length;
  }
  return undefined;
}

/** In lower case; what is not plain text as the export writes it. */
function printed(byte: number): string {
  const lower = byte >= 65 && byte <= 90 ? byte + 32 : byte;
  const isPlain = lower > 32 && lower < 127 && !'",\\'.includes(String.fromCharCode(lower));
  return isPlain ? String.fromCharCode(lower) : `\\x${lower.toString(16).padStart(2, "0")}`;
}

export function expectedHandshakes(frames: readonly CapturedFrame[]): string[] {
  const tally = new Tally();
  const open = new Map<string, { client: number; server?: number }>();
  for (const frame of frames) {
    const packet = packetOf(frame);
    if (packet?.protocol !== 6 || packet.payload.length < 20) continue;
    const { source, destination, payload } = packet;
    const [from, to, sequence, acknowledged] = [
      u16(payload, 0),
      u16(payload, 2),
      u32(payload, 4),
      u32(payload, 8),
    ];
    const flags = payload[13]! & 0x17;
    const mine = `${source} ${from} ${destination} ${to}`;
    const theirs = `${destination} ${to} ${source} ${from}`;
    if (flags === 0x02) {
      if (open.get(mine)?.client === sequence) continue;
      open.set(mine, { client: sequence });
      tally.add(source, `${destination}/syn`);
    } else if (flags === 0x12) {
      const handshake = open.get(theirs);
      if (handshake === undefined || handshake.server !== undefined) continue;
      if (acknowledged !== (handshake.client + 1) % 2 ** 32) continue;
      handshake.server = sequence;
      tally.add(destination, `${source}/synack`);
    } else if (flags & 0x04) {
      if (open.delete(mine)) tally.add(source, `${destination}/reset`);
      else if (open.delete(theirs)) tally.add(destination, `${source}/reset`);
    } else if ((flags & 0x12) === 0x10) {
      const handshake = open.get(mine);
      if (handshake?.server === undefined || acknowledged !== (handshake.server + 1) % 2 ** 32) continue;
      open.delete(mine);
      tally.add(source, `${destination}/established`);
    }
  }
  return tally.lines();
}

export const EXAMPLES = {
  "port-source": expectedPorts,
  "dns-count": expectedDns,
  "tcp-handshake": expectedHandshakes,
} as const;
export type Example = keyof typeof EXAMPLES;
