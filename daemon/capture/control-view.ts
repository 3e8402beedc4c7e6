/**
 * The control block of a capture sandbox, as host threads see it: configuration written before init, counters and
 * sealed slots read while the sandbox runs. Offsets come from lib/abi.ts alone.
 */
import {
  CONTROL,
  CONTROL_OFFSET,
  COUNTERS,
  type CounterName,
  type FieldLayout,
  MATRIX,
  QUEUE,
  SLOT,
  SLOT_STATE,
  SLOTS,
  type StructLayout,
} from "../../lib/abi.js";

/** One sealed matrix pair where it lies: views into the sandbox's memory, valid until the slot is freed. */
export interface SealedMatrix {
  Ap: BigUint64Array;
  Ah: BigUint64Array;
  Aj: BigUint64Array;
  packets: Uint32Array;
  bytes: BigUint64Array;
}

/** A sealed interval in a slot: views, not copies. */
export interface SealedSlot {
  epoch: bigint;
  cause: number;
  startNs: bigint;
  endNs: bigint;
  v4: SealedMatrix;
  v6: SealedMatrix;
  /** links6.dict bytes: records of {u64 index; u8 address[16]}. */
  dict: Uint8Array;
  counters: Record<CounterName, number>;
}

const field = (layout: StructLayout, name: string): FieldLayout => {
  const found = layout.fields[name];
  if (found === undefined) throw new Error(`no field ${name} in struct ${layout.name}`);
  return found;
};

export class ControlView {
  readonly #u32: Uint32Array;
  readonly #u64: BigUint64Array;
  readonly buffer: SharedArrayBuffer;

  constructor(memory: WebAssembly.Memory) {
    this.buffer = memory.buffer as unknown as SharedArrayBuffer;
    this.#u32 = new Uint32Array(this.buffer);
    this.#u64 = new BigUint64Array(this.buffer);
  }

  u32(name: string): number {
    return this.#u32[(CONTROL_OFFSET + field(CONTROL, name).offset) >>> 2]!;
  }

  setU32(name: string, value: number): void {
    this.#u32[(CONTROL_OFFSET + field(CONTROL, name).offset) >>> 2] = value;
  }

  u64(name: string, index = 0): bigint {
    return this.#u64[((CONTROL_OFFSET + field(CONTROL, name).offset) >>> 3) + index]!;
  }

  setU64(name: string, value: bigint, index = 0): void {
    this.#u64[((CONTROL_OFFSET + field(CONTROL, name).offset) >>> 3) + index] = value;
  }

  /** Cumulative counters since init, as of the end of the last breath. */
  counters(): Record<CounterName, number> {
    return this.#counters((CONTROL_OFFSET + field(CONTROL, "counters").offset) >>> 3);
  }

