import assert from "node:assert/strict";
import { describe, it } from "node:test";
import fc from "fast-check";
import { CHUNK4, CHUNK6 } from "../../daemon/service/protocol.js";
import { ipv4Text, ipv6TextOfBytes } from "../../lib/address.js";
import { addLink, Collected, type Links, until } from "./support.js";

const v4 = fc.integer({ min: 0, max: 2 ** 32 - 1 });
const near4 = fc.integer({ min: 0x0a000000, max: 0x0a00000f });
const v6 = fc
  .uint8Array({ minLength: 15, maxLength: 15 })
  .map((tail) => Uint8Array.of(0x20, ...tail))
  .filter((bytes) => bytes.some((byte, i) => i > 0 && byte !== 0));
/** As few different ones that they meet, and some that never do; each with the text that the matrix has for it. */
const address = fc.oneof(
  fc
    .oneof(v4, near4)
    .map((number) => ({ given: number as number | string | Uint8Array, text: ipv4Text(number) })),
  near4.map((number) => ({ given: ipv4Text(number), text: ipv4Text(number) })),
  near4.map((number) => ({ given: `::ffff:${ipv4Text(number)}`, text: ipv4Text(number) })),
  near4.map((number) => ({
    given: Uint8Array.of(number >>> 24, number >>> 16, number >>> 8, number),
    text: ipv4Text(number),
  })),
  v6.map((bytes) => ({ given: bytes, text: ipv6TextOfBytes(bytes) })),
  fc.constantFrom("2001:db8::1", "2001:db8::2", "fe80::1").map((text) => ({ given: text, text })),
);
const bytes = fc.oneof(fc.constant(0), fc.nat(1500), fc.integer({ min: 2 ** 32 - 1, max: 2 ** 40 - 1 }));

/** What the matrix says of a pair: IPv6 if either is, the IPv4 one mapped. */
function pairOf(source: string, destination: string): [string, string] {
  const isMixed = source.includes(":") !== destination.includes(":");
  const map = (text: string) => (isMixed && !text.includes(":") ? `::ffff:${text}` : text);
  return [map(source), map(destination)];
}

