/**
 * Packets for tests, read from the outside in: `eth().vlan(5).ipv4("10.0.0.1", "10.0.0.2").udp(1000, 53).bytes()`.
 * Each layer names the next in its own protocol field and fills in lengths and the IPv4 checksum.
 */
import { ipv6Bytes, parseIpv4, parseIpv6 } from "../../lib/address.js";

interface Layer {
  etherType?: number;
  ipProtocol?: number;
  pppProtocol?: number;
  build(payload: Uint8Array, next: Layer | undefined): Uint8Array;
}

export const LINK = {
  null: 0,
  ethernet: 1,
  raw12: 12,
  raw: 101,
  loop: 108,
  sll: 113,
  ipv4: 228,
  ipv6: 229,
  sll2: 276,
} as const;

const join = (...parts: Uint8Array[]): Uint8Array<ArrayBuffer> => new Uint8Array(Buffer.concat(parts));
/** Big-endian fields: [value, bytes] pairs. */
const fields = (...pairs: [value: number, bytes: number][]): Uint8Array => {
  const out: number[] = [];
  for (const [value, bytes] of pairs) {
    for (let i = bytes - 1; i >= 0; i--) out.push(Math.floor(value / 256 ** i) & 255);
  }
  return Uint8Array.from(out);
};
const mac = (text: string): Uint8Array =>
  Uint8Array.from(text.split(":"), (part) => Number.parseInt(part, 16));

function ipv4Checksum(header: Uint8Array): number {
  let sum = 0;
  for (let i = 0; i < header.length; i += 2) sum += (header[i]! << 8) | header[i + 1]!;
  while (sum > 0xffff) sum = (sum & 0xffff) + (sum >>> 16);
  return ~sum & 0xffff;
}

export class Packet {
  private constructor(
    readonly linkType: number,
    private readonly layers: readonly Layer[],
  ) {}

  static on(linkType: number, layer?: Layer): Packet {
    return new Packet(linkType, layer === undefined ? [] : [layer]);
  }

  with(layer: Layer): Packet {
    return new Packet(this.linkType, [...this.layers, layer]);
  }

  vlan(id: number, tpid = 0x8100): Packet {
    return this.with({
      etherType: tpid,
      build: (payload, next) => join(fields([id, 2], [next?.etherType ?? 0, 2]), payload),
    });
  }

  /** One MPLS label; bottom of stack when no label follows. */
  mpls(label: number): Packet {
    return this.with({
      etherType: 0x8847,
      build: (payload, next) => {
        const bottom = next?.etherType === 0x8847 ? 0 : 1;
        return join(fields([label * 4096 + bottom * 256 + 64, 4]), payload);
      },
    });
  }

  pppoe(session = 1): Packet {
    return this.with({
      etherType: 0x8864,
      build: (payload, next) =>
        join(
          fields([0x1100, 2], [session, 2], [payload.length + 2, 2], [next?.pppProtocol ?? 0xc021, 2]),
          payload,
        ),
    });
  }

  /** 802.2 LLC and SNAP, after an Ethernet header that then carries a length. */
  snap(oui = 0): Packet {
    return this.with({
      build: (payload, next) => join(fields([0xaaaa03, 3], [oui, 3], [next?.etherType ?? 0, 2]), payload),
    });
  }

  ipv4(source: string, destination: string, options: { ihl?: number; version?: number } = {}): Packet {
    const [from, to, ihl] = [parseIpv4(source)!, parseIpv4(destination)!, options.ihl ?? 5];
    return this.with({
      etherType: 0x0800,
      ipProtocol: 4,
      pppProtocol: 0x0021,
      build: (payload, next) => {
        const bytes = Math.max(ihl, 5) * 4;
        const header = new Uint8Array(bytes);
        const first = ((options.version ?? 4) << 4) | ihl;
        const length = bytes + payload.length;
        header.set(
          fields([first, 1], [0, 1], [length, 2], [1, 2], [0, 2], [64, 1], [next?.ipProtocol ?? 253, 1]),
        );
        header.set(fields([0, 2], [from, 4], [to, 4]), 10);
        header.set(fields([ipv4Checksum(header), 2]), 10);
        return join(header, payload);
      },
    });
  }

  ipv6(source: string, destination: string): Packet {
    return this.with({
      etherType: 0x86dd,
      ipProtocol: 41,
      pppProtocol: 0x0057,
      build: (payload, next) =>
        join(
          fields([0x60000000, 4], [payload.length, 2], [next?.ipProtocol ?? 253, 1], [64, 1]),
          ipv6Bytes(parseIpv6(source)!),
          ipv6Bytes(parseIpv6(destination)!),
          payload,
        ),
    });
  }

  arp(): Packet {
    return this.with({ etherType: 0x0806, build: () => new Uint8Array(28) });
  }

  udp(sourcePort = 1024, destinationPort = 53, payload = 0): Packet {
    return this.with({
      ipProtocol: 17,
      build: () =>
        join(
          fields([sourcePort, 2], [destinationPort, 2], [8 + payload, 2], [0, 2]),
          new Uint8Array(payload),
        ),
    });
  }

  tcp(sourcePort = 1024, destinationPort = 443, payload = 0): Packet {
    return this.with({
      ipProtocol: 6,
      build: () =>
        join(
          fields([sourcePort, 2], [destinationPort, 2], [1, 4], [1, 4], [0x5010, 2], [1024, 2], [0, 4]),
          new Uint8Array(payload),
        ),
    });
  }

  /** Any bytes, under any EtherType. */
  payload(bytes: Uint8Array, etherType = 0x88b5): Packet {
    return this.with({ etherType, build: () => bytes });
  }

  bytes(): Uint8Array<ArrayBuffer> {
    let [payload, next]: [Uint8Array, Layer | undefined] = [new Uint8Array(), undefined];
    for (const layer of this.layers.toReversed()) [payload, next] = [layer.build(payload, next), layer];
    return new Uint8Array(payload);
  }
}

/** An Ethernet frame; before `snap()` the type field becomes the length. */
export const eth = (source = "02:00:00:00:00:01", destination = "02:00:00:00:00:02"): Packet =>
  Packet.on(LINK.ethernet, {
    build: (payload, next) =>
      join(mac(destination), mac(source), fields([next?.etherType ?? payload.length, 2]), payload),
  });

/** IP without a link header (LINKTYPE_RAW). */
export const raw = (): Packet => Packet.on(LINK.raw);

/** BSD loopback: address family in the byte order of the capturing host. */
export const bsdNull = (family: number, order: "little" | "big" = "little"): Packet =>
  Packet.on(LINK.null, {
    build: (payload) => join(order === "big" ? fields([family, 4]) : fields([family, 4]).reverse(), payload),
  });

/** OpenBSD loopback: the family is always big-endian. */
export const bsdLoop = (family: number): Packet =>
  Packet.on(LINK.loop, { build: (payload) => join(fields([family, 4]), payload) });

/** Linux cooked capture, version 1. */
export const sll = (): Packet =>
  Packet.on(LINK.sll, {
    build: (payload, next) =>
      join(fields([0, 2], [1, 2], [6, 2]), new Uint8Array(8), fields([next?.etherType ?? 4, 2]), payload),
  });

/** Linux cooked capture, version 2. */
export const sll2 = (): Packet =>
  Packet.on(LINK.sll2, {
    build: (payload, next) =>
      join(
        fields([next?.etherType ?? 4, 2], [0, 2], [1, 4], [1, 2], [0, 1], [6, 1]),
        new Uint8Array(8),
        payload,
      ),
  });
