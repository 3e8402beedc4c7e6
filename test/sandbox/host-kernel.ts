/** The kernel's end of a BPF ring buffer in a sandbox's memory: the test plays tc program and ring buffer. */
import { HostView } from "../../daemon/capture/host-view.js";
import { HOST_DIRECTION_SHIFT, HOST_HEAD_BYTES, HOST_RECORD } from "../../lib/abi.js";
import type { SandboxFixture } from "./fixture.js";

const PAGE = 4096;
const HEADER = 8;
export const RECORD = HEADER + HOST_RECORD.bytes;
export const BUSY = 0x80000000;
export const DISCARD = 0x40000000;

/** Bytes of memory that a ring buffer of `size` bytes of records takes. */
export const ringBytes = (size: number): number => 2 * PAGE + 2 * size;

export interface HostRecord {
  packets: number;
  bytes: number;
  ifindex: number;
  isOut: boolean;
  head: Uint8Array;
  /** Of the first packets after a change of the sampling rate. */
  mark?: number;
}

export class KernelRing {
  readonly #longs: BigUint64Array;
  readonly #bytes: Uint8Array;
  readonly #data: DataView;
  readonly #offset: number;
  readonly #size: number;

  /** Ring `index` of a fixture, in the place that its layout has for it. */
  constructor(fixture: SandboxFixture, index: number, size: number) {
    const { buffer } = fixture.memory;
    this.#longs = new BigUint64Array(buffer);
    this.#bytes = new Uint8Array(buffer);
    this.#data = new DataView(buffer);
    this.#offset = fixture.layout.hostRings[index]!.offset;
    this.#size = size;
    const places = {
      consumer: this.#offset,
      producer: this.#offset + PAGE,
      data: this.#offset + 2 * PAGE,
      size,
    };
    new HostView(fixture.memory).setRing(index, places);
  }

  get producer(): bigint {
    return this.#longs[(this.#offset + PAGE) / 8]!;
  }

  set producer(position: bigint) {
    this.#longs[(this.#offset + PAGE) / 8] = position;
  }

  get consumer(): bigint {
    return this.#longs[this.#offset / 8]!;
  }

  /** Puts a record in; false when there is no room for it. `flags`: BUSY or DISCARD. */
  put(record: HostRecord, flags = 0): boolean {
    const bytes = new Uint8Array(HOST_RECORD.bytes).fill(0xa5);
    const view = new DataView(bytes.buffer);
    const set = (field: string, value: number) =>
      view.setUint32(HOST_RECORD.fields[field]!.offset, value, true);
    const head = record.head.subarray(0, HOST_HEAD_BYTES);
    set("packets", record.packets);
    set("bytes", record.bytes);
    set("ifindex", record.ifindex);
    set("mark", record.mark ?? 0);
    set("captured", head.length | (record.isOut ? 1 << HOST_DIRECTION_SHIFT : 0));
    bytes.set(head, HOST_RECORD.fields.head!.offset);
    return this.putRaw(bytes, (bytes.length | flags) >>> 0);
  }

  /** Puts any bytes in, under a header word of any kind. */
  putRaw(bytes: Uint8Array, word: number): boolean {
    const length = Math.ceil((bytes.length + HEADER) / 8) * 8;
    const position = this.producer;
    if (Number(position - this.consumer) + length > this.#size) return false;
    const at = Number(position % BigInt(this.#size));
    for (let i = 0; i < bytes.length; i++) this.#store(at + HEADER + i, bytes[i]!);
    this.setWord(position, word);
    this.producer = position + BigInt(length);
    return true;
  }

  /** Rewrites the header word of a record: what was BUSY is done. */
  setWord(position: bigint, word: number): void {
    const at = Number(position % BigInt(this.#size));
    for (const copy of [0, this.#size])
      this.#data.setUint32(this.#offset + 2 * PAGE + at + copy, word >>> 0, true);
  }

  /** A byte of data, where it is in both copies. */
  #store(at: number, value: number): void {
    const start = this.#offset + 2 * PAGE;
    const place = at % this.#size;
    this.#bytes[start + place] = value;
    this.#bytes[start + this.#size + place] = value;
  }
}
