/** Capture files for tests: classic pcap in all its variants, and pcapng block by block. */
export * from "./packet.js";

export interface Record {
  data: Uint8Array;
  /** Length on the wire; the captured length when not given. */
  wireLength?: number;
  /** ns since 1970 UTC. */
  timestamp?: bigint;
}
export type Order = "little" | "big";

class Out {
  readonly parts: Uint8Array[] = [];
  constructor(private readonly order: Order) {}

  u16(...values: number[]): this {
    for (const value of values) this.#put(2, (view, little) => view.setUint16(0, value & 0xffff, little));
    return this;
  }
  u32(...values: number[]): this {
    for (const value of values) this.#put(4, (view, little) => view.setUint32(0, value >>> 0, little));
    return this;
  }
  u64(...values: bigint[]): this {
    for (const value of values) {
      this.#put(8, (view, little) => view.setBigUint64(0, BigInt.asUintN(64, value), little));
    }
    return this;
  }
  bytes(data: Uint8Array, alignment = 1): this {
    this.parts.push(data, new Uint8Array((alignment - (data.length % alignment)) % alignment));
    return this;
  }
  done(): Uint8Array<ArrayBuffer> {
    return new Uint8Array(Buffer.concat(this.parts));
  }
  #put(size: number, write: (view: DataView, little: boolean) => void): void {
    const view = new DataView(new ArrayBuffer(size));
    write(view, this.order === "little");
    this.parts.push(new Uint8Array(view.buffer));
  }
}

export interface PcapOptions {
  order?: Order;
  /** Timestamps in ns (magic a1b23c4d), not in microseconds. */
  nanos?: boolean;
  /** Kuznetsov's records with interface index, protocol and type (magic a1b2cd34). */
  modified?: boolean;
  linkType?: number;
  snaplen?: number;
  version?: [major: number, minor: number];
}

/** A classic pcap file. */
export function pcapFile(records: readonly Record[], options: PcapOptions = {}): Uint8Array<ArrayBuffer> {
  const out = new Out(options.order ?? "little");
  const magic = options.modified ? 0xa1b2cd34 : options.nanos ? 0xa1b23c4d : 0xa1b2c3d4;
  out.u32(magic).u16(...(options.version ?? [2, 4]));
  out.u32(0, 0, options.snaplen ?? 262144, options.linkType ?? 1);
  for (const { data, wireLength, timestamp = 0n } of records) {
    const fraction = Number(timestamp % 1_000_000_000n);
    out.u32(Number(timestamp / 1_000_000_000n), options.nanos ? fraction : Math.floor(fraction / 1000));
    out.u32(data.length, wireLength ?? data.length);
    if (options.modified) out.u32(1).u16(0x0800).u16(0);
    out.bytes(data);
  }
  return out.done();
}

/** One block of a pcapng file: type, lengths before and after, body padded to 4 bytes. */
function block(order: Order, type: number, body: (out: Out) => Out): Uint8Array<ArrayBuffer> {
  const inner = body(new Out(order)).done();
  const total = 12 + Math.ceil(inner.length / 4) * 4;
  return new Out(order).u32(type, total).bytes(inner, 4).u32(total).done();
}

export interface InterfaceOptions {
  linkType?: number;
  snaplen?: number;
  /** if_tsresol as on disk: 6 = microseconds (the default), 9 = ns, 0x80 | n = 2^-n s. */
  resolution?: number;
  /** if_tsoffset: seconds added to every timestamp. */
  offset?: bigint;
}

/** A pcapng file built block by block; several sections by calling `section` again. */
export class PcapngWriter {
  readonly blocks: Uint8Array[] = [];
  #order: Order = "little";

  section(order: Order = "little", minor = 0): this {
    this.#order = order;
    return this.#add(0x0a0d0d0a, (out) => out.u32(0x1a2b3c4d).u16(1, minor).u64(-1n));
  }

  interface(options: InterfaceOptions = {}): this {
    return this.#add(1, (out) => {
      out.u16(options.linkType ?? 1, 0).u32(options.snaplen ?? 0);
      if (options.resolution !== undefined) out.u16(9, 1).bytes(Uint8Array.of(options.resolution), 4);
      if (options.offset !== undefined) out.u16(14, 8).u64(options.offset);
      return options.resolution !== undefined || options.offset !== undefined ? out.u16(0, 0) : out;
    });
  }

  /** Enhanced packet block; `units` is the timestamp in the interface's own resolution. */
  packet(iface: number, data: Uint8Array, units = 0n, wireLength = data.length): this {
    return this.#add(6, (out) =>
      out
        .u32(iface, Number(units >> 32n), Number(units & 0xffffffffn), data.length, wireLength)
        .bytes(data, 4),
    );
  }

  simple(data: Uint8Array, wireLength = data.length): this {
    return this.#add(3, (out) => out.u32(wireLength).bytes(data, 4));
  }

  /** The packet block of pcapng's youth, type 2. */
  oldPacket(iface: number, data: Uint8Array, units = 0n, wireLength = data.length): this {
    return this.#add(2, (out) =>
      out
        .u16(iface, 0)
        .u32(Number(units >> 32n), Number(units & 0xffffffffn), data.length, wireLength)
        .bytes(data, 4),
    );
  }

  /** Any other block: name resolution (4), statistics (5), secrets (10), unknown. */
  other(type: number, body: Uint8Array): this {
    return this.#add(type, (out) => out.bytes(body, 4));
  }

  bytes(): Uint8Array<ArrayBuffer> {
    return new Uint8Array(Buffer.concat(this.blocks));
  }

  #add(type: number, body: (out: Out) => Out): this {
    this.blocks.push(block(this.#order, type, body));
    return this;
  }
}
