/** What is sent into the guest, and the matrix that must come out: each from the same list, but on ways of their own. */
import { eth, type Packet } from "../pcap/packet.js";

/** Links of a batch are chosen among so many; low numbers come often, as on a real wire. */
const LINKS = 4000;

export interface Link {
  packets: number;
  bytes: number;
}

export interface Batch {
  frames: Uint8Array[];
  /** By "source,destination", of each family. */
  links4: Map<string, Link>;
  links6: Map<string, Link>;
  /** Frames by what becomes of them. */
  reasons: { ipv4: number; ipv6: number; arp: number };
  packets: number;
  bytes: number;
}

/** `count` frames of 60 to about 300 bytes: IPv4, IPv6, one and two VLAN tags, and an ARP frame in a thousand. */
export function makeBatch(count: number, seed: number): Batch {
  const batch: Batch = {
    frames: [],
    links4: new Map(),
    links6: new Map(),
    reasons: { ipv4: 0, ipv6: 0, arp: 0 },
    packets: 0,
    bytes: 0,
  };
  const next = random(seed);
  for (let i = 0; i < count; i++) {
    if (i % 1000 === 999) add(batch, "arp", eth().arp());
    else addPacket(batch, Math.floor(LINKS * next() ** 3), Math.floor(next() * 200), i);
  }
  return batch;
}

function addPacket(batch: Batch, link: number, payload: number, i: number): void {
  const [from, to] = [link % 61, Math.floor(link / 61)];
  if (i % 5 === 0) {
    const [source, destination] = [address6(from), address6(0x1000 + to)];
    add(batch, "ipv6", eth().ipv6(source, destination).udp(1024, 53, payload), source, destination);
    return;
  }
  const [source, destination] = [`10.${from}.0.1`, `192.168.${to}.7`];
  const tagged = i % 7 === 0 ? eth().vlan(5) : i % 11 === 0 ? eth().vlan(7, 0x88a8).vlan(8) : eth();
  // 18 bytes bring the shortest frame to the shortest that Ethernet carries.
  add(batch, "ipv4", tagged.ipv4(source, destination).udp(1024, 53, 18 + payload), source, destination);
}

function add(
  batch: Batch,
  reason: keyof Batch["reasons"],
  packet: Packet,
  source?: string,
  destination?: string,
): void {
  const frame = packet.bytes();
  batch.frames.push(frame);
  batch.reasons[reason]++;
  if (reason === "arp") return;
  batch.packets++;
  batch.bytes += frame.byteLength;
  const links = reason === "ipv4" ? batch.links4 : batch.links6;
  const key = `${source},${destination}`;
  const link = links.get(key) ?? { packets: 0, bytes: 0 };
  links.set(key, { packets: link.packets + 1, bytes: link.bytes + frame.byteLength });
}

const address6 = (low: number): string => `2001:db8::${low === 0 ? "" : low.toString(16)}`;

/** The links of several batches as lines `source,destination,packets,bytes`, in the byte order of the C locale. */
export function truth(batches: readonly Batch[], family: 4 | 6): string[] {
  const sum = new Map<string, Link>();
  for (const batch of batches) {
    for (const [key, { packets, bytes }] of family === 4 ? batch.links4 : batch.links6) {
      const link = sum.get(key) ?? { packets: 0, bytes: 0 };
      sum.set(key, { packets: link.packets + packets, bytes: link.bytes + bytes });
    }
  }
  return [...sum].map(([key, { packets, bytes }]) => `${key},${packets},${bytes}`).sort();
}

/** Numbers in [0, 1): a linear congruential generator, for the same frames every time. */
function random(seed: number): () => number {
  let state = seed >>> 0;
  return () => {
    state = (Math.imul(state, 1664525) + 1013904223) >>> 0;
    return state / 2 ** 32;
  };
}
