/** Addresses as a service has them (text, number, bytes) to what the log takes; text through a bounded cache. */
import { ipv6Bytes, parseIpv4, parseIpv6 } from "../../lib/address.js";

/** Text ("192.0.2.1", "2001:db8::1", "fe80::1%eth0"), an IPv4 address as number (192.0.2.1 is 0xC0000201), 4 or 16 bytes. */
export type Address = string | number | Uint8Array;

/** An IPv4 address as number, or the four words of an IPv6 address as its 16 bytes lie in memory. */
export type ResolvedAddress = number | Uint32Array;

/** Texts remembered by each of the two generations. */
const GENERATION_MAX = 1 << 13;
/** Longest text of an address: IPv6 with a dotted tail, and a zone. */
const TEXT_MAX = 45 + 1 + 32;
/** The third word of an IPv4-mapped address: 00 00 ff ff. */
const MAPPED_WORD = 0xffff0000;

export class AddressCache {
  #young = new Map<string, ResolvedAddress | null>();
  #old = new Map<string, ResolvedAddress | null>();

  /** Undefined when it is not an address. IPv4-mapped IPv6 addresses (::ffff:192.0.2.1) are IPv4 addresses. */
  of(address: Address): ResolvedAddress | undefined {
    if (typeof address === "string") return this.#text(address);
    if (typeof address === "number") return address >>> 0 === address ? address : undefined;
    return address instanceof Uint8Array ? resolveBytes(address) : undefined;
  }

  /** Texts held now. */
  get size(): number {
    return this.#young.size + this.#old.size;
  }

  #text(text: string): ResolvedAddress | undefined {
    let found = this.#young.get(text);
    if (found !== undefined) return found ?? undefined;
    if (text.length > TEXT_MAX) return undefined;
    found = this.#old.get(text) ?? parse(text) ?? null;
    // Two generations: what is asked for stays, what is not is gone after a while, and nothing is moved one by one.
    if (this.#young.size >= GENERATION_MAX) {
      this.#old = this.#young;
      this.#young = new Map();
    }
    this.#young.set(text, found);
    return found ?? undefined;
  }
}

function parse(text: string): ResolvedAddress | undefined {
  const v4 = parseIpv4(text);
  if (v4 !== undefined) return v4;
  const zone = text.indexOf("%");
  const v6 = parseIpv6(zone < 0 ? text : text.slice(0, zone));
  return v6 === undefined ? undefined : resolveBytes(ipv6Bytes(v6));
}

function resolveBytes(bytes: Uint8Array): ResolvedAddress | undefined {
  if (bytes.length === 4) return ((bytes[0]! << 24) | (bytes[1]! << 16) | (bytes[2]! << 8) | bytes[3]!) >>> 0;
  if (bytes.length !== 16) return undefined;
  const words = new Uint32Array(bytes.slice().buffer);
  const isMapped = words[0] === 0 && words[1] === 0 && words[2] === MAPPED_WORD;
  return isMapped ? swap32(words[3]!) : words;
}

/** The words of any resolved address: IPv4 as IPv4-mapped, for pairs of which only one side is IPv4. */
export const wordsOf = (address: ResolvedAddress): Uint32Array =>
  typeof address === "number" ? Uint32Array.of(0, 0, MAPPED_WORD, swap32(address)) : address;

const swap32 = (value: number): number =>
  ((value << 24) | ((value & 0xff00) << 8) | ((value >>> 8) & 0xff00) | (value >>> 24)) >>> 0;
