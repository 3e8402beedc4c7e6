/**
 * What the row and column keys of an extension's matrix mean, so that they can be printed and anonymised.
 *
 * A kind is one part, or several with "/" between, first the most significant: `ipv4/(syn|established)` is an address
 * above four bits that choose a word. All parts together have at most 60 bits, as a GraphBLAS index has.
 *
 *   number    60 bits; larger keys are indexed by a hash, and the dictionary has them
 *   ipv4      32 bits, 10.0.0.1 is 0x0a000001
 *   address   56 bits: an IPv4 address as ipv4; or 2^55 + a hash of an IPv6 address, which the dictionary has
 *   text      56 bits: a hash; the dictionary has the text
 *   port      16 bits
 *   (a|b|c)   4 bits: a word for each number
 */
import { ipv4Text, ipv6TextOfBytes } from "./address.js";
import type { ExtensionDict } from "./extension-dict.js";

export type KeyKind = string;
export interface KeyPart {
  kind: "number" | "ipv4" | "address" | "text" | "port" | "words";
  bits: bigint;
  words: string[];
}

const BITS = { number: 60n, ipv4: 32n, address: 56n, text: 56n, port: 16n } as const;
const WORDS = /^\(([a-z0-9-]{1,24}(?:\|[a-z0-9-]{1,24}){0,15})\)$/;
export const KIND_CHARS_MAX = 256;

/** The parts of a kind, or what is wrong with it. */
export function parseKeyKind(text: KeyKind): KeyPart[] | string {
  if (text.length > KIND_CHARS_MAX) return "a kind is too long";
  const parts: KeyPart[] = [];
  for (const part of text.split("/")) {
    const words = WORDS.exec(part)?.[1]?.split("|");
    if (words !== undefined) parts.push({ kind: "words", bits: 4n, words });
    else if (Object.hasOwn(BITS, part)) {
      const kind = part as keyof typeof BITS;
      parts.push({ kind, bits: BITS[kind], words: [] });
    } else
      return `${JSON.stringify(part.slice(0, 40))} is no kind of key: number, ipv4, address, text, port or (a|b|c)`;
  }
  const bits = parts.reduce((sum, part) => sum + part.bits, 0n);
  return bits <= 60n ? parts : `${text} has ${bits} bits, 60 are the most`;
}

/** Prints keys of a kind; without a dictionary entry a hash is printed as #hex. */
export function keyPrinter(kind: KeyKind, dict: ExtensionDict): (index: bigint) => string {
  const parts = partsOf(kind);
  return (index) => {
    const texts: string[] = [];
    let left = index;
    for (const part of parts.toReversed()) {
      texts.unshift(printPart(part, BigInt.asUintN(Number(part.bits), left), dict));
      left >>= part.bits;
    }
    return texts.join("/");
  };
}

/** The parts of a kind that is known to be sound (a manifest's was checked when it was read). */
export function partsOf(kind: KeyKind): KeyPart[] {
  const parts = parseKeyKind(kind);
  if (typeof parts === "string") throw new Error(parts);
  return parts;
}

const IPV6_BIT = 1n << 55n;

function printPart({ kind, words }: KeyPart, value: bigint, dict: ExtensionDict): string {
  if (kind === "words") return words[Number(value)] ?? String(value);
  if (kind === "ipv4") return ipv4Text(Number(value));
  if (kind === "address" && value < IPV6_BIT) return ipv4Text(Number(value & 0xffffffffn));
  if (kind === "port") return String(value);
  const label = dict.get(value);
  if (label?.kind === "ipv6") return ipv6TextOfBytes(label.bytes);
  if (label?.kind === "text") return plainText(label.bytes);
  if (label?.kind === "number")
    return String(new DataView(label.bytes.buffer, label.bytes.byteOffset).getBigUint64(0, true));
  return kind === "number" ? String(value) : `#${value.toString(16)}`;
}

/** Text as it may stand in a csv or tsv cell and on a terminal: what is not plain becomes \xNN. */
function plainText(bytes: Uint8Array): string {
  let text = "";
  for (const byte of bytes) {
    const isPlain = byte > 32 && byte < 127 && byte !== 34 && byte !== 44 && byte !== 92;
    text += isPlain ? String.fromCharCode(byte) : `\\x${byte.toString(16).padStart(2, "0")}`;
  }
  return text;
}

/** Whether a key may hold an address of either family (and is anonymised then), or text, which cannot be. */
export const holdsAddress = (kind: KeyKind): boolean =>
  partsOf(kind).some((part) => part.kind === "ipv4" || part.kind === "address");
export const holdsText = (kind: KeyKind): boolean => partsOf(kind).some((part) => part.kind === "text");
