/**
 * POSIX ustar archives in memory: a deterministic writer, and a reader that treats every byte as hostile.
 *
 * A tar is a row of 512-byte blocks: a header, then the member's bytes padded to a block, again and again, and two
 * blocks of zeros (IEEE Std 1003.1-2017, pax, "ustar Interchange Format"). The reader also understands what foreign
 * writers add: pax records (`path`, `size`), GNU long names and base-256 numbers.
 */
import { EXIT, SparsewireError } from "./errors.js";

export interface TarMember {
  name: string;
  data: Uint8Array;
}
export interface TarDamage {
  what: string;
  /** Byte at which the reader gave up. */
  offset: number;
}
export interface TarContents {
  /** Regular files in the order of the archive; `data` are views into the archive's bytes. */
  members: TarMember[];
  /** Only with `lenient`: why what follows the last member could not be read. */
  damage?: TarDamage;
}

/** Bytes of a tar that need not be in memory: of a file, or of a member of another tar. */
export interface TarSource {
  readonly size: number;
  /** Exactly these bytes, which lie within the size; valid until the next call. */
  read(offset: number, length: number): Uint8Array;
}

/** Where a member's bytes lie in its tar. */
export interface TarEntry {
  name: string;
  offset: number;
  size: number;
}

const BLOCK = 512;
/** A longer name, or longer pax header, is nobody's honest archive. */
const NAME_BYTES_MAX = 4096;
const PAX_BYTES_MAX = 1 << 16;
const encoder = new TextEncoder();
const decoder = new TextDecoder("utf-8", { fatal: true });

const padded = (size: number): number => Math.ceil(size / BLOCK) * BLOCK;

/** Writes regular files, mode 0644, owner 0, all with the same `mtime` (seconds since 1970): same input, same bytes. */
export function writeTar(members: readonly TarMember[], options: { mtime: number }): Uint8Array<ArrayBuffer> {
  const total = members.reduce((sum, { data }) => sum + BLOCK + padded(data.length), TAR_END.length);
  const tar = new Uint8Array(total);
  let offset = 0;
  for (const { name, data } of members) {
    writeHeader(tar.subarray(offset, offset + BLOCK), name, data.length, options.mtime);
    tar.set(data, offset + BLOCK);
    offset += BLOCK + padded(data.length);
  }
  return tar;
}

/** What ends a tar. */
export const TAR_END = new Uint8Array(2 * BLOCK);

/** One member as it stands in a tar, for writers that do not hold the whole of it. */
export function tarMember(member: TarMember, options: { mtime: number }): Uint8Array<ArrayBuffer> {
  return writeTar([member], options).slice(0, -TAR_END.length);
}

function writeHeader(header: Uint8Array, name: string, size: number, mtime: number): void {
  const [prefix, base] = splitName(name);
  const text = (at: number, value: string): void => void encoder.encodeInto(value, header.subarray(at));
  const octal = (at: number, length: number, value: number): void =>
    text(at, `${value.toString(8).padStart(length - 1, "0")}\0`);
  text(0, base);
  octal(100, 8, 0o644);
  octal(108, 8, 0);
  octal(116, 8, 0);
  if (size < 8 ** 11) octal(124, 12, size);
  else new DataView(header.buffer, header.byteOffset).setBigUint64(128, BigInt(size));
  if (size >= 8 ** 11) header[124] = 0x80;
  octal(136, 12, Math.min(Math.max(Math.trunc(mtime), 0), 8 ** 11 - 1));
  text(148, " ".repeat(8));
  text(156, "0");
  text(257, "ustar\x0000");
  octal(329, 8, 0);
  octal(337, 8, 0);
  text(345, prefix);
  octal(148, 7, checksums(header).unsigned);
}

/** ustar has 100 bytes for a name, and 155 more for the folders before it. */
function splitName(name: string): [prefix: string, base: string] {
  const bytes = encoder.encode(name).length;
  if (name !== "" && bytes <= 100) return ["", name];
  for (let slash = name.indexOf("/"); slash > 0; slash = name.indexOf("/", slash + 1)) {
    const [prefix, base] = [name.slice(0, slash), name.slice(slash + 1)];
    if (base !== "" && encoder.encode(base).length <= 100 && encoder.encode(prefix).length <= 155) {
      return [prefix, base];
    }
  }
  throw bad(`the name of a member does not fit a tar header: ${JSON.stringify(name.slice(0, 80))}`);
}