  batchHistogram(): number[] {
    const { offset, length } = field(CONTROL, "batch_histogram");
    const at = (CONTROL_OFFSET + offset) >>> 3;
    return Array.from(this.#u64.subarray(at, at + length), Number);
  }

  setQueue(index: number, values: Record<string, number>): void {
    const base = CONTROL_OFFSET + field(CONTROL, "queues").offset + index * QUEUE.bytes;
    for (const [name, value] of Object.entries(values)) {
      this.#u32[(base + field(QUEUE, name).offset) >>> 2] = value;
    }
  }

  /** Where the UMEM of a queue lies. */
  queuePlace(index: number): { umem_offset: number; umem_bytes: number; chunk_bytes: number } {
    const base = CONTROL_OFFSET + field(CONTROL, "queues").offset + index * QUEUE.bytes;
    const get = (name: string): number => this.#u32[(base + field(QUEUE, name).offset) >>> 2]!;
    return {
      umem_offset: get("umem_offset"),
      umem_bytes: get("umem_bytes"),
      chunk_bytes: get("chunk_bytes"),
    };
  }

  /** A u64 field of a queue's entry, as a number. */
  queueCount(index: number, name: string): number {
    const base = CONTROL_OFFSET + field(CONTROL, "queues").offset + index * QUEUE.bytes;
    return Number(this.#u64[(base + field(QUEUE, name).offset) >>> 3]!);
  }

  queueFrames(index: number): number {
    const base = CONTROL_OFFSET + field(CONTROL, "queues").offset + index * QUEUE.bytes;
    return Number(this.#u64[(base + field(QUEUE, "frames").offset) >>> 3]!);
  }

  slotState(slot: number): number {
    return Atomics.load(this.#u32, this.#slotWord(slot, "state"));
  }

  /** Gives a slot back to the sandbox; every view into it is stale from here on. */
  freeSlot(slot: number): void {
    Atomics.store(this.#u32, this.#slotWord(slot, "state"), SLOT_STATE.free);
  }

  /** Index of the ready slot with the lowest epoch, or -1. */
  oldestReady(): number {
    let best = -1;
    for (let slot = 0; slot < SLOTS; slot++) {
      if (this.slotState(slot) !== SLOT_STATE.ready) continue;
      if (best < 0 || this.#slotU64(slot, "epoch") < this.#slotU64(best, "epoch")) best = slot;
    }
    return best;
  }

  /** Index of the ready slot with the highest epoch, or -1. */
  newestReady(): number {
    let best = -1;
    for (let slot = 0; slot < SLOTS; slot++) {
      if (this.slotState(slot) !== SLOT_STATE.ready) continue;
      if (best < 0 || this.#slotU64(slot, "epoch") > this.#slotU64(best, "epoch")) best = slot;
    }
    return best;
  }

  slotCause(slot: number): number {
    return this.#u32[this.#slotWord(slot, "cause")]!;
  }

  /** Descriptors that wait in the RX rings of the first `queues` queues. */
  framesWaiting(queues: number): number {
    let waiting = 0;
    for (let queue = 0; queue < queues; queue++) {
      const base = CONTROL_OFFSET + field(CONTROL, "queues").offset + queue * QUEUE.bytes;
      const producer = this.#u32[(base + field(QUEUE, "rx_producer").offset) >>> 2]!;
      const consumer = this.#u32[(base + field(QUEUE, "rx_consumer").offset) >>> 2]!;
      waiting += (Atomics.load(this.#u32, producer >>> 2) - Atomics.load(this.#u32, consumer >>> 2)) >>> 0;
    }
    return waiting;
  }

  /** Written for the sandbox to see at once. */
  storeU32(name: string, value: number): void {
    Atomics.store(this.#u32, (CONTROL_OFFSET + field(CONTROL, name).offset) >>> 2, value);
  }

  /** How far the kernel has filled the RX ring of a queue: an index that counts on and wraps at 2^32. */
  rxProducer(index: number): number {
    const base = CONTROL_OFFSET + field(CONTROL, "queues").offset + index * QUEUE.bytes;
    return Atomics.load(this.#u32, this.#u32[(base + field(QUEUE, "rx_producer").offset) >>> 2]! >>> 2);
  }

  slot(slot: number): SealedSlot {
    const dict = this.#u32[this.#slotWord(slot, "dict")]!;
    const dictCount = this.#u32[this.#slotWord(slot, "dict_count")]!;
    return {
      epoch: this.#slotU64(slot, "epoch"),
      cause: this.#u32[this.#slotWord(slot, "cause")]!,
      startNs: this.#slotU64(slot, "start_ns"),
      endNs: this.#slotU64(slot, "end_ns"),
      v4: this.#matrix(slot, "v4"),
      v6: this.#matrix(slot, "v6"),
      dict: new Uint8Array(this.buffer, dict, dictCount * 24),
      counters: this.#counters((this.#slotBase(slot) + field(SLOT, "counters").offset) >>> 3),
    };
  }

  #slotBase(slot: number): number {
    return CONTROL_OFFSET + field(CONTROL, "slots").offset + slot * SLOT.bytes;
  }

  #slotWord(slot: number, name: string): number {
    return (this.#slotBase(slot) + field(SLOT, name).offset) >>> 2;
  }

  #slotU64(slot: number, name: string): bigint {
    return this.#u64[(this.#slotBase(slot) + field(SLOT, name).offset) >>> 3]!;
  }

  #matrix(slot: number, name: "v4" | "v6"): SealedMatrix {
    const base = this.#slotBase(slot) + field(SLOT, name).offset;
    const get = (member: string): number => this.#u32[(base + field(MATRIX, member).offset) >>> 2]!;
    const nvec = get("nvec");
    const nvals = get("nvals");
    return {
      Ap: new BigUint64Array(this.buffer, get("ap"), nvals === 0 ? 0 : nvec + 1),
      Ah: new BigUint64Array(this.buffer, get("ah"), nvec),
      Aj: new BigUint64Array(this.buffer, get("aj"), nvals),
      packets: new Uint32Array(this.buffer, get("packets"), nvals),
      bytes: new BigUint64Array(this.buffer, get("bytes"), nvals),
    };
  }

  #counters(at: number): Record<CounterName, number> {
    const values = {} as Record<CounterName, number>;
    for (const [i, name] of COUNTERS.entries()) values[name] = Number(this.#u64[at + i]!);
    return values;
  }
}
