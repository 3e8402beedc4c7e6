/** Random frames of every kind the cursor knows, and mutations of them. Built byte by byte, without the product's code. */
import type { Random } from "./random.js";

export const LINK_TYPES = [1, 1, 1, 1, 101, 12, 14, 228, 229, 0, 108, 113, 276, 147] as const;

const u16 = (value: number): number[] => [(value >> 8) & 255, value & 255];
const u32be = (value: number): number[] => [...u16(value >>> 16), ...u16(value)];
const u32le = (value: number): number[] => u32be(value).reverse();

/** Addresses from a small pool, so that links repeat. */
function ipv4(random: Random): number[] {
  const options = random.chance(0.1) ? random.below(11) * 4 : 0;
  const address = (): number[] => u32be((random.below(4) << 24) + 0x0a000000 + random.below(40));
  const head = [0x45 + options / 4, 0, ...u16(20 + options + 8), 0, 0, 0, 0, 64, 17, 0, 0];
  return [...head, ...address(), ...address(), ...random.bytes(options + 8)];
}

function ipv6(random: Random): number[] {
  const address = (): number[] => [0x20, 1, 0xd, 0xb8, ...new Array<number>(10).fill(0), 0, random.below(60)];
  return [0x60, 0, 0, 0, 0, 8, 17, 64, ...address(), ...address(), ...random.bytes(8)];
}

const ip = (random: Random): [type: number, bytes: number[]] =>
  random.chance(0.6) ? [0x0800, ipv4(random)] : [0x86dd, ipv6(random)];

function mpls(random: Random): number[] {
  const labels = random.below(4);
  const above = Array.from({ length: labels }, () => [...random.bytes(2), random.below(128) * 2, 64]).flat();
  const inner = random.chance(0.9) ? ip(random)[1] : [...random.bytes(40)];
  return [...above, random.below(256), random.below(256), 1, 64, ...inner];
}

function pppoe(random: Random): number[] {
  const [type, bytes] = ip(random);
  const number = random.chance(0.1) ? random.below(65536) : type === 0x0800 ? 0x21 : 0x57;
  const protocol = random.chance(0.2) && number < 256 ? [number] : u16(number);
  return [0x11, 0, ...u16(1), ...u16(bytes.length + protocol.length), ...protocol, ...bytes];
}

function llc(random: Random): number[] {
  if (random.chance(0.1)) return [6, 6, 3, ...ipv4(random)];
  if (random.chance(0.2)) return [...random.bytes(3 + random.below(40))];
  const [type, bytes] = typed(random);
  const organisation = random.pick([
    [0, 0, 0],
    [0, 0, 0xf8],
    [0, 0, 0xc],
    [0x08, 0, 7],
  ]);
  return [0xaa, 0xaa, 3, ...organisation, ...u16(type), ...bytes];
}

/** An EtherType and what follows it. */
function typed(random: Random): [type: number, bytes: number[]] {
  const kind = random.below(20);
  if (kind < 8) return ip(random);
  if (kind < 10) return [random.pick([0x8847, 0x8848]), mpls(random)];
  if (kind < 12) return [random.pick([0x8864, 0x8864, 0x8863]), pppoe(random)];
  if (kind < 13) return [random.pick([0x0806, 0x8035]), [...random.bytes(28)]];
  if (kind < 14) return [random.below(65536), [...random.bytes(30)]];
  const [type, bytes] = typedOrLength(random);
  return [
    random.pick([0x8100, 0x8100, 0x88a8, 0x9100, 0x9200]),
    [...u16(random.below(4096)), ...u16(type), ...bytes],
  ];
}

function typedOrLength(random: Random): [type: number, bytes: number[]] {
  if (random.chance(0.85)) return typed(random);
  const bytes = llc(random);
  const length = random.chance(0.1) ? random.below(1501) : bytes.length;
  return [Math.min(length, 1500), bytes];
}

/** A frame of `linkType`, well formed as a rule. */
export function randomFrame(random: Random, linkType: number): Uint8Array {
  const [type, bytes] = typedOrLength(random);
  const [ipType, ipBytes] = ip(random);
  const family = ipType === 0x0800 ? 2 : random.pick([24, 28, 30]);
  switch (linkType) {
    case 1:
      return Uint8Array.from([...random.bytes(12), ...u16(type), ...bytes]);
    case 0:
      return Uint8Array.from([...random.pick([u32be, u32le])(family), ...ipBytes]);
    case 108:
      return Uint8Array.from([...u32be(family), ...ipBytes]);
    case 113:
      return Uint8Array.from([...random.bytes(14), ...u16(type <= 1500 ? 4 : type), ...bytes]);
    case 276:
      return Uint8Array.from([...u16(type <= 1500 ? 4 : type), ...random.bytes(18), ...bytes]);
    case 228:
      return Uint8Array.from(ipv4(random));
    case 229:
      return Uint8Array.from(ipv6(random));
    default:
      return Uint8Array.from(ipBytes);
  }
}

/** Cuts, flips and overwrites: what a broken or hostile sender, or a snap length, makes of a frame. */
export function mutate(random: Random, frame: Uint8Array): Uint8Array {
  let bytes = Uint8Array.from(frame);
  if (random.chance(0.3)) bytes = bytes.slice(0, random.below(bytes.length + 1));
  for (let edits = random.below(3); edits > 0 && bytes.length > 0; edits--) {
    bytes[random.below(Math.min(bytes.length, 64))] = random.pick([
      0,
      0xff,
      0x45,
      0x81,
      0x08,
      random.below(256),
    ]);
  }
  return bytes;
}
