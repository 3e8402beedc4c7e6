/** Random capture files in every format, byte order and link type, with what must be counted in them. */
import type { Random } from "../pcap/fuzz.js";
import {
  bsdLoop,
  bsdNull,
  eth,
  LINK,
  type Packet,
  PcapngWriter,
  pcapFile,
  type Record,
  raw,
  sll,
  sll2,
} from "../pcap/writer.js";

export interface Generated {
  file: Uint8Array<ArrayBuffer>;
  /** "src,dst" of each record, in order; undefined where nothing is counted. */
  links: (string | undefined)[];
}

const v4 = (random: Random): string => `10.0.${random.int(3)}.${random.int(4)}`;
const v6 = (random: Random): string => `2001:db8::${random.int(5) + 1}`;

/** A packet of a link type, and its link. */
function packet(random: Random, linkType: number): { packet: Packet; link: string | undefined } {
  const isV6 = linkType === LINK.ipv6 || (linkType !== LINK.ipv4 && random.chance(0.3));
  const [source, destination] = isV6 ? [v6(random), v6(random)] : [v4(random), v4(random)];
  const ip = (on: Packet): Packet =>
    (isV6 ? on.ipv6(source, destination) : on.ipv4(source, destination)).udp(1, 2, random.int(60));
  const link = `${source},${destination}`;
  switch (linkType) {
    case LINK.ethernet:
      return ethernet(random, ip, link);
    case LINK.null:
      return { packet: ip(bsdNull(isV6 ? 30 : 2, random.pick(["little", "big"] as const))), link };
    case LINK.loop:
      return { packet: ip(bsdLoop(isV6 ? 24 : 2)), link };
    case LINK.sll:
      return { packet: ip(sll()), link };
    case LINK.sll2:
      return { packet: ip(sll2()), link };
    default:
      return { packet: ip(raw()), link };
  }
}

function ethernet(
  random: Random,
  ip: (on: Packet) => Packet,
  link: string,
): { packet: Packet; link: string | undefined } {
  const tags = [
    () => eth(),
    () => eth().vlan(5),
    () => eth().vlan(5, 0x88a8).vlan(6),
    () => eth().mpls(100).mpls(200),
    () => eth().vlan(7).pppoe(),
    () => eth().snap(),
  ];
  if (random.chance(0.1)) return { packet: eth().arp(), link: undefined };
  if (random.chance(0.1)) return { packet: eth().payload(random.bytes(random.int(50))), link: undefined };
  return { packet: ip(random.pick(tags)()), link };
}

const LINK_TYPES = Object.values(LINK);

/** Times that mostly go forward, seldom back, and seldom far. */
function clock(random: Random): () => bigint {
  let now = 1_700_000_000_000_000_000n + BigInt(random.int(1_000_000_000));
  return () => {
    if (random.chance(0.02)) now += BigInt(random.int(100)) * 1_000_000_000n;
    now += BigInt(random.int(200_000)) * 1000n;
    return random.chance(0.05) ? now - BigInt(random.int(2_000_000)) * 1000n : now;
  };
}

function record(random: Random, data: Uint8Array, timestamp: bigint): Record {
  return { data, timestamp, wireLength: data.length + (random.chance(0.2) ? random.int(1400) : 0) };
}

export function generate(random: Random, count = random.int(60)): Generated {
  return random.chance(0.5) ? generatePcap(random, count) : generatePcapng(random, count);
}

function generatePcap(random: Random, count: number): Generated {
  const linkType = random.pick(LINK_TYPES);
  const next = clock(random);
  const made = Array.from({ length: count }, () => packet(random, linkType));
  const kind = random.int(3);
  const file = pcapFile(
    made.map(({ packet: one }) => record(random, one.bytes(), next())),
    {
      linkType: random.chance(0.2) ? linkType | 0x14000000 : linkType,
      order: random.pick(["little", "big"] as const),
      nanos: kind === 1,
      modified: kind === 2,
      snaplen: random.pick([0, 64, 65535, 0xffffffff]),
    },
  );
  return { file, links: made.map(({ link }) => link) };
}

/** Timestamp resolutions, and how many units a second has. */
const RESOLUTIONS: [code: number, unitsPerSecond: bigint][] = [
  [0, 1n],
  [3, 1000n],
  [6, 1_000_000n],
  [9, 1_000_000_000n],
  [12, 1_000_000_000n], // a thousandth of the truth: picoseconds since 1970 would not fit 64 bits
  [0x80 | 20, 1n << 20n],
  [0x80 | 32, 1n << 32n],
];

function generatePcapng(random: Random, count: number): Generated {
  const writer = new PcapngWriter();
  const links: (string | undefined)[] = [];
  const next = clock(random);
  let interfaces: { linkType: number; unitsPerSecond: bigint }[] = [];
  const section = (): void => {
    writer.section(random.pick(["little", "big"] as const), random.pick([0, 2]));
    interfaces = [];
  };
  const describe = (): void => {
    const [resolution, unitsPerSecond] = random.pick(RESOLUTIONS);
    const linkType = random.pick(LINK_TYPES);
    const offset = random.chance(0.2) ? { offset: BigInt(random.int(2000) - 1000) } : {};
    writer.interface({ linkType, ...(resolution === 6 ? {} : { resolution }), ...offset });
    interfaces.push({ linkType, unitsPerSecond });
  };
  section();
  describe();
  while (links.length < count) {
    const dice = random.int(20);
    if (dice === 0) section();
    if (dice <= 1 || interfaces.length === 0) describe();
    if (dice === 2) writer.other(random.pick([4, 5, 10, 0x0bad, 0x80000001]), random.bytes(random.int(90)));
    const number = dice === 3 ? 0 : random.int(interfaces.length);
    const { linkType, unitsPerSecond } = interfaces[number]!;
    const { packet: made, link } = packet(random, linkType);
    const [data, wire] = [made.bytes(), random.int(1500)];
    const units = (next() * unitsPerSecond) / 1_000_000_000n;
    if (dice === 3) writer.simple(data);
    else if (dice === 4) writer.oldPacket(number, data, units, data.length + wire);
    else writer.packet(number, data, units, data.length + wire);
    links.push(link);
  }
  return { file: writer.bytes(), links };
}
