/**
 * IPv4 and IPv6 addresses as numbers, bytes and text, and CIDR blocks as ranges of matrix indices.
 *
 * An IPv4 address is its big-endian number (10.0.0.1 is 0x0A000001), an IPv6 address a bigint below 2^128 or its
 * 16 bytes in network order. The text of IPv6 is that of RFC 5952, with the dotted tail that inet_ntop gives to
 * IPv4-mapped (::ffff:1.2.3.4) and IPv4-compatible (::1.2.3.4) addresses.
 */
import { EXIT, SparsewireError } from "./errors.js";

export type Family = 4 | 6;
/** big: 10.0.0.1 is index 0x0A000001. little: index 0x0100000A, the raw s_addr of a little-endian host. */
export type ByteOrder = "big" | "little";

/** A CIDR block as half-open range of address numbers. */
export interface Block {
  family: Family;
  /** First address. */
  lo: bigint;
  /** One past the last address: up to 2^32 (IPv4) or 2^128 (IPv6). */
  hi: bigint;
  prefix: number;
}

/** Dotted text of a number below 2^32. */
export const ipv4Text = (address: number): string =>
  `${(address >>> 24) & 255}.${(address >>> 16) & 255}.${(address >>> 8) & 255}.${address & 255}`;

/** The number of a dotted quad (no leading zeros, no short forms), or undefined. */
export function parseIpv4(text: string): number | undefined {
  const parts = /^(\d{1,3})\.(\d{1,3})\.(\d{1,3})\.(\d{1,3})$/.exec(text)?.slice(1);
  if (parts === undefined || parts.some((part) => Number(part) > 255 || String(Number(part)) !== part)) {
    return undefined;
  }
  return parts.reduce((address, part) => address * 256 + Number(part), 0);
}

/** RFC 5952 text of 16 bytes at `offset`. */
export function ipv6TextOfBytes(bytes: Uint8Array, offset = 0): string {
  const groups: number[] = [];
  for (let i = 0; i < 16; i += 2) groups.push((bytes[offset + i]! << 8) | bytes[offset + i + 1]!);
  const [start, length] = longestZeroRun(groups);
  const dotted = start === 0 && (length === 6 || (length === 5 && groups[5] === 0xffff));
  if (dotted) {
    const tail = ipv4Text(((groups[6]! << 16) | groups[7]!) >>> 0);
    return length === 6 ? `::${tail}` : `::ffff:${tail}`;
  }
  const hex = groups.map((group) => group.toString(16));
  if (length < 2) return hex.join(":");
  return `${hex.slice(0, start).join(":")}::${hex.slice(start + length).join(":")}`;
}

/** RFC 5952 text of a number below 2^128. */
export const ipv6Text = (address: bigint): string => ipv6TextOfBytes(ipv6Bytes(address));

/** The first of the longest runs of zero groups (RFC 5952, 4.2.3). */
function longestZeroRun(groups: readonly number[]): [start: number, length: number] {
  let best: [number, number] = [0, 0];
  for (let start = 0; start < groups.length; start++) {
    let end = start;
    while (groups[end] === 0) end++;
    if (end - start > best[1]) best = [start, end - start];
    start = Math.max(start, end - 1);
  }
  return best;
}

/** The number of an IPv6 address in any form of RFC 4291, 2.2 (no zone), or undefined. */
export function parseIpv6(text: string): bigint | undefined {
  if (text.length > 45) return undefined;
  const dotted = /^(.*:)(\d+\.\d+\.\d+\.\d+)$/.exec(text);
  let plain = text;
  if (dotted !== null) {
    const tail = parseIpv4(dotted[2]!);
    if (tail === undefined) return undefined;
    plain = `${dotted[1]}${(tail >>> 16).toString(16)}:${(tail & 0xffff).toString(16)}`;
  }
  const halves = plain.split("::");
  if (halves.length > 2) return undefined;
  const [head, tail] = halves.map((half) => (half === "" ? [] : half.split(":")));
  const missing = 8 - head!.length - (tail?.length ?? 0);
  if (tail === undefined ? missing !== 0 : missing < 1) return undefined;
  const groups = tail === undefined ? head! : [...head!, ...Array<string>(missing).fill("0"), ...tail];
  if (!groups.every((group) => /^[0-9a-fA-F]{1,4}$/.test(group))) return undefined;
  return groups.reduce((address, group) => (address << 16n) | BigInt(`0x${group}`), 0n);
}