describe("observe", () => {
  it("adds up to what a Map adds up to, in every form of address and over interval ends", async () => {
    const collected = new Collected({ intervalMs: 100 });
    const expected: Links = new Map();
    let count = 0;
    await fc.assert(
      fc.asyncProperty(
        fc.array(fc.tuple(address, address, bytes), { maxLength: 300 }),
        async (observations) => {
          for (const [source, destination, length] of observations) {
            collected.matrix.observe(source.given, destination.given, length);
            addLink(expected, ...pairOf(source.text, destination.text), 1, length);
            count++;
          }
          await new Promise((resolve) => setTimeout(resolve, 3));
        },
      ),
      { numRuns: 150 },
    );
    await collected.matrix.close();
    assert.deepEqual(sorted(collected.links()), sorted(expected));
    const { accepted, malformed, shed, late, sealed } = collected.matrix.figures();
    assert.deepEqual([accepted, malformed, shed, late, sealed.observations], [count, 0, 0, 0, count]);
    assert.ok(sealed.intervals > 3);
    assert.deepEqual(collected.errors, []);
  });

  it("counts what is no address or no number of bytes, and goes on", async () => {
    const { matrix, intervals } = new Collected();
    const bad = [
      "",
      "10.0.0",
      "10.0.0.256",
      "::g",
      "unknown",
      "x".repeat(5000),
      -1,
      1.5,
      2 ** 32,
      Number.NaN,
    ];
    for (const one of bad) matrix.observe(one, "10.0.0.1", 1);
    for (const one of [null, undefined, {}, new Uint8Array(5)]) matrix.observe(one as never, 1, 1);
    for (const length of [-1, 0.5, Number.NaN, 2 ** 40, "7", null])
      matrix.observe("10.0.0.1", "10.0.0.2", length as never);
    for (const length of [-1, 0.5, 2 ** 40]) matrix.observe("2001:db8::1", "10.0.0.2", length);
    matrix.observe4(2 ** 32, 1, 1);
    matrix.observe("10.0.0.1", "10.0.0.2", 9);
    const malformed = bad.length + 4 + 6 + 3 + 1;
    assert.equal(matrix.figures().malformed, malformed);
    await matrix.close();
    const { manifest } = intervals.at(-1)!;
    const all = intervals.reduce((sum, { manifest: { frames } }) => sum + frames, 0);
    assert.deepEqual([all, manifest.mode, manifest.effective], [malformed + 1, "service", null]);
    assert.equal(
      intervals.reduce((sum, { manifest: { reasons } }) => sum + reasons.malformed_ip, 0),
      malformed,
    );
  });

  it("fills chunks of both families and gets them back, in one go without the event loop", async () => {
    const collected = new Collected();
    const n = 5 * CHUNK4 + 17;
    for (let i = 0; i < n; i++) collected.matrix.observe4(0x0a000000 + (i & 1023), 0xc0a80000 + (i % 7), 3);
    const n6 = 2 * CHUNK6 + 5;
    for (let i = 0; i < n6; i++) collected.matrix.observe("2001:db8::1", "2001:db8::2", 2 ** 33);
    await collected.matrix.close();
    const links = collected.links();
    const [packets, octets] = [...links.values()].reduce(([p, b], [q, c]) => [p + q, b + c], [0, 0]);
    assert.deepEqual([packets, octets], [n + n6, 3 * n + 2 ** 33 * n6]);
    assert.deepEqual(links.get("2001:db8::1 2001:db8::2"), [n6, 2 ** 33 * n6]);
    assert.equal(collected.matrix.figures().shed, 0);
  });

  it("keeps accounting when it outruns the worker: offered = sealed + shed", async () => {
    const collected = new Collected({ linksMax: 1 << 12 });
    const n = 12_000_000;
    for (let i = 0; i < n; i++) collected.matrix.observe4(Math.imul(i, 2654435761) >>> 0, i, 1);
    await collected.matrix.close({ timeoutMs: 60_000 });
    const { accepted, shed, sealed } = collected.matrix.figures();
    assert.deepEqual([accepted + shed, sealed.observations], [n, accepted]);
    const told = collected.intervals.reduce((sum, { manifest: { drops } }) => sum + drops.shed, 0);
    assert.equal(told, shed);
    if (shed > 0) assert.equal(collected.errors[0]?.code, "OBSERVATIONS_SHED");
  });
});

describe("intervals", () => {
  it("are aligned to the wall clock, without gap or overlap, empty ones too", async () => {
    const { matrix, intervals } = new Collected({ intervalMs: 100 });
    await until(() => intervals.length >= 4);
    await matrix.close();
    for (const [k, { manifest }] of intervals.entries()) {
      assert.equal(manifest.sequence, k);
      assert.equal(manifest.sealed_by, k === intervals.length - 1 ? "stop" : "clock");
      if (k > 0) assert.equal(manifest.start, intervals[k - 1]!.manifest.end);
      if (manifest.sealed_by === "clock") assert.equal(manifest.end % 100_000_000n, 0n);
    }
  });

  it("are sealed early at the bound, and nothing is dropped", async () => {
    const collected = new Collected({ linksMax: 1 << 12, intervalMs: 3_600_000 });
    const n = 4 * CHUNK4;
    for (let i = 0; i < n; i++) collected.matrix.observe4(i, 7, 1);
    await collected.matrix.close();
    const causes = collected.intervals.map(({ manifest }) => manifest.sealed_by);
    assert.deepEqual(causes, ["budget", "budget", "budget", "budget", "stop"]);
    assert.equal(collected.links().size, n);
    const { start, end } = collected.intervals[1]!.manifest;
    assert.equal(start, collected.intervals[0]!.manifest.end);
    assert.ok(end >= start);
  });

  it("are not sealed early when the same links come again and again", async () => {
    const collected = new Collected({ linksMax: 1 << 12, intervalMs: 3_600_000 });
    for (let i = 0; i < 6 * CHUNK4; i++) collected.matrix.observe4(i % 1500, 7, 1);
    await collected.matrix.close();
    assert.deepEqual(
      collected.intervals.map(({ manifest }) => manifest.sealed_by),
      ["stop"],
    );
    assert.equal(collected.links().size, 1500);
  });
});

const sorted = (links: Links) => [...links].sort(([a], [b]) => (a < b ? -1 : 1));