/**
 * The regular files of a tar. Everything that is not a regular file is skipped.
 *
 * Throws SparsewireError BAD_TAR at the first damage (no end marker counts as damage: the tail is missing);
 * with `lenient` it returns the whole members before it, and says what was wrong.
 */
export function readTar(bytes: Uint8Array, options: { lenient?: boolean } = {}): TarContents {
  const members: TarMember[] = [];
  const at = (offset: number, length: number): Uint8Array => bytes.subarray(offset, offset + length);
  const reader = new Reader({ size: bytes.length, read: at });
  try {
    for (let entry = reader.next(); entry !== undefined; entry = reader.next()) {
      members.push({ name: entry.name, data: at(entry.offset, entry.size) });
    }
  } catch (error) {
    if (!options.lenient || !(error instanceof SparsewireError)) throw error;
    return { members, damage: { what: error.message, offset: reader.offset } };
  }
  return { members };
}

/**
 * Where the regular files of a tar lie; only headers are read. BAD_TAR as in readTar(), but with `unmarked` a tar may end
 * without its end marker: some writers append members and never write one.
 */
export function* tarEntries(
  source: TarSource,
  options: { unmarked?: boolean } = {},
): Generator<TarEntry, void> {
  const reader = new Reader(source);
  for (;;) {
    if (options.unmarked && reader.offset > 0 && reader.offset >= source.size) return;
    const entry = reader.next();
    if (entry === undefined) return;
    yield entry;
  }
}

class Reader {
  offset = 0;
  constructor(private readonly source: TarSource) {}

  /** The next regular file, or undefined at the end marker. `offset` stays at the header that is at fault. */
  next(): TarEntry | undefined {
    let name: string | undefined;
    let size: number | undefined;
    for (;;) {
      const header = this.block();
      if (header === undefined) return undefined;
      const type = String.fromCharCode(header[156]!);
      const length = hasNoData(type) ? 0 : (size ?? numberField(header.subarray(124, 136), "size"));
      this.mustHold(length);
      if (type === "L") name = textField(this.data(length, NAME_BYTES_MAX, "the name of a member"));
      else if (type === "x") {
        ({ name = name, size = size } = paxRecords(this.data(length, PAX_BYTES_MAX, "a pax header")));
      } else if (type === "S") throw bad("a sparse member (GNU) is not supported");
      else {
        const [given, offset] = [name ?? headerName(header), this.offset + BLOCK];
        this.offset += BLOCK + padded(length);
        if ((type === "0" || type === "\0" || type === "7") && !given.endsWith("/")) {
          return { name: safeName(given), offset, size: length };
        }
        [name, size] = [undefined, undefined];
        continue;
      }
      this.offset += BLOCK + padded(length);
    }
  }

  private block(): Uint8Array | undefined {
    const left = this.source.size - this.offset;
    if (left < BLOCK) throw bad(left <= 0 ? "the end marker is missing: the tar is cut" : "a header is cut");
    const header = this.source.read(this.offset, BLOCK);
    if (header.every((byte) => byte === 0)) return undefined;
    const { unsigned, signed } = checksums(header);
    const stored = numberField(header.subarray(148, 156), "checksum");
    if (stored !== unsigned && stored !== signed) throw bad("the checksum of a header is wrong");
    return header;
  }

  private mustHold(size: number): void {
    if (size > this.source.size - this.offset - BLOCK) throw bad(`a member of ${size} bytes is cut`);
  }

  private data(size: number, most: number, what: string): Uint8Array {
    if (size > most) throw bad(`${what} is absurdly long`);
    return this.source.read(this.offset + BLOCK, size);
  }
}

/** Links, devices, folders: some writers leave a size in their headers, yet no bytes follow. */
const hasNoData = (type: string): boolean => type >= "1" && type <= "6";