/** 16 bytes, network order. */
export function ipv6Bytes(address: bigint): Uint8Array<ArrayBuffer> {
  const view = new DataView(new ArrayBuffer(16));
  view.setBigUint64(0, (address >> 64n) & 0xffffffffffffffffn);
  view.setBigUint64(8, address & 0xffffffffffffffffn);
  return new Uint8Array(view.buffer);
}

/** The number of 16 bytes at `offset`. */
export function ipv6Value(bytes: Uint8Array, offset = 0): bigint {
  const view = new DataView(bytes.buffer, bytes.byteOffset + offset, 16);
  return (view.getBigUint64(0) << 64n) | view.getBigUint64(8);
}

/** The block that "10.0.0.0/8", "2001:db8::/32" or a bare address names; throws BAD_ADDRESS, also for host bits. */
export function parseCidr(text: string): Block {
  const [address, length, ...rest] = text.trim().split("/");
  const v4 = parseIpv4(address ?? "");
  const number = v4 === undefined ? parseIpv6(address ?? "") : BigInt(v4);
  const bits = v4 === undefined ? 128 : 32;
  const prefix = length === undefined ? bits : /^\d{1,3}$/.test(length) ? Number(length) : bits + 1;
  if (number === undefined || rest.length > 0 || prefix > bits) {
    throw badAddress(`not an address or CIDR block: ${JSON.stringify(text.slice(0, 80))}`);
  }
  const size = 1n << BigInt(bits - prefix);
  if (number % size !== 0n) {
    const whole = number - (number % size);
    const mend = `write ${v4 === undefined ? ipv6Text(whole) : ipv4Text(Number(whole))}/${prefix}`;
    throw badAddress(`${text.trim()} has bits set beyond its prefix`, mend);
  }
  return { family: v4 === undefined ? 6 : 4, lo: number, hi: number + size, prefix };
}

/** The text of a block: always with its prefix. */
export const cidrText = (block: Block): string =>
  `${block.family === 4 ? ipv4Text(Number(block.lo)) : ipv6Text(block.lo)}/${block.prefix}`;

/** The other byte order of a number below 2^32; signed: `>>> 0` makes it a number again. */
export const swap32 = (value: number): number =>
  ((value & 0xff) << 24) | ((value & 0xff00) << 8) | ((value >>> 8) & 0xff00) | (value >>> 24);

/** The address of an IPv4 matrix index: its number, 0 to 2^32 - 1. */
export function indexToAddress4(index: bigint | number, byteOrder: ByteOrder): number {
  const value = Number(index);
  return byteOrder === "big" ? value : swap32(value) >>> 0;
}

/** The matrix index of an IPv4 address; its own inverse. */
export const address4ToIndex = indexToAddress4;

/** Dotted text of an IPv4 matrix index. */
export const indexToText4 = (index: bigint | number, byteOrder: ByteOrder): string =>
  ipv4Text(indexToAddress4(index, byteOrder));

/** Numeric order of two 16-byte addresses: negative, 0 or positive. */
export function compareAddresses6(a: Uint8Array, aOffset: number, b: Uint8Array, bOffset: number): number {
  for (let i = 0; i < 16; i++) {
    const difference = a[aOffset + i]! - b[bOffset + i]!;
    if (difference !== 0) return difference;
  }
  return 0;
}

/** Numeric order of two addresses in text: IPv4 before IPv6, what is neither last. For small lists. */
export function compareAddressText(a: string, b: string): number {
  const [left, right] = [addressKey(a), addressKey(b)];
  return left < right ? -1 : left > right ? 1 : 0;
}

function addressKey(text: string): bigint {
  const v4 = parseIpv4(text);
  if (v4 !== undefined) return BigInt(v4);
  return (1n << 128n) + (parseIpv6(text) ?? 1n << 128n);
}

const badAddress = (what: string, mend = "write it like 10.0.0.0/8 or 2001:db8::/32"): SparsewireError =>
  new SparsewireError("BAD_ADDRESS", what, { exit: EXIT.badInput, mend });
