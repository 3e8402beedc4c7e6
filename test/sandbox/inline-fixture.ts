/**
 * Mode inline without a kernel: one UMEM, two sides and the divert interface's entry; the test plays the drivers. Rings
 * are laid out as in struct queue; a side's indices are 64 bytes apart.
 */
import { configureSandbox } from "../../daemon/capture/configure.js";
import { ControlView } from "../../daemon/capture/control-view.js";
import { Sandbox } from "../../daemon/capture/sandbox.js";
import { memoryLayout, SEAL_CAUSES } from "../../lib/abi.js";

export const CHUNK_BYTES = 2048;
export const HEADROOM = 256;
const CONTINUED = 1;
const INDEX_BYTES = 4096;
const RINGS = ["rx", "tx", "fill", "completion"] as const;
type RingName = (typeof RINGS)[number];
const ENTRY_BYTES = { rx: 16, tx: 16, fill: 8, completion: 8 };

export interface InlineFixtureOptions {
  /** Chunks of each side, and TX entries; powers of two. */
  chunks?: number;
  txEntries?: number;
  linkBudget?: number;
  divert?: boolean;
}

/** The kernel's end of one entry. */
export class KernelSide {
  /** Frames that left here, whole. */
  readonly sent: Buffer[] = [];
  readonly #fixture: InlineFixture;
  readonly #rings: number;
  readonly #sizes: Record<RingName, number>;
  #open: Buffer[] = [];

  constructor(fixture: InlineFixture, rings: number, sizes: Record<RingName, number>) {
    this.#fixture = fixture;
    this.#rings = rings;
    this.#sizes = sizes;
  }

  fields(): Record<string, number> {
    const fields: Record<string, number> = {};
    for (const name of RINGS) {
      const indices = this.#rings + 256 * RINGS.indexOf(name);
      Object.assign(fields, {
        [`${name}_producer`]: indices,
        [`${name}_consumer`]: indices + 64,
        [`${name}_flags`]: indices + 128,
        [`${name}_descriptors`]: this.#descriptors(name),
        [`${name}_size`]: this.#sizes[name],
      });
    }
    return fields;
  }

