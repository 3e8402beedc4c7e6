/**
 * The reference frame parser: slow and plain, a list of headers read one after the other. The C cursor must agree with
 * it on every frame, honest or mutated.
 */
import type { FrameReason } from "../../lib/reasons.js";

export interface Parsed {
  reason: FrameReason;
  /** Addresses of 4 or 16 bytes, when the frame is counted. */
  source?: Uint8Array;
  destination?: Uint8Array;
}

/** What comes next in the frame: an EtherType, or one of these. */
type Next = number | "ethernet" | "null" | "loop" | "sll" | "sll2" | "raw" | "ipv4" | "ipv6" | "llc";

const LINK_TYPES: Record<number, Next> = {
  0: "null",
  1: "ethernet",
  12: "raw",
  14: "raw",
  101: "raw",
  108: "loop",
  113: "sll",
  228: "ipv4",
  229: "ipv6",
  276: "sll2",
};
const TAGS = [0x8100, 0x88a8, 0x9100, 0x9200];
const IPV6_FAMILIES = [24, 28, 30];

class Truncated extends Error {}

/** The captured bytes that are left; reading beyond them is the `truncated` reason. */
class Bytes {
  #bytes: Uint8Array;

  constructor(bytes: Uint8Array) {
    this.#bytes = bytes;
  }

  get length(): number {
    return this.#bytes.length;
  }

  peek(at: number, n = 1): number {
    if (at + n > this.#bytes.length) throw new Truncated();
    return this.#bytes.subarray(at, at + n).reduce((value, byte) => value * 256 + byte, 0);
  }

  take(n: number): Uint8Array {
    if (n > this.#bytes.length) throw new Truncated();
    const taken = this.#bytes.subarray(0, n);
    this.#bytes = this.#bytes.subarray(n);
    return taken;
  }

  /** Forgets what lies beyond the next n bytes. */
  limit(n: number): void {
    this.#bytes = this.#bytes.subarray(0, n);
  }
}

/** What a frame is, from its captured bytes. */
export function parseFrame(linkType: number, frame: Uint8Array): Parsed {
  const first = LINK_TYPES[linkType];
  if (first === undefined) return { reason: "other_link_type" };
  const bytes = new Bytes(frame);
  let next: Next | Parsed = first;
  try {
    while (typeof next !== "object") next = header(next, bytes);
    return next;
  } catch (error) {
    if (error instanceof Truncated) return { reason: "truncated" };
    throw error;
  }
}

function header(kind: Next, bytes: Bytes): Next | Parsed {
  switch (kind) {
    case "ethernet":
      bytes.peek(0, 14);
      bytes.take(12);
      return typeOrLength(bytes);
    case "null":
    case "loop":
      return family(bytes.take(4));
    case "sll":
      return cooked(bytes.take(16), 14);
    case "sll2":
      return cooked(bytes.take(20), 0);
    case "raw":
      return version(bytes, "malformed_ip");
    case "ipv4":
    case 0x0800:
      return ipv4(bytes);
    case "ipv6":
    case 0x86dd:
      return ipv6(bytes);
    case "llc":
      return llc(bytes);
    case 0x0806:
    case 0x8035:
      return { reason: "arp" };
    case 0x8847:
    case 0x8848:
      while ((bytes.take(4)[2]! & 1) === 0);
      return version(bytes, "mpls_other");
    case 0x8863:
      return { reason: "pppoe_other" };
    case 0x8864:
      return pppoe(bytes);
    default:
      if (!TAGS.includes(kind)) return { reason: "other_ethertype" };
      bytes.peek(0, 4);
      bytes.take(2);
      return typeOrLength(bytes);
  }
}

function typeOrLength(bytes: Bytes): Next {
  const type = bytes.peek(0, 2);
  bytes.take(2);
  if (type > 1500) return type;
  bytes.limit(type);
  return "llc";
}

function family(word: Uint8Array): Next | Parsed {
  const value = Buffer.from(word).readUInt32LE();
  const family = value > 0xffff ? Buffer.from(word).readUInt32BE() : value;
  if (family === 2) return "ipv4";
  if (IPV6_FAMILIES.includes(family)) return "ipv6";
  return family <= 1500 ? { reason: "other_ethertype" } : family & 0xffff;
}

function cooked(cookedHeader: Uint8Array, at: number): Next | Parsed {
  const protocol = Buffer.from(cookedHeader).readUInt16BE(at);
  if (protocol === 4) return "llc";
  return protocol <= 1500 ? { reason: "other_ethertype" } : protocol;
}

function llc(bytes: Bytes): Next | Parsed {
  const other: Parsed = { reason: "llc" };
  if (bytes.length >= 3 && bytes.peek(0) === 6 && bytes.peek(2) === 3) {
    bytes.take(3);
    return "ipv4";
  }
  if (bytes.length < 3 || bytes.peek(0, 3) !== 0xaaaa03) return other;
  const organisation = bytes.peek(0, 8) && bytes.peek(3, 3);
  if (organisation !== 0 && organisation !== 0xf8) return other;
  bytes.take(6);
  return bytes.take(2).reduce((value, byte) => value * 256 + byte, 0);
}

function pppoe(bytes: Bytes): Next | Parsed {
  bytes.take(6);
  const isShort = (bytes.peek(0) & 1) === 1;
  const protocol = isShort ? bytes.peek(0) : bytes.peek(0, 2);
  bytes.take(isShort ? 1 : 2);
  if (protocol === 0x21) return "ipv4";
  return protocol === 0x57 ? "ipv6" : { reason: "pppoe_other" };
}

function version(bytes: Bytes, otherwise: FrameReason): Next | Parsed {
  const nibble = bytes.peek(0) >> 4;
  if (nibble === 4) return "ipv4";
  return nibble === 6 ? "ipv6" : { reason: otherwise };
}

function ipv4(bytes: Bytes): Parsed {
  const first = bytes.peek(0);
  if (first >> 4 !== 4 || (first & 15) < 5) return { reason: "malformed_ip" };
  const ip = bytes.take(20);
  const total = ip[2]! * 256 + ip[3]!;
  if (total !== 0 && total < (first & 15) * 4) return { reason: "malformed_ip" };
  return { reason: "ipv4", source: ip.subarray(12, 16), destination: ip.subarray(16, 20) };
}

function ipv6(bytes: Bytes): Parsed {
  if (bytes.peek(0) >> 4 !== 6) return { reason: "malformed_ip" };
  const ip = bytes.take(40);
  return { reason: "ipv6", source: ip.subarray(8, 24), destination: ip.subarray(24, 40) };
}
