/**
 * A zip archive in pieces, its members stored as they are, so that memory holds none of them whole (APPNOTE.TXT of PKWARE).
 * The checksum follows each member in a data descriptor; readers go by the directory at the end.
 */
import { crc32 } from "node:zlib";
import { EXIT, SparsewireError } from "./errors.js";

export interface ZipMember {
  name: string;
  /** Exactly what `pieces` come to. */
  size: number;
  pieces: Iterable<Uint8Array>;
}

const BYTES_MAX = 0xffff_fffe;
const LOCAL_BYTES = 30;
const DESCRIPTOR_BYTES = 16;
const CENTRAL_BYTES = 46;
const END_BYTES = 22;
/** 1980-01-01: the same members make the same bytes. */
const DOS_DATE = 0x21;
/** Bit 3: sizes and checksum are behind the data. */
const FLAGS = 8;
const VERSION = 20;

/**
 * @throws SparsewireError TOO_LARGE when the archive would not fit 4 GiB, before the first piece
 */
export function* zipPieces(members: readonly ZipMember[]): Generator<Uint8Array> {
  const overhead = LOCAL_BYTES + DESCRIPTOR_BYTES + CENTRAL_BYTES;
  const total = members.reduce((sum, { name, size }) => sum + overhead + 2 * name.length + size, END_BYTES);
  if (total > BYTES_MAX) {
    throw new SparsewireError("TOO_LARGE", "the matrix does not fit a zip archive of 4 GiB", {
      exit: EXIT.failure,
      mend: "use --format grb or parquet",
    });
  }
  const directory: Uint8Array[] = [];
  let offset = 0;
  for (const { name, size, pieces } of members) {
    yield localHeader(name);
    let crc = 0;
    for (const piece of pieces) {
      crc = crc32(piece, crc);
      yield piece;
    }
    const descriptor = block(DESCRIPTOR_BYTES, [0x08074b50, 32], [crc, 32], [size, 32], [size, 32]);
    yield descriptor;
    directory.push(centralHeader(name, crc, size, offset));
    offset += LOCAL_BYTES + name.length + size + DESCRIPTOR_BYTES;
  }
  yield* directory;
  const length = directory.reduce((sum, entry) => sum + entry.length, 0);
  const counts: Field[] = [
    [0, 16],
    [0, 16],
    [members.length, 16],
    [members.length, 16],
  ];
  yield block(END_BYTES, [0x06054b50, 32], ...counts, [length, 32], [offset, 32], [0, 16]);
}

type Field = [value: number, bits: 16 | 32];

const localHeader = (name: string): Uint8Array =>
  named(
    name,
    block(
      LOCAL_BYTES,
      [0x04034b50, 32],
      [VERSION, 16],
      [FLAGS, 16],
      [0, 32],
      [DOS_DATE, 16],
      [0, 32],
      [0, 32],
      [0, 32],
      [name.length, 16],
      [0, 16],
    ),
  );

const centralHeader = (name: string, crc: number, size: number, offset: number): Uint8Array =>
  named(
    name,
    block(
      CENTRAL_BYTES,
      [0x02014b50, 32],
      [VERSION, 16],
      [VERSION, 16],
      [FLAGS, 16],
      [0, 32],
      [DOS_DATE, 16],
      [crc, 32],
      [size, 32],
      [size, 32],
      [name.length, 16],
      [0, 32],
      [0, 32],
      [0, 32],
      [offset, 32],
    ),
  );

function block(length: number, ...fields: Field[]): Uint8Array {
  const view = new DataView(new ArrayBuffer(length));
  let at = 0;
  for (const [value, bits] of fields) {
    if (bits === 16) view.setUint16(at, value, true);
    else view.setUint32(at, value, true);
    at += bits / 8;
  }
  return new Uint8Array(view.buffer);
}

/** A header with its (ASCII) name behind it. */
function named(name: string, header: Uint8Array): Uint8Array {
  const whole = new Uint8Array(header.length + name.length);
  whole.set(header);
  new TextEncoder().encodeInto(name, whole.subarray(header.length));
  return whole;
}
