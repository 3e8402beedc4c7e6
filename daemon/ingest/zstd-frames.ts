/**
 * A stream of Zstandard frames (RFC 8878), taken apart at their block boundaries and decompressed block by block
 * with fzstd.
 *
 * Taking it apart here bounds what a hostile file can ask for before fzstd sees it: windows of at most 128 MiB (the
 * limit of the zstd tool too), blocks of at most 128 KiB; and it makes concatenated and skippable frames plain.
 * Checksums of the content are not verified.
 */
import { Decompress } from "fzstd";

export const WINDOW_BYTES_MAX = 128 << 20;
const BLOCK_BYTES_MAX = 128 << 10;
const FRAME_MAGIC = 0xfd2fb528;
const SKIPPABLE_MAGIC = 0x184d2a50;
const BLOCK_HEADER_BYTES = 3;
const CHECKSUM_BYTES = 4;

export const isZstd = (head: Uint8Array): boolean => {
  if (head.length < 4) return false;
  const magic = new DataView(head.buffer, head.byteOffset).getUint32(0, true);
  return magic === FRAME_MAGIC || (magic & 0xfffffff0) >>> 0 === SKIPPABLE_MAGIC;
};

/** Why a stream is damaged; only push() and end() throw it. */
export class ZstdDamage extends Error {}

export class ZstdFrames {
  /** Received and not yet used: at most a block and what one push brings. */
  private held = Buffer.alloc(0);
  private skip = 0;
  private decoder: Decompress | undefined;
  private hasChecksum = false;
  private output: Uint8Array[] = [];

  /** Takes more of the stream; the pieces of content it yields, each at most 128 KiB. Throws ZstdDamage. */
  push(chunk: Uint8Array): Generator<Uint8Array> {
    this.held = this.held.length === 0 ? Buffer.from(chunk) : Buffer.concat([this.held, chunk]);
    return this.pieces();
  }

  /** Says that the stream is over; throws ZstdDamage when it is not whole. */
  end(): void {
    if (this.held.length > 0 || this.skip > 0 || this.decoder !== undefined)
      throw new ZstdDamage("it is cut");
  }

  private *pieces(): Generator<Uint8Array> {
    for (;;) {
      const used = this.skipped() || (this.decoder === undefined ? this.frame() : this.block());
      yield* this.output.splice(0);
      if (used === 0) return;
      this.held = this.held.subarray(used);
    }
  }

  private skipped(): number {
    const bytes = Math.min(this.skip, this.held.length);
    this.skip -= bytes;
    return bytes;
  }

  /** A frame's header, or a skippable frame's: bytes used, 0 when it is not yet whole. */
  private frame(): number {
    const { held } = this;
    if (this.skip > 0 || held.length < 5) return 0;
    if ((held.readUInt32LE(0) & 0xfffffff0) >>> 0 === SKIPPABLE_MAGIC) {
      if (held.length < 8) return 0;
      this.skip = held.readUInt32LE(4);
      return 8;
    }
    if (held.readUInt32LE(0) !== FRAME_MAGIC)
      throw new ZstdDamage("a frame does not begin with the magic number");
    const descriptor = held[4]!;
    const isSingle = (descriptor & 0x20) !== 0;
    const dictionaryBytes = [0, 1, 2, 4][descriptor & 3]!;
    const sizeBytes = [isSingle ? 1 : 0, 2, 4, 8][descriptor >> 6]!;
    const sizeAt = 5 + (isSingle ? 0 : 1) + dictionaryBytes;
    if (held.length < sizeAt + sizeBytes) return 0;
    if ((descriptor & 0x08) !== 0) throw new ZstdDamage("a frame has reserved bits set");
    if (held.subarray(sizeAt - dictionaryBytes, sizeAt).some((byte) => byte !== 0)) {
      throw new ZstdDamage("a frame needs a dictionary");
    }
    const window = isSingle ? contentSize(held, sizeAt, sizeBytes) : windowSize(held[5]!);
    if (window > WINDOW_BYTES_MAX) throw new ZstdDamage(`a frame needs a window of ${window} bytes`);
    this.hasChecksum = (descriptor & 4) !== 0;
    this.decoder = new Decompress((piece) => {
      if (piece.length > 0) this.output.push(piece);
    });
    this.decode(held.subarray(0, sizeAt + sizeBytes), false);
    return sizeAt + sizeBytes;
  }

  /** One block (and the checksum behind the last one): bytes used, 0 when it is not yet whole. */
  private block(): number {
    if (this.held.length < BLOCK_HEADER_BYTES) return 0;
    const header = this.held.readUIntLE(0, BLOCK_HEADER_BYTES);
    const [isLast, type, size] = [(header & 1) === 1, (header >> 1) & 3, header >> 3];
    if (type === 3 || size > BLOCK_BYTES_MAX) throw new ZstdDamage("a block has a bad header");
    const checksum = isLast && this.hasChecksum ? CHECKSUM_BYTES : 0;
    const bytes = BLOCK_HEADER_BYTES + (type === 1 ? 1 : size);
    if (this.held.length < bytes + checksum) return 0;
    this.decode(this.held.subarray(0, bytes + checksum), isLast);
    if (isLast) this.decoder = undefined;
    return bytes + checksum;
  }

  private decode(bytes: Uint8Array, isLast: boolean): void {
    try {
      this.decoder!.push(new Uint8Array(bytes), isLast);
    } catch {
      // fzstd meets some corrupt blocks with a RangeError of the engine: whatever it throws, the block is bad.
      throw new ZstdDamage("a block is corrupt");
    }
  }
}

function windowSize(descriptor: number): number {
  const base = 2 ** (10 + (descriptor >> 3));
  return base + (base / 8) * (descriptor & 7);
}

function contentSize(held: Buffer, at: number, bytes: number): number {
  const size = bytes === 8 ? Number(held.readBigUInt64LE(at)) : held.readUIntLE(at, bytes);
  return bytes === 2 ? size + 256 : size;
}
