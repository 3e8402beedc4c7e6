/** The frame cursor against the reference parser, on honest and mutated frames. */
import assert from "node:assert/strict";
import { test } from "node:test";
import { FRAME_REASONS } from "../../lib/reasons.js";
import { SandboxFixture } from "./fixture.js";
import { LINK_TYPES, mutate, randomFrame } from "./frames.js";
import { fuzzSeconds, Random, runSeed } from "./random.js";
import { parseFrame } from "./reference.js";

interface BenchExports {
  bench_parse(linkType: number, offset: number, captured: number): number;
}

/** The C cursor's verdict on a frame that ends where the linear memory ends: one byte too far would trap. */
class Cursor {
  readonly #exports: BenchExports;
  readonly #memory: Uint8Array;

  constructor() {
    const fixture = new SandboxFixture({ module: "bench" });
    this.#exports = fixture.exports as unknown as BenchExports;
    this.#memory = new Uint8Array(fixture.memory.buffer);
  }

  parse(linkType: number, frame: Uint8Array): { reason: string; addresses: string } {
    const offset = this.#memory.length - frame.length;
    this.#memory.set(frame, offset);
    const verdict = this.#exports.bench_parse(linkType, offset, frame.length);
    const reason = FRAME_REASONS[verdict & 255]!;
    const ip = frame.subarray(verdict >>> 8);
    const addresses = reason === "ipv4" ? ip.subarray(12, 20) : reason === "ipv6" ? ip.subarray(8, 40) : [];
    return { reason, addresses: Buffer.from(addresses).toString("hex") };
  }
}

const expected = (linkType: number, frame: Uint8Array): { reason: string; addresses: string } => {
  const { reason, source, destination } = parseFrame(linkType, frame);
  return { reason, addresses: Buffer.from([...(source ?? []), ...(destination ?? [])]).toString("hex") };
};

const MAC = "020000000001020000000002";
const IP4 = "4500001c00000000401100000a0000010a0000020035003500080000";
const IP6 = `6000000000081140${"20010db8".padEnd(32, "0")}${"20010db8".padEnd(32, "1")}0035003500080000`;

/** Reasons as tshark and DESIGN have them. */
const KNOWN: [what: string, linkType: number, frame: string, reason: string][] = [
  ["plain IPv4", 1, `${MAC}0800${IP4}`, "ipv4"],
  ["plain IPv6", 1, `${MAC}86dd${IP6}`, "ipv6"],
  ["four VLAN tags", 1, `${MAC}88a80001810000029100000392000004${"0800"}${IP4}`, "ipv4"],
  ["two MPLS labels", 1, `${MAC}8847000140400001 4140${IP4}`.replace(" ", ""), "ipv4"],
  ["MPLS, then a pseudowire", 1, `${MAC}88470001414000000000${MAC}0800${IP4}`, "mpls_other"],
  ["PPPoE session, IPv6", 1, `${MAC}8864110000010042${"0057"}${IP6}`, "ipv6"],
  ["PPPoE, one-byte protocol", 1, `${MAC}886411000001001d21${IP4}`, "ipv4"],
  ["PPPoE session, a length that ends within the IP header", 1, `${MAC}88641100000100050021${IP4}`, "ipv4"],
  ["PPPoE session, length 0 and padding", 1, `${MAC}886411000001000000000000`, "pppoe_other"],
  ["PPPoE discovery", 1, `${MAC}8863110900000004${"01010000"}`, "pppoe_other"],
  ["PPPoE, LCP", 1, `${MAC}8864110000010006c02101010004`, "pppoe_other"],
  ["SNAP, IPv4", 1, `${MAC}0024aaaa030000000800${IP4}`, "ipv4"],
  ["SNAP of another organisation", 1, `${MAC}0024aaaa0300000c0800${IP4}`, "llc"],
  ["IP over LLC", 1, `${MAC}001f060603${IP4}`, "ipv4"],
  ["STP", 1, `${MAC}0026424203000000`, "llc"],
  ["ARP", 1, `${MAC}0806000108000604`, "arp"],
  ["LLDP", 1, `${MAC}88cc0207`, "other_ethertype"],
  ["IPv4 cut before its end", 1, `${MAC}0800${IP4.slice(0, 38)}`, "truncated"],
  ["IPv4 with a header of 16 bytes", 1, `${MAC}080044${IP4.slice(2)}`, "malformed_ip"],
  ["IPv4 shorter than its header", 1, `${MAC}080045000013${IP4.slice(8)}`, "malformed_ip"],
  ["IPv4 of total length 0 (TSO)", 1, `${MAC}080045000000${IP4.slice(8)}`, "ipv4"],
  ["IPv6 in an IPv4 type", 1, `${MAC}0800${IP6}`, "malformed_ip"],
  ["nothing", 1, "", "truncated"],
  ["RAW 4", 101, IP4, "ipv4"],
  ["RAW 6", 101, IP6, "ipv6"],
  ["NULL, little-endian", 0, `02000000${IP4}`, "ipv4"],
  ["NULL, an EtherType instead of a family", 0, `00000800${IP4}`, "ipv4"],
  ["NULL, an EtherType of IPv6, little-endian", 0, `dd860000${IP6}`, "ipv6"],
  ["NULL, an EtherType after two bytes of anything", 0, `0f000800${IP4}`, "ipv4"],
  ["NULL, neither family nor EtherType", 0, `00000063${IP4}`, "other_ethertype"],
  ["NULL, big-endian, Darwin IPv6", 0, `0000001e${IP6}`, "ipv6"],
  ["LOOP", 108, `00000018${IP6}`, "ipv6"],
  ["SLL", 113, `${"00".repeat(14)}0800${IP4}`, "ipv4"],
  ["SLL with 802.2", 113, `${"00".repeat(14)}0004aaaa030000000800${IP4}`, "ipv4"],
  ["SLL2", 276, `86dd${"00".repeat(18)}${IP6}`, "ipv6"],
  ["IPv4 only", 228, IP4, "ipv4"],
  ["IPv6 only", 229, IP6, "ipv6"],
  ["Bluetooth", 187, IP4, "other_link_type"],
];

for (const [what, linkType, hex, reason] of KNOWN) {
  test(`${what}: ${reason}`, () => {
    const frame = Buffer.from(hex, "hex");
    assert.equal(new Cursor().parse(linkType, frame).reason, reason);
    assert.equal(parseFrame(linkType, frame).reason, reason);
  });
}

test("every prefix of a tagged frame has a verdict the reference shares", () => {
  const cursor = new Cursor();
  for (const [, linkType, hex] of KNOWN) {
    const frame = Buffer.from(hex, "hex");
    for (let n = 0; n <= frame.length; n++) {
      const cut = frame.subarray(0, n);
      assert.deepEqual(cursor.parse(linkType, cut), expected(linkType, cut), cut.toString("hex"));
    }
  }
});

test("the cursor agrees with the reference on mutated frames of every link type", (t) => {
  const seed = runSeed();
  const random = new Random(seed);
  const cursor = new Cursor();
  const until = Date.now() + fuzzSeconds(2) * 1000;
  let frames = 0;
  for (; Date.now() < until; frames++) {
    const linkType = random.pick(LINK_TYPES);
    const frame = mutate(random, randomFrame(random, linkType));
    const what = `seed ${seed}, frame ${frames}, link type ${linkType}: ${Buffer.from(frame).toString("hex")}`;
    assert.deepEqual(cursor.parse(linkType, frame), expected(linkType, frame), what);
  }
  t.diagnostic(`seed ${seed}: ${frames} frames`);
});
