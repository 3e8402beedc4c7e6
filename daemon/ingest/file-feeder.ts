/**
 * Feeds a capture file to the sandbox: bytes go straight into its file buffer, the C reader takes whole records where
 * they lie, and every interval that ends on the way is sealed and handed on. No thread, no clock, no JavaScript per
 * packet.
 */
import { setTimeout as sleep } from "node:timers/promises";
import { FILE_DAMAGE, FILE_STATUS, SEAL_CAUSES, type SealCause } from "../../lib/abi.js";
import type { ByteSource } from "./byte-source.js";

/** What the feeder needs of a sandbox (daemon/capture has it; tests bring their own). */
export interface FileSandbox {
  readonly memory: WebAssembly.Memory;
  readonly control: {
    u32(name: string): number;
    u64(name: string): bigint;
    /** Index of the slot that was sealed last. */
    newestReady(): number;
  };
  readonly exports: {
    file_open(): void;
    file_feed(available: number, eof: number): number;
    file_pending(): number;
    seal_begin(cause: number): number;
    seal_step(entries: number): number;
  };
}

/** An interval lies sealed in `slot`; whoever has read it frees the slot. */
export interface Sealed {
  slot: number;
  cause: SealCause;
}
export type OnSealed = (sealed: Sealed) => void | Promise<void>;

/** Why a file could not be read to its end. */
export interface FileFault {
  /** A name of FILE_DAMAGE, or "compression". */
  kind: string;
  what: string;
  /** Byte of the decompressed file where the trouble begins: a record's first. */
  offset: number;
}
export interface FileSummary {
  /** Frames found, whatever they were. */
  records: number;
  /** Bytes of the decompressed file that were read. */
  bytes: number;
  damage?: FileFault;
}

export interface FeedOptions {
  /** Called after every read, some hundreds of times a second at most. */
  onProgress?: (source: ByteSource) => void;
  /** Called after every feed, before the buffer is written to again: whoever looks at the frames in it is done then. */
  onFed?: () => void;
  /** Leaves the last interval open, for the next file to go on with. */
  keepOpen?: boolean;
}

/** Bytes a read(2) asks for: enough to make the call cheap, little enough to stay in the cache until it is parsed. */
const READ_BYTES = 512 << 10;
/** The reader of native/sandbox needs this much to tell any record by its beginning. */
const BUFFER_BYTES_MIN = 1024;
const SEAL_STEP_ENTRIES = 1 << 20;
const SLOT_PAUSE_MS = 1;

export class FileFeeder {
  private readonly buffer: Uint8Array;
  private held = 0;
  private isEnd = false;
  private isStopped = false;
  private onFed: (() => void) | undefined;

  constructor(
    private readonly sandbox: FileSandbox,
    private readonly source: ByteSource,
  ) {
    const bytes = sandbox.control.u32("file_buffer_bytes");
    if (bytes < BUFFER_BYTES_MIN) throw new RangeError(`a file buffer of ${bytes} bytes is too small`);
    this.buffer = new Uint8Array(sandbox.memory.buffer, sandbox.control.u32("file_buffer"), bytes);
  }

  /** Ends run() at its next step: what was read by then is sealed (cause "stop"). */
  stop(): void {
    this.isStopped = true;
  }

  /** Reads the file to its end or its damage; seals each interval and awaits `onSealed`. Does not close the source. */
  async run(onSealed: OnSealed, options: FeedOptions = {}): Promise<FileSummary> {
    const { exports, control } = this.sandbox;
    this.onFed = options.onFed;
    exports.file_open();
    let status: number = FILE_STATUS.needMore;
    while (!this.isStopped) {
      if (status === FILE_STATUS.needMore) {
        const filled = this.fill();
        // Awaiting what is no promise would cost a turn of the event loop for every read of a plain file.
        if (typeof filled === "object") await filled;
        options.onProgress?.(this.source);
      }
      this.feed();
      status = control.u32("file_status");
      if (status === FILE_STATUS.damaged || status === FILE_STATUS.done) break;
      if (status !== FILE_STATUS.needMore) await this.seal(control.u32("seal_needed"), onSealed);
    }
    if (!options.keepOpen) await this.finish(onSealed);
    return this.summary();
  }

  /** Seals what is left open, if any record is in it. */
  async finish(onSealed: OnSealed): Promise<void> {
    if (this.sandbox.exports.file_pending() === 0) return;
    await this.seal(SEAL_CAUSES.indexOf(this.isStopped ? "stop" : "end"), onSealed);
  }

  /** Reads on, behind what the sandbox has left in the buffer. */
  private fill(): void | Promise<void> {
    const room = this.buffer.subarray(this.held, Math.min(this.held + READ_BYTES, this.buffer.length));
    if (room.length === 0) throw new Error("the sandbox left a full file buffer unread");
    const bytes = this.source.fill(room);
    if (typeof bytes !== "number") return bytes.then((count) => this.filled(count));
    this.filled(bytes);
  }

  private filled(bytes: number): void {
    this.held += bytes;
    this.isEnd ||= bytes === 0;
  }

  private feed(): void {
    const consumed = this.sandbox.exports.file_feed(this.held, this.isEnd ? 1 : 0);
    this.onFed?.();
    this.buffer.copyWithin(0, consumed, this.held);
    this.held -= consumed;
  }

  private async seal(cause: number, onSealed: OnSealed): Promise<void> {
    const { exports, control } = this.sandbox;
    while (exports.seal_begin(cause) !== 0) await sleep(SLOT_PAUSE_MS);
    while (exports.seal_step(SEAL_STEP_ENTRIES) === 0);
    const handed = onSealed({ slot: control.newestReady(), cause: SEAL_CAUSES[cause]! });
    if (handed !== undefined) await handed;
  }

  private summary(): FileSummary {
    const { control } = this.sandbox;
    const summary = {
      records: Number(control.u64("file_records")),
      bytes: Number(control.u64("file_offset")),
    };
    const damage = this.damage(summary.bytes);
    return damage === undefined ? summary : { ...summary, damage };
  }

  private damage(offset: number): FileFault | undefined {
    if (this.source.damage !== undefined) return { kind: "compression", what: this.source.damage, offset };
    const { control } = this.sandbox;
    if (control.u32("file_status") !== FILE_STATUS.damaged) return undefined;
    const kind = FILE_DAMAGE[control.u32("file_damage")]!;
    return { kind, what: DAMAGE_TEXT[kind], offset };
  }
}

const DAMAGE_TEXT: Record<(typeof FILE_DAMAGE)[number], string> = {
  none: "",
  not_a_capture: "it is not a pcap or pcapng file",
  cut_in_header: "it is cut within its header",
  cut_in_record: "it is cut within a record",
  bad_record_length: "a record has an absurd length",
  bad_block_length: "the two lengths of a block differ, or are absurd",
  bad_interface: "a packet names an interface that the file does not describe",
  unsupported_version: "its format version is not supported",
};
