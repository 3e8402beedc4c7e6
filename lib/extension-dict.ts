/**
 * ext.NAME.dict: what the hashes in an extension's keys stand for. Records {u64 index; u8 kind; u8 length; u8 bytes[length]},
 * little-endian, sorted by index, one for each. Kinds: 0 a number of 8 bytes, 1 text, 2 an IPv6 address of 16 bytes.
 */
import { EXIT, SparsewireError } from "./errors.js";

export const LABEL_KINDS = ["number", "text", "ipv6"] as const;
export interface Label {
  kind: (typeof LABEL_KINDS)[number];
  bytes: Uint8Array;
}
export type ExtensionDict = ReadonlyMap<bigint, Label>;

/** Of a record: index, kind, length. */
export const LABEL_HEAD_BYTES = 10;
export const LABEL_LENGTHS: Record<number, number> = { 0: 8, 2: 16 };

/** Throws BAD_ARCHIVE when it is not sound. Labels are views. */
export function readExtensionDict(bytes: Uint8Array): Map<bigint, Label> {
  const view = new DataView(bytes.buffer, bytes.byteOffset, bytes.length);
  const dict = new Map<bigint, Label>();
  let before = -1n;
  for (let at = 0; at < bytes.length; ) {
    if (bytes.length - at < LABEL_HEAD_BYTES) throw bad("a record is cut");
    const index = view.getBigUint64(at, true);
    const kind = view.getUint8(at + 8);
    const length = view.getUint8(at + 9);
    if (index <= before) throw bad("it is not sorted");
    if (LABEL_KINDS[kind] === undefined || (LABEL_LENGTHS[kind] ?? length) !== length)
      throw bad("a record is odd");
    if (bytes.length - at - LABEL_HEAD_BYTES < length) throw bad("a record is cut");
    dict.set(index, {
      kind: LABEL_KINDS[kind]!,
      bytes: bytes.subarray(at + LABEL_HEAD_BYTES, at + LABEL_HEAD_BYTES + length),
    });
    before = index;
    at += LABEL_HEAD_BYTES + length;
  }
  return dict;
}

export function writeExtensionDict(dict: ExtensionDict): Uint8Array<ArrayBuffer> {
  const entries = [...dict].sort(([a], [b]) => (a < b ? -1 : a > b ? 1 : 0));
  const bytes = new Uint8Array(
    entries.reduce((sum, [, label]) => sum + LABEL_HEAD_BYTES + label.bytes.length, 0),
  );
  const view = new DataView(bytes.buffer);
  let at = 0;
  for (const [index, label] of entries) {
    view.setBigUint64(at, index, true);
    view.setUint8(at + 8, LABEL_KINDS.indexOf(label.kind));
    view.setUint8(at + 9, label.bytes.length);
    bytes.set(label.bytes, at + LABEL_HEAD_BYTES);
    at += LABEL_HEAD_BYTES + label.bytes.length;
  }
  return bytes;
}

const bad = (what: string): SparsewireError =>
  new SparsewireError("BAD_ARCHIVE", `not a sound archive: the dictionary of an extension: ${what}`, {
    exit: EXIT.badInput,
    mend: "fetch or write the archive again",
  });
