/**
 * Opens a capture file or pipe as a source of bytes, plain, gzip or zstd: the magic number decides, not the name.
 * Several gzip members or zstd frames one after the other are one stream, as gzip -d and zstd -d take them.
 */
import { createGunzip, type Gunzip } from "node:zlib";
import type { ByteSource } from "./byte-source.js";
import { RawFile } from "./raw-file.js";
import { isZstd, ZstdDamage, ZstdFrames } from "./zstd-frames.js";

const COMPRESSED_READ_BYTES = 256 << 10;
/** Output of one inflate call; before a corrupt block at most this much content is lost. */
const INFLATE_BYTES = 64 << 10;

/** Opens FILE, or standard input for "-". Throws SparsewireError CANNOT_READ. */
export async function openSource(name: string): Promise<ByteSource> {
  const raw = await RawFile.open(name);
  try {
    const head = new Uint8Array(4);
    const length = await readFully(raw, head);
    const stored = new StoredBytes(raw, head.subarray(0, length));
    if (head[0] === 0x1f && head[1] === 0x8b) return new GzipSource(stored);
    return isZstd(head) ? new ZstdSource(stored) : stored;
  } catch (error) {
    raw.close();
    throw error;
  }
}

async function readFully(raw: RawFile, view: Uint8Array): Promise<number> {
  let length = 0;
  for (let bytes = 1; bytes > 0 && length < view.length; length += bytes) {
    bytes = await raw.read(view.subarray(length));
  }
  return length;
}

/** The file's own bytes; the first few have been read already. */
class StoredBytes implements ByteSource {
  readonly format = "plain";
  readonly damage = undefined;

  constructor(
    private readonly raw: RawFile,
    private head: Uint8Array,
  ) {}

  get name(): string {
    return this.raw.name;
  }
  get bytesRead(): number {
    return this.raw.bytesRead;
  }
  get bytesTotal(): number | undefined {
    return this.raw.bytesTotal;
  }

  fill(view: Uint8Array): number | Promise<number> {
    if (this.head.length === 0) return this.raw.read(view);
    const bytes = Math.min(view.length, this.head.length);
    view.set(this.head.subarray(0, bytes));
    this.head = this.head.subarray(bytes);
    return bytes;
  }

  close(): void {
    this.raw.close();
  }
}

/** What gzip and zstd have in common: pieces of content come from an iterator, and are dealt out as asked. */
abstract class CompressedSource implements ByteSource {
  abstract readonly format: "gzip" | "zstd";
  damage: string | undefined;
  private piece: Uint8Array = new Uint8Array();

  constructor(protected readonly stored: StoredBytes) {}

  get name(): string {
    return this.stored.name;
  }
  get bytesRead(): number {
    return this.stored.bytesRead;
  }
  get bytesTotal(): number | undefined {
    return this.stored.bytesTotal;
  }

  async fill(view: Uint8Array): Promise<number> {
    while (this.piece.length === 0) {
      const next = await this.next();
      if (next === undefined) return 0;
      this.piece = next;
    }
    const bytes = Math.min(view.length, this.piece.length);
    view.set(this.piece.subarray(0, bytes));
    this.piece = this.piece.subarray(bytes);
    return bytes;
  }

  close(): void {
    this.stored.close();
  }

  /** The next piece of content, or undefined at the end (then damage says if it is not the real one). */
  protected abstract next(): Promise<Uint8Array | undefined>;

  protected async *chunks(): AsyncGenerator<Uint8Array> {
    for (;;) {
      const chunk = new Uint8Array(COMPRESSED_READ_BYTES);
      const bytes = await this.stored.fill(chunk);
      if (bytes === 0) return;
      yield chunk.subarray(0, bytes);
    }
  }
}

class GzipSource extends CompressedSource {
  readonly format = "gzip";
  private readonly gunzip: Gunzip;
  private isOver = false;
  private failure: unknown;

  constructor(stored: StoredBytes) {
    super(stored);
    // A high-water mark of one byte: inflate goes on only when all it gave has been taken, so that an error (a file
    // that is cut) never throws away content which came before it.
    const options = { chunkSize: INFLATE_BYTES, readableHighWaterMark: 1 };
    this.gunzip = createGunzip(options);
    this.gunzip.on("error", (error: Error) => {
      this.damage = `the gzip stream is damaged (${error.message})`;
      this.isOver = true;
    });
    this.gunzip.on("end", () => {
      this.isOver = true;
    });
    this.pump().catch((error: unknown) => {
      this.failure = error;
      this.gunzip.destroy();
    });
  }

  /** Ends the stream only after its last chunk has been inflated: else a cut stream's last content would be lost. */
  private async pump(): Promise<void> {
    for await (const chunk of this.chunks()) {
      await new Promise<void>((resolve) => this.gunzip.write(chunk, () => resolve()));
      if (this.isOver || this.gunzip.destroyed) return;
    }
    this.gunzip.end();
  }

  protected async next(): Promise<Uint8Array | undefined> {
    for (;;) {
      const piece = this.gunzip.read() as Buffer | null;
      if (piece !== null) return piece;
      if (this.failure !== undefined) throw this.failure;
      if (this.isOver) return undefined;
      await this.stirred();
    }
  }

  /** Something happened: content, the end, an error. */
  private stirred(): Promise<void> {
    return new Promise((resolve) => {
      const events = ["readable", "end", "error", "close"] as const;
      const done = (): void => {
        for (const event of events) this.gunzip.off(event, done);
        resolve();
      };
      for (const event of events) this.gunzip.on(event, done);
    });
  }

  override close(): void {
    this.gunzip.destroy();
    super.close();
  }
}

class ZstdSource extends CompressedSource {
  readonly format = "zstd";
  private readonly input = this.chunks();
  private readonly frames = new ZstdFrames();
  private pieces: Generator<Uint8Array> | undefined;

  protected async next(): Promise<Uint8Array | undefined> {
    try {
      for (;;) {
        const piece = this.pieces?.next();
        if (piece !== undefined && !piece.done) return piece.value;
        const chunk = await this.input.next();
        if (chunk.done) break;
        this.pieces = this.frames.push(chunk.value);
      }
      if (this.damage === undefined) this.frames.end();
    } catch (error) {
      if (!(error instanceof ZstdDamage)) throw error;
      this.damage = `the zstd stream is damaged (${error.message})`;
      await this.input.return(undefined);
    }
    return undefined;
  }
}
