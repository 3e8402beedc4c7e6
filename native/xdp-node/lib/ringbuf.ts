/** BPF ring buffers in memory that the caller owns: records that a program in the kernel made, readable in place. */
import { guard } from "./errors.js";
import { bytesOf, type Memory, pageSize } from "./memory.js";
import { type NativeRingBuffer, native } from "./native.js";

export interface RingBufferOptions {
  memory: Memory;
  /** Bytes from the start of the memory, a page boundary in the process; RingBuffer.bytes(size) from there are taken. */
  offset: number;
  /** Bytes of records: a power of two, at least a page. */
  size: number;
}

/**
 * A BPF_MAP_TYPE_RINGBUF and its mapping. The consumer reads records between the two positions (u64 at `consumer` and at
 * `producer`) and writes its own; all but the consumer's page is read-only: a store there is a fault.
 */
export class RingBuffer {
  /** Offsets in the memory: position pages, and the records, which are mapped twice in a row. */
  readonly consumer: number;
  readonly producer: number;
  readonly data: number;
  readonly size: number;
  #native: NativeRingBuffer;

  /** @throws XdpError XDP_BAD_ARGUMENT, XDP_NOT_PERMITTED, XDP_NO_MEMORY, XDP_UNSUPPORTED (before Linux 5.8) */
  constructor({ memory, offset, size }: RingBufferOptions) {
    this.#native = guard(
      "make a ring buffer",
      () => new native.RingBuffer(bytesOf(memory), offset, size, memory),
    );
    this.consumer = offset;
    this.producer = offset + pageSize;
    this.data = offset + 2 * pageSize;
    this.size = size;
  }

  /** Bytes of memory that a ring buffer of `size` bytes of records takes. */
  static bytes(size: number): number {
    return 2 * pageSize + 2 * size;
  }

  /** The map's descriptor: to be put into an array of maps, or -1 once it is closed. */
  get fd(): number {
    return this.#native.fd;
  }

  /** Puts plain memory back where it was mapped. A program that still holds it goes on, unseen. */
  close(): void {
    this.#native.close();
  }

  [Symbol.dispose](): void {
    this.close();
  }
}
