/**
 * A capture sandbox without a kernel: the test plays the driver. It takes chunks from the fill ring, writes frames into
 * them and puts descriptors on the RX ring, all in the sandbox's memory, as AF_XDP does.
 */
import { readFileSync } from "node:fs";
import { ControlView, type SealedSlot } from "../../daemon/capture/control-view.js";
import { HeldView } from "../../daemon/extension/held-view.js";
import { ABI_VERSION, type HeapConfig, type MemoryLayout, memoryLayout, SEAL_CAUSES } from "../../lib/abi.js";

export interface SandboxExports {
  init(): number;
  queue_start(index: number): number;
  host_start(index: number): number;
  breathe(maxFrames: number): number;
  seal_begin(cause: number): number;
  seal_step(maxEntries: number): number;
}

export interface FixtureOptions extends Partial<HeapConfig> {
  module?: "capture" | "bench";
  queues?: number;
  /** Chunks of each UMEM, 2048 bytes each; rings have as many entries. */
  chunks?: number;
  windowPackets?: number;
  hashKey?: [bigint, bigint];
  linkType?: number;
  /** Bytes of memory for each BPF ring buffer (mode host). */
  hostRings?: readonly number[];
  /** Frames are held for one extension, in a ring of so many descriptors. */
  heldEntries?: number;
}

export const CHUNK_BYTES = 2048;
/** Where the kernel puts a frame in its chunk (XDP_PACKET_HEADROOM). */
export const HEADROOM = 256;
const RING_INDEX_BYTES = 4096;
const HELD_FRAME_BYTES = 24;
const CONTINUED = 1;

const modules = new Map<string, WebAssembly.Module>();
export function sandboxModule(name: "capture" | "bench"): WebAssembly.Module {
  const url = new URL(`../../../native/sandbox/build/${name}.wasm`, import.meta.url);
  const module = modules.get(name) ?? new WebAssembly.Module(readFileSync(url));
  modules.set(name, module);
  return module;
}

/** The kernel's end of one queue's rings. */
export class KernelQueue {
  readonly index: number;
  readonly umem: number;
  readonly chunks: number;
  readonly #words: Uint32Array;
  readonly #longs: BigUint64Array;
  readonly #bytes: Uint8Array;
  readonly #rings: number;

  constructor(fixture: SandboxFixture, index: number, rings: number, umem: number, chunks: number) {
    this.index = index;
    this.umem = umem;
    this.chunks = chunks;
    this.#rings = rings;
    this.#words = new Uint32Array(fixture.memory.buffer);
    this.#longs = new BigUint64Array(fixture.memory.buffer);
    this.#bytes = new Uint8Array(fixture.memory.buffer);
    fixture.control.setQueue(index, {
      rx_producer: rings,
      rx_consumer: rings + 64,
      rx_flags: rings + 128,
      rx_descriptors: rings + RING_INDEX_BYTES,
      rx_size: chunks,
      fill_producer: rings + 192,
      fill_consumer: rings + 256,
      fill_flags: rings + 320,
      fill_descriptors: rings + RING_INDEX_BYTES + 16 * chunks,
      fill_size: chunks,
      umem_offset: umem,
      umem_bytes: chunks * CHUNK_BYTES,
      chunk_bytes: CHUNK_BYTES,
      headroom: 0,
      link_type: fixture.linkType,
    });
  }

