/** Reading and writing the rings from JavaScript. Code in WebAssembly does the same with its own atomics. */
import { badArgument } from "./errors.js";
import { bytesOf } from "./memory.js";
import type { Ring, XskSocket } from "./socket.js";

/** XDP_PKT_CONTD: more of this frame follows in the next descriptor. */
const CONTINUED = 1;

/** The half of a ring that user space produces into (fill, TX) or consumes from (RX, completion). */
class RingView {
  readonly mask: number;
  readonly producer: number;
  readonly consumer: number;
  constructor(
    readonly words: Uint32Array,
    readonly quads: BigUint64Array,
    readonly ring: Ring,
  ) {
    this.mask = ring.size - 1;
    this.producer = ring.producer >>> 2;
    this.consumer = ring.consumer >>> 2;
  }

  /** Entries that are there to be consumed. */
  filled(): number {
    return (Atomics.load(this.words, this.producer) - Atomics.load(this.words, this.consumer)) >>> 0;
  }

  /** Entries that may still be produced. */
  free(): number {
    return this.ring.size - this.filled();
  }

  release(count: number): void {
    Atomics.add(this.words, this.consumer, count);
  }

  submit(count: number): void {
    Atomics.add(this.words, this.producer, count);
  }
}

/**
 * Receives without copying, each frame is a view of the UMEM; sending copies the frame into it. For a
 * socket that is alone on its UMEM. Half of the chunks (all, without a TX ring) are for receiving, the
 * others for sending.
 */
export class Frames {
  readonly #socket: XskSocket;
  readonly #bytes: Uint8Array;
  readonly #rx: RingView;
  readonly #fill: RingView;
  readonly #tx: RingView | undefined;
  readonly #completion: RingView;
  /** Chunks for sending that are at hand, and how many there are in all. */
  readonly #free: number[] = [];
  readonly #sending: number;

  constructor(socket: XskSocket) {
    this.#socket = socket;
    this.#bytes = bytesOf(socket.memory);
    const { buffer } = this.#bytes;
    const words = new Uint32Array(buffer, 0, Math.floor(buffer.byteLength / 4));
    const quads = new BigUint64Array(buffer, 0, Math.floor(buffer.byteLength / 8));
    const { rx, tx, fill, completion } = socket.rings;
    this.#rx = new RingView(words, quads, rx);
    this.#fill = new RingView(words, quads, fill);
    this.#tx = tx && new RingView(words, quads, tx);
    this.#completion = new RingView(words, quads, completion);
    this.#provide();
    this.#sending = this.#free.length;
  }

  /** Puts chunks in the fill ring, the others aside for sending. */
  #provide(): void {
    const { chunkSize } = this.#socket.umem.range;
    const { frames } = this.#socket.umem;
    const receiving = Math.min(this.#fill.ring.size, this.#tx ? frames >>> 1 : frames);
    for (let i = 0; i < receiving; i++) this.#putFill(i, i * chunkSize);
    this.#fill.submit(receiving);
    for (let i = receiving; this.#tx && i < frames; i++) this.#free.push(i * chunkSize);
  }

  #putFill(ahead: number, address: number): void {
    const { words, quads, producer, mask, ring } = this.#fill;
    const slot = (Atomics.load(words, producer) + ahead) & mask;
    quads[(ring.descriptors >>> 3) + slot] = BigInt(address);
  }

  /**
   * Calls `each` for up to `most` buffers that have arrived, and gives them back to the kernel afterwards: a
   * view is good only during the call. `more` says that the frame goes on in the next buffer (multiBuffer).
   * Returns how many.
   */
  receive(most: number, each: (bytes: Uint8Array, more: boolean) => void): number {
    const { words, consumer, mask, ring } = this.#rx;
    const { offset, chunkSize } = this.#socket.umem.range;
    const count = Math.min(most, this.#rx.filled(), this.#fill.free());
    const first = Atomics.load(words, consumer);
    for (let i = 0; i < count; i++) {
      const at = (ring.descriptors >>> 2) + ((first + i) & mask) * 4;
      const address = words[at]! + words[at + 1]! * 2 ** 32;
      const start = offset + address;
      each(this.#bytes.subarray(start, start + words[at + 2]!), (words[at + 3]! & CONTINUED) !== 0);
      this.#putFill(i, address - (address % chunkSize));
    }
    this.#rx.release(count);
    this.#fill.submit(count);
    return count;
  }

  /**
   * Queues one frame for sending; wakeTx() sends what is queued. With multiBuffer a frame longer than a chunk
   * goes in several. False when there is no room now.
   * @throws XdpError XDP_BAD_ARGUMENT without a TX ring or for a frame that is too long
   */
  send(frame: Uint8Array): boolean {
    const { chunkSize } = this.#socket.umem.range;
    const parts = Math.max(1, Math.ceil(frame.byteLength / chunkSize));
    if (this.#tx === undefined) throw badArgument("the socket has no TX ring", "open it with txSize");
    if (parts > 1 && !this.#socket.multiBuffer) {
      throw badArgument(`a frame of ${frame.byteLength} bytes in chunks of ${chunkSize}`, "set multiBuffer");
    }
    this.#reclaim();
    if (this.#tx.free() < parts || this.#free.length < parts) return false;
    for (let i = 0; i < parts; i++) {
      const part = frame.subarray(i * chunkSize, (i + 1) * chunkSize);
      this.#putTx(this.#tx, i, part, i + 1 < parts ? CONTINUED : 0);
    }
    this.#tx.submit(parts);
    return true;
  }

  #putTx(tx: RingView, ahead: number, bytes: Uint8Array, options: number): void {
    const { words, producer, mask, ring } = tx;
    const address = this.#free.pop()!;
    this.#bytes.set(bytes, this.#socket.umem.range.offset + address);
    const at = (ring.descriptors >>> 2) + ((Atomics.load(words, producer) + ahead) & mask) * 4;
    words[at] = address;
    words[at + 1] = Math.floor(address / 2 ** 32);
    words[at + 2] = bytes.byteLength;
    words[at + 3] = options;
  }

  /** Whether everything that was queued has been sent. */
  sent(): boolean {
    this.#reclaim();
    return this.#free.length === this.#sending;
  }

  /** Takes back the chunks of frames that have been sent. */
  #reclaim(): void {
    const { words, quads, consumer, mask, ring } = this.#completion;
    const count = this.#completion.filled();
    const first = Atomics.load(words, consumer);
    for (let i = 0; i < count; i++) {
      this.#free.push(Number(quads[(ring.descriptors >>> 3) + ((first + i) & mask)]));
    }
    this.#completion.release(count);
  }
}
