/**
 * What mode host keeps in a sandbox's control block, as host threads see it: the table of ring buffers, and the table of
 * interfaces with their figures. Offsets come from lib/abi.ts alone.
 */
import {
  CONTROL,
  CONTROL_OFFSET,
  HOST_INTERFACE,
  HOST_INTERFACE_GONE,
  HOST_INTERFACES_MAX,
  HOST_RECORD,
  HOST_RING,
} from "../../lib/abi.js";

/** Header of a record in a BPF ring buffer. */
const RECORD_BYTES = HOST_RECORD.bytes + 8;

/** Packets and bytes on the wire. */
export interface HostFigures {
  in: { packets: number; bytes: number };
  out: { packets: number; bytes: number };
}

export class HostView {
  readonly #u32: Uint32Array;
  readonly #u64: BigUint64Array;

  constructor(memory: WebAssembly.Memory) {
    this.#u32 = new Uint32Array(memory.buffer);
    this.#u64 = new BigUint64Array(memory.buffer);
  }

  /** Before the capture thread starts. */
  setRing(index: number, ring: { consumer: number; producer: number; data: number; size: number }): void {
    for (const field of ["consumer", "producer", "data", "size"] as const) {
      this.#u32[this.#ringAt(index, field) >>> 2] = ring[field];
    }
  }

  /** Records that wait in the first `rings` ring buffers. */
  recordsWaiting(rings: number): number {
    let bytes = 0;
    for (let ring = 0; ring < rings; ring++) {
      bytes += Number(this.#position(ring, "producer") - this.#position(ring, "consumer"));
    }
    return bytes / RECORD_BYTES;
  }

  /** Share of the first `rings` ring buffers that is in use, of the fullest. */
  occupancy(rings: number): number {
    let most = 0;
    for (let ring = 0; ring < rings; ring++) {
      const used = Number(this.#position(ring, "producer") - this.#position(ring, "consumer"));
      most = Math.max(most, used / this.#u32[this.#ringAt(ring, "size") >>> 2]!);
    }
    return most;
  }

  /** Notes that all records from where the producers stand now are of the new sampling rate. */
  settleRate(rings: number): void {
    for (let ring = 0; ring < rings; ring++) {
      this.#u64[this.#ringAt(ring, "rate_position") >>> 3] = this.#position(ring, "producer");
    }
  }

  /** Puts an interface into the table, before the program is attached; false when the table is full. */
  addInterface(ifindex: number, linkType: number): boolean {
    const held = this.#find(ifindex);
    if (held >= 0) {
      this.#u32[(held + HOST_INTERFACE.fields.link_type!.offset) >>> 2] = linkType;
      return true;
    }
    for (let i = 0; i < HOST_INTERFACES_MAX; i++) {
      const at = this.#entryAt(ifindex + i);
      const found = this.#u32[at >>> 2]!;
      if (found !== 0 && found !== HOST_INTERFACE_GONE) continue;
      this.#u64.fill(
        0n,
        (at + HOST_INTERFACE.fields.packets!.offset) >>> 3,
        (at + HOST_INTERFACE.bytes) >>> 3,
      );
      this.#u32[(at + HOST_INTERFACE.fields.link_type!.offset) >>> 2] = linkType;
      Atomics.store(this.#u32, at >>> 2, ifindex);
      return true;
    }
    return false;
  }

  /** Takes an interface out, once no record of it can be left. */
  removeInterface(ifindex: number): void {
    const at = this.#find(ifindex);
    if (at >= 0) Atomics.store(this.#u32, at >>> 2, HOST_INTERFACE_GONE);
  }

  /** What came by an interface since it was added; zeros when it is not there. */
  figures(ifindex: number): HostFigures {
    const at = this.#find(ifindex);
    const get = (field: string, direction: number): number =>
      at < 0 ? 0 : Number(this.#u64[((at + HOST_INTERFACE.fields[field]!.offset) >>> 3) + direction]!);
    const of = (direction: number) => ({
      packets: get("packets", direction),
      bytes: get("bytes", direction),
    });
    return { in: of(0), out: of(1) };
  }

  /** Records of a shape that the program does not make. */
  badRecords(rings: number): number {
    let sum = 0;
    for (let ring = 0; ring < rings; ring++) sum += this.#u32[this.#ringAt(ring, "bad_records") >>> 2]!;
    return sum;
  }

  #position(ring: number, field: "producer" | "consumer"): bigint {
    return Atomics.load(this.#u64, this.#u32[this.#ringAt(ring, field) >>> 2]! >>> 3);
  }

  #ringAt(index: number, field: string): number {
    const table = CONTROL_OFFSET + CONTROL.fields.host_rings!.offset;
    return table + index * HOST_RING.bytes + HOST_RING.fields[field]!.offset;
  }

  #entryAt(slot: number): number {
    const table = CONTROL_OFFSET + CONTROL.fields.host_interfaces!.offset;
    return table + (slot % HOST_INTERFACES_MAX) * HOST_INTERFACE.bytes;
  }

  /** Offset of an interface's entry, or -1: the same search as the sandbox's. */
  #find(ifindex: number): number {
    for (let i = 0; i < HOST_INTERFACES_MAX; i++) {
      const at = this.#entryAt(ifindex + i);
      const found = Atomics.load(this.#u32, at >>> 2);
      if (found === ifindex) return at;
      if (found === 0) break;
    }
    return -1;
  }
}
