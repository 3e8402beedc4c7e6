/** What the open interval must hold, kept beside a sandbox under test: every frame goes to both. */
import assert from "node:assert/strict";
import type { SealedSlot } from "../../daemon/capture/control-view.js";
import { FRAME_REASONS, type FrameReason } from "../../lib/reasons.js";
import { parseFrame } from "./reference.js";
import { INDEX_MASK } from "./siphash.js";
import {
  addLink,
  addLinks,
  assertLinks,
  bytesToBigInt,
  dictionaryOf,
  index6,
  type Links,
  linksOf,
} from "./truth.js";

export const DEFAULT_KEY: [bigint, bigint] = [0x0706050403020100n, 0x0f0e0d0c0b0a0908n];

export class Model {
  readonly links4: Links = new Map();
  readonly links6: Links = new Map();
  readonly reasons = Object.fromEntries(FRAME_REASONS.map((name) => [name, 0])) as Record<
    FrameReason,
    number
  >;
  frames = 0;
  bytes = 0;
  packetBytes = 0;
  /** Index -> addresses in order of appearance, hexadecimal. */
  readonly addresses = new Map<bigint, string[]>();
  readonly #linkType: number;
  readonly #mask: bigint;

  constructor(linkType = 1, mask = INDEX_MASK) {
    this.#linkType = linkType;
    this.#mask = mask;
  }

  get packets(): number {
    return this.reasons.ipv4 + this.reasons.ipv6;
  }

  get collisions(): number {
    return [...this.addresses.values()].reduce((sum, addresses) => sum + addresses.length - 1, 0);
  }

  /** Counts a frame of which `head` was captured in its first buffer, and `wire` bytes were sent. */
  add(head: Uint8Array, wire: number): void {
    const parsed = parseFrame(this.#linkType, head);
    this.frames++;
    this.bytes += wire;
    this.reasons[parsed.reason]++;
    if (parsed.source === undefined || parsed.destination === undefined) return;
    this.packetBytes += wire;
    if (parsed.source.length === 4) {
      addLink(this.links4, bytesToBigInt(parsed.source), bytesToBigInt(parsed.destination), BigInt(wire));
    } else addLink(this.links6, this.#index(parsed.source), this.#index(parsed.destination), BigInt(wire));
  }

  #index(address: Uint8Array): bigint {
    const index = index6(address, DEFAULT_KEY, this.#mask);
    const text = Buffer.from(address).toString("hex");
    const known = this.addresses.get(index);
    if (known === undefined) this.addresses.set(index, [text]);
    else if (!known.includes(text)) known.push(text);
    return index;
  }

  /** The slot says exactly what went in. */
  check(slot: SealedSlot): void {
    assertLinks(linksOf(slot.v4), this.links4, "IPv4");
    assertLinks(linksOf(slot.v6), this.links6, "IPv6");
    const { counters } = slot;
    for (const name of FRAME_REASONS) assert.equal(counters[`frames_${name}`], this.reasons[name], name);
    assert.equal(counters.frames, this.frames, "frames");
    assert.equal(counters.frame_bytes, this.bytes, "frame bytes");
    assert.equal(counters.packets, this.packets, "packets");
    assert.equal(counters.packet_bytes, this.packetBytes, "packet bytes");
    assert.equal(counters.v6_collisions, this.collisions, "collisions");
    const first = new Map([...this.addresses].map(([index, addresses]) => [index, addresses[0]!]));
    const dictionary = dictionaryOf(slot);
    assert.equal(dictionary.size, first.size, "dictionary entries");
    for (const [index, address] of dictionary)
      assert.equal(address, first.get(index), "first address of an index");
  }
}

/** Sums sealed slots, to compare many early seals with one truth. */
export class Total {
  readonly links4: Links = new Map();
  readonly links6: Links = new Map();
  packets = 0;
  seals = 0;

  add(slot: SealedSlot): void {
    addLinks(this.links4, linksOf(slot.v4));
    addLinks(this.links6, linksOf(slot.v6));
    this.packets += slot.counters.packets;
    this.seals++;
  }

  check(model: Model): void {
    assertLinks(this.links4, model.links4, "IPv4");
    assertLinks(this.links6, model.links6, "IPv6");
    assert.equal(this.packets, model.packets);
  }
}