  #index(byte: number): number {
    return this.#words[(this.#rings + byte) >>> 2]!;
  }

  #step(byte: number): void {
    this.#words[(this.#rings + byte) >>> 2]!++;
  }

  /** Chunks the kernel may fill now. */
  get fillWaiting(): number {
    return (this.#index(192) - this.#index(256)) >>> 0;
  }

  get rxWaiting(): number {
    return (this.#index(0) - this.#index(64)) >>> 0;
  }

  /** A chunk from the fill ring, as its offset in the UMEM; undefined when the ring is empty. */
  takeChunk(): number | undefined {
    if (this.fillWaiting === 0) return undefined;
    const slot = this.#index(256) % this.chunks;
    const chunk = Number(this.#longs[(this.#rings + RING_INDEX_BYTES + 16 * this.chunks) / 8 + slot]!);
    this.#step(256);
    return chunk;
  }

  /** Puts any descriptor on the RX ring, true or not. */
  putDescriptor(addr: bigint, len: number, options: number): void {
    const at = this.#rings + RING_INDEX_BYTES + 16 * (this.#index(0) % this.chunks);
    this.#longs[at / 8] = addr;
    this.#words[at / 4 + 2] = len;
    this.#words[at / 4 + 3] = options;
    this.#step(0);
  }

  /** Receives one buffer of a frame, with a mark as its metadata if one is given. False when the fill ring is empty. */
  receive(bytes: Uint8Array, isContinued = false, mark?: number): boolean {
    const chunk = this.takeChunk();
    if (chunk === undefined) return false;
    if (mark !== undefined) this.#words[(this.umem + chunk + HEADROOM - 4) >>> 2] = mark;
    this.#bytes.set(bytes, this.umem + chunk + HEADROOM);
    this.putDescriptor(BigInt(chunk + HEADROOM), bytes.length, isContinued ? CONTINUED : 0);
    return true;
  }
}

export class SandboxFixture {
  readonly memory: WebAssembly.Memory;
  readonly control: ControlView;
  readonly layout: MemoryLayout;
  readonly exports: SandboxExports;
  readonly linkType: number;
  readonly queues: KernelQueue[];

  constructor(options: FixtureOptions = {}) {
    const heap = {
      logEntries: options.logEntries ?? 4096,
      linkBudget: options.linkBudget ?? 65_536,
      addressBudget: options.addressBudget ?? 16_384,
    };
    const chunks = options.chunks ?? 256;
    this.linkType = options.linkType ?? 1;
    this.layout = memoryLayout({
      ...heap,
      fileBufferBytes: 0,
      queues: Array.from({ length: options.queues ?? 1 }, () => ({
        ringBytes: RING_INDEX_BYTES + 24 * chunks,
        umemBytes: chunks * CHUNK_BYTES,
      })),
      hostRings: options.hostRings ?? [],
      heldBytes: HELD_FRAME_BYTES * (options.heldEntries ?? 0),
    });
    const { pages } = this.layout;
    this.memory = new WebAssembly.Memory({ initial: pages, maximum: pages, shared: true });
    this.control = new ControlView(this.memory);
    const { control } = this;
    control.setU32("abi_version", ABI_VERSION);
    control.setU32("memory_pages", pages);
    control.setU32("heap_offset", this.layout.heapOffset);
    control.setU32("heap_bytes", this.layout.heapBytes);
    control.setU32("log_entries", heap.logEntries);
    control.setU32("link_budget", heap.linkBudget);
    control.setU32("address_budget", heap.addressBudget);
    control.setU32("queue_count", this.layout.queues.length);
    control.setU64("window_packets", BigInt(options.windowPackets ?? 0));
    const [key0, key1] = options.hashKey ?? [0x0706050403020100n, 0x0f0e0d0c0b0a0908n];
    control.setU64("hash_key", key0, 0);
    control.setU64("hash_key", key1, 1);
    control.setU64("table_key", 0x9d3f2c4b1a69e857n);
    if (options.heldEntries !== undefined) {
      const entries = options.heldEntries;
      new HeldView(this.memory).configure({ ring: this.layout.held, entries, limit: entries, taps_count: 1 });
    }
    const module = sandboxModule(options.module ?? "capture");
    const instance = new WebAssembly.Instance(module, { env: { memory: this.memory } });
    this.exports = instance.exports as unknown as SandboxExports;
    this.queues = this.layout.queues.map(
      (queue, index) => new KernelQueue(this, index, queue.rings, queue.frames, chunks),
    );
  }

  /** init() and queue_start() of every queue. */
  start(): this {
    const result = this.exports.init();
    if (result !== 0) throw new Error(`init() gave ${result}`);
    for (const { index } of this.queues) {
      const started = this.exports.queue_start(index);
      if (started !== 0) throw new Error(`queue_start(${index}) gave ${started}`);
    }
    return this;
  }

  /** Seals the open interval to the end and hands its slot to `read`, then frees it. */
  seal<T>(read: (slot: SealedSlot) => T, cause: (typeof SEAL_CAUSES)[number] = "clock", slice = 1 << 20): T {
    const begun = this.exports.seal_begin(SEAL_CAUSES.indexOf(cause));
    if (begun !== 0) throw new Error(`seal_begin() gave ${begun}`);
    while (this.exports.seal_step(slice) === 0);
    const slot = this.control.oldestReady();
    const result = read(this.control.slot(slot));
    this.control.freeSlot(slot);
    return result;
  }
}