  #descriptors(name: RingName): number {
    let at = this.#rings + INDEX_BYTES;
    for (const each of RINGS) {
      if (each === name) return at;
      at += this.#sizes[each] * ENTRY_BYTES[each];
    }
    return at;
  }

  index(name: RingName, which: "producer" | "consumer"): number {
    return (this.#rings + 256 * RINGS.indexOf(name) + (which === "producer" ? 0 : 64)) >>> 2;
  }

  waiting(name: RingName): number {
    const { words } = this.#fixture;
    return (words[this.index(name, "producer")]! - words[this.index(name, "consumer")]!) >>> 0;
  }

  /** The chunks that wait in the fill ring, as offsets. */
  fill(): number[] {
    const { words, quads } = this.#fixture;
    const from = words[this.index("fill", "consumer")]!;
    return Array.from({ length: this.waiting("fill") }, (_, i) =>
      Number(quads[this.#descriptors("fill") / 8 + ((from + i) % this.#sizes.fill)]!),
    );
  }

  /** Receives a frame, in several buffers if it is long. False when there are not enough chunks. */
  receive(frame: Uint8Array): boolean {
    const room = CHUNK_BYTES - HEADROOM;
    const parts = Math.max(1, Math.ceil(frame.length / room));
    if (this.waiting("fill") < parts || this.#sizes.rx - this.waiting("rx") < parts) return false;
    const chunks = this.fill();
    for (let i = 0; i < parts; i++) {
      const part = frame.subarray(i * room, (i + 1) * room);
      const addr = chunks[i]! + HEADROOM;
      this.#fixture.bytes.set(part, this.#fixture.umem + addr);
      this.put(BigInt(addr), part.length, i + 1 < parts ? CONTINUED : 0);
    }
    this.#fixture.words[this.index("fill", "consumer")]! += parts;
    return true;
  }

  /** Puts any descriptor on the RX ring, true or not. */
  put(addr: bigint, len: number, options: number): void {
    const { words, quads } = this.#fixture;
    const producer = this.index("rx", "producer");
    const at = this.#descriptors("rx") + 16 * (words[producer]! % this.#sizes.rx);
    quads[at / 8] = addr;
    words[at / 4 + 2] = len;
    words[at / 4 + 3] = options;
    words[producer]!++;
  }

  /** Sends up to `most` buffers and completes them; whole frames are in `sent`. */
  transmit(most: number): void {
    const { words, quads, bytes, umem } = this.#fixture;
    for (let i = Math.min(most, this.waiting("tx")); i > 0; i--) {
      const consumer = this.index("tx", "consumer");
      const at = this.#descriptors("tx") + 16 * (words[consumer]! % this.#sizes.tx);
      const addr = Number(quads[at / 8]!);
      this.#open.push(Buffer.from(bytes.slice(umem + addr, umem + addr + words[at / 4 + 2]!)));
      if ((words[at / 4 + 3]! & CONTINUED) === 0) {
        this.sent.push(Buffer.concat(this.#open));
        this.#open = [];
      }
      words[consumer]!++;
      const completed = this.index("completion", "producer");
      quads[this.#descriptors("completion") / 8 + (words[completed]! % this.#sizes.completion)] =
        BigInt(addr);
      words[completed]!++;
    }
  }
}

export class InlineFixture {
  readonly control: ControlView;
  readonly sandbox: Sandbox;
  readonly words: Uint32Array;
  readonly quads: BigUint64Array;
  readonly bytes: Uint8Array;
  readonly umem: number;
  readonly chunks: number;
  /** A, B and the divert interface. */
  readonly sides: KernelSide[];

  constructor(options: InlineFixtureOptions = {}) {
    const { chunks = 64, txEntries = 64, linkBudget = 65_536, divert = true } = options;
    this.chunks = chunks;
    const sizes = { rx: chunks, tx: txEntries, fill: chunks, completion: 2 * chunks };
    const ringBytes = INDEX_BYTES + 16 * (chunks + txEntries) + 8 * (3 * chunks);
    const heap = { logEntries: 4096, linkBudget, addressBudget: 4096 };
    const entries = divert ? 3 : 2;
    const umemBytes = 2 * chunks * CHUNK_BYTES;
    const layout = memoryLayout({
      ...heap,
      queues: Array.from({ length: entries }, (_, i) => ({ ringBytes, umemBytes: i === 0 ? umemBytes : 0 })),
    });
    const memory = new WebAssembly.Memory({ initial: layout.pages, maximum: layout.pages, shared: true });
    this.words = new Uint32Array(memory.buffer);
    this.quads = new BigUint64Array(memory.buffer);
    this.bytes = new Uint8Array(memory.buffer);
    this.control = new ControlView(memory);
    this.umem = layout.queues[0]!.frames;
    configureSandbox(this.control, layout, { ...heap, hashKey: [1n, 2n], queues: entries });
    this.sides = layout.queues.map(({ rings }) => new KernelSide(this, rings, sizes));
    for (const [i, side] of this.sides.entries()) {
      const homeBytes = i < 2 ? chunks * CHUNK_BYTES : 0;
      this.control.setQueue(i, {
        ...side.fields(),
        umem_offset: this.umem,
        umem_bytes: umemBytes,
        chunk_bytes: CHUNK_BYTES,
        link_type: 1,
        group: 1,
        peer: i < 2 ? 2 - i : 0,
        divert: divert && i < 2 ? 3 : 0,
        home_first: i * homeBytes,
        home_bytes: homeBytes,
        tx_always_wake: 1,
      });
    }
    this.sandbox = new Sandbox(memory);
    for (const i of this.sides.keys()) {
      const started = this.sandbox.exports.queue_start(i);
      if (started !== 0) throw new Error(`queue_start(${i}) gave ${started}`);
    }
  }

  count(side: number, name: string): number {
    return this.control.queueCount(side, name);
  }

  seal(): void {
    const { exports } = this.sandbox;
    if (exports.seal_begin(SEAL_CAUSES.indexOf("clock")) !== 0) throw new Error("no seal now");
    while (exports.seal_step(1 << 20) === 0);
    this.control.freeSlot(this.control.oldestReady());
  }

  /** Whether every chunk is in the fill ring that is its home, once. */
  isWhole(): boolean {
    return [0, 1].every((side) => {
      const chunks = this.sides[side]!.fill().sort((a, b) => a - b);
      return (
        chunks.length === this.chunks &&
        chunks.every((chunk, i) => chunk === (side * this.chunks + i) * CHUNK_BYTES)
      );
    });
  }
}