/** The sum of the header's bytes with its own field as spaces; old writers summed signed bytes. */
function checksums(header: Uint8Array): { unsigned: number; signed: number } {
  let unsigned = 0;
  let signed = 0;
  for (let i = 0; i < BLOCK; i++) {
    const byte = i >= 148 && i < 156 ? 32 : header[i]!;
    unsigned += byte;
    signed += byte < 128 ? byte : byte - 256;
  }
  return { unsigned, signed };
}

/** Octal digits between blanks and NULs, or (first bit set) a big-endian binary number. */
function numberField(field: Uint8Array, what: string): number {
  let value = 0;
  if (field[0]! >= 0x80) {
    if (field[0] !== 0x80) throw bad(`the ${what} of a member is negative or absurd`);
    for (const byte of field.subarray(1)) value = value * 256 + byte;
  } else {
    const text = latin1(field);
    const digits = /^[ \0]*([0-7]*)[ \0]*$/.exec(text)?.[1];
    if (digits === undefined) throw bad(`the ${what} of a member is not a number`);
    value = digits === "" ? 0 : Number.parseInt(digits, 8);
  }
  if (!Number.isSafeInteger(value)) throw bad(`the ${what} of a member is absurd`);
  return value;
}

const latin1 = (field: Uint8Array): string => String.fromCharCode(...field);

/** Bytes up to the first NUL as UTF-8. */
function textField(field: Uint8Array): string {
  const end = field.indexOf(0);
  try {
    return decoder.decode(end < 0 ? field : field.subarray(0, end));
  } catch {
    throw bad("the name of a member is not UTF-8");
  }
}

function headerName(header: Uint8Array): string {
  const name = textField(header.subarray(0, 100));
  const isUstar = latin1(header.subarray(257, 263)) === "ustar\0";
  const prefix = isUstar ? textField(header.subarray(345, 500)) : "";
  return prefix === "" ? name : `${prefix}/${name}`;
}

function longName(data: Uint8Array): string {
  if (data.length > NAME_BYTES_MAX) throw bad("the name of a member is absurdly long");
  return textField(data);
}

/** pax records: `LENGTH KEY=VALUE\n`, LENGTH counting itself; only path and size matter here. */
function paxRecords(data: Uint8Array): { name?: string; size?: number } {
  const found: { name?: string; size?: number } = {};
  for (let at = 0; at < data.length; ) {
    const space = data.indexOf(32, at);
    const length = space < 0 || space - at > 6 ? Number.NaN : Number(latin1(data.subarray(at, space)));
    const end = at + length;
    if (!(end > space + 1 && end <= data.length && data[end - 1] === 10))
      throw bad("a pax record is malformed");
    const record = data.subarray(space + 1, end - 1);
    const equals = record.indexOf(61);
    if (equals < 1) throw bad("a pax record is malformed");
    const key = latin1(record.subarray(0, Math.min(equals, 64)));
    if (key === "path") found.name = longName(record.subarray(equals + 1));
    if (key === "size") found.size = paxSize(record.subarray(equals + 1));
    if (key.startsWith("GNU.sparse")) throw bad("a sparse member (GNU) is not supported");
    at = end;
  }
  return found;
}

function paxSize(value: Uint8Array): number {
  const text = value.length <= 16 ? latin1(value) : "";
  if (!/^\d{1,16}$/.test(text) || !Number.isSafeInteger(Number(text)))
    throw bad("the size of a member is absurd");
  return Number(text);
}

/** Nobody who joins a member's name to a folder may end up outside of it. */
function safeName(name: string): string {
  const plain = name.replace(/^(\.\/+)+/, "");
  const unsafe = plain === "" || plain.startsWith("/") || plain.split("/").includes("..");
  if (unsafe || plain.includes("\\") || plain.length > NAME_BYTES_MAX) {
    throw bad(`the name of a member is unsafe: ${JSON.stringify(plain.slice(0, 80))}`);
  }
  return plain;
}

const bad = (what: string): SparsewireError =>
  new SparsewireError("BAD_TAR", `not a sound tar: ${what}`, {
    exit: EXIT.badInput,
    mend: "fetch or write the archive again",
  });
