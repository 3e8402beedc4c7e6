/** Mode inline in the sandbox: frames leave as they came, in order, or are dropped by name; no chunk is ever lost. */
import assert from "node:assert/strict";
import { test } from "node:test";
import { eth } from "../pcap/packet.js";
import { randomFrame } from "./frames.js";
import { CHUNK_BYTES, HEADROOM, InlineFixture } from "./inline-fixture.js";
import { Random, runSeed } from "./random.js";

const seed = runSeed();
const BUFFER = CHUNK_BYTES - HEADROOM;
const DROPS = ["tx_full", "link_down", "verdict", "unforwardable"] as const;

/** Breathes, and lets the kernel send, until nothing moves any more. */
function settle(fixture: InlineFixture): void {
  for (let i = 0; i < 50; i++) {
    fixture.sandbox.exports.breathe(4096);
    for (const side of fixture.sides) side.transmit(4096);
  }
}

test(`random frames both ways, slow and dead links, seals at random moments (seed ${seed})`, () => {
  const random = new Random(seed);
  for (let round = 0; round < 6; round++) {
    const fixture = new InlineFixture({ txEntries: random.pick([8, 64]) });
    const given: Buffer[][] = [[], []];
    for (let step = 0; step < 6000; step++) {
      const side = random.below(2);
      const frame = Buffer.from(randomFrame(random, 1));
      const long = random.chance(0.05)
        ? Buffer.from(random.bytes(random.below(4 * BUFFER)))
        : Buffer.alloc(0);
      const whole = Buffer.concat([frame, long]);
      if (whole.length > 0 && fixture.sides[side]!.receive(whole)) given[side]!.push(whole);
      if (random.chance(0.2)) fixture.sandbox.exports.breathe(random.below(64));
      if (random.chance(0.1)) fixture.sides[random.below(2)]!.transmit(random.below(64));
      if (random.chance(0.005)) fixture.control.setQueue(random.below(2), { out_down: random.below(2) });
      if (random.chance(0.001)) fixture.seal();
    }
    for (const side of [0, 1]) fixture.control.setQueue(side, { out_down: 0 });
    settle(fixture);
    assert.ok(fixture.isWhole(), "every chunk is home");
    for (const side of [0, 1]) {
      const out = fixture.sides[1 - side]!.sent;
      const dropped = DROPS.reduce((sum, name) => sum + fixture.count(side, name), 0);
      assert.equal(fixture.count(side, "frames"), given[side]!.length);
      assert.equal(fixture.count(side, "forwarded"), out.length);
      assert.equal(
        fixture.count(side, "forwarded_bytes"),
        out.reduce((sum, { length }) => sum + length, 0),
      );
      assert.equal(out.length + dropped, given[side]!.length, "in = out + drops");
      let at = 0;
      for (const frame of out) {
        at = given[side]!.findIndex((candidate, i) => i >= at && candidate.equals(frame)) + 1;
        assert.ok(at > 0, "what leaves is what came, in order");
      }
    }
  }
});

test("one side that does not send starves nobody but those who send to it", () => {
  const fixture = new InlineFixture({ chunks: 64, txEntries: 64 });
  const frame = eth().ipv4("10.0.0.1", "10.0.0.2").udp(1, 2, 10).bytes();
  const [a, b] = fixture.sides as [InlineFixture["sides"][0], InlineFixture["sides"][0]];
  let toA = 0;
  for (let i = 0; i < 1000; i++) {
    a.receive(frame); // leaves by B, which never sends
    if (b.receive(frame)) toA++;
    fixture.sandbox.exports.breathe(64);
    a.transmit(64);
  }
  settle(fixture);
  assert.equal(a.sent.length, 1000);
  assert.equal(toA, 1000);
  assert.equal(fixture.count(0, "forwarded"), 64, "as many as B's ring holds: then A had no chunk left");
});

test("a TX ring that is full drops what comes, by name, and only then", () => {
  const fixture = new InlineFixture({ chunks: 64, txEntries: 8 });
  const frame = eth().ipv4("10.0.0.1", "10.0.0.2").udp(1, 2, 10).bytes();
  for (let i = 0; i < 20; i++) assert.ok(fixture.sides[0]!.receive(frame));
  assert.equal(fixture.sandbox.exports.breathe(64), 20);
  assert.deepEqual([fixture.count(0, "forwarded"), fixture.count(0, "tx_full")], [8, 12]);
  assert.equal(fixture.sandbox.exports.inline_waiting(), 0b10);
  settle(fixture);
  assert.equal(fixture.sandbox.exports.inline_waiting(), 0);
  assert.ok(fixture.isWhole());
});

test("a frame in several buffers is sent whole or not at all", () => {
  const fixture = new InlineFixture({ txEntries: 8 });
  const small = eth().ipv4("10.0.0.1", "10.0.0.2").udp(1, 2, 10).bytes();
  const large = Buffer.concat([small, new Random(1).bytes(3 * BUFFER)]);
  for (let i = 0; i < 3; i++) assert.ok(fixture.sides[0]!.receive(large));
  fixture.sandbox.exports.breathe(64);
  assert.deepEqual(
    [fixture.count(0, "forwarded"), fixture.count(0, "tx_full")],
    [2, 1],
    "4 buffers each, 8 entries",
  );
  settle(fixture);
  assert.ok(fixture.sides[1]!.sent.every((frame) => frame.equals(large)));
  assert.ok(fixture.isWhole());
});

test("a breath may end in the middle of a frame; the rest follows in its place", () => {
  const fixture = new InlineFixture();
  const large = Buffer.concat([
    eth().ipv4("10.0.0.1", "10.0.0.2").udp(1, 2, 10).bytes(),
    new Random(2).bytes(5000),
  ]);
  fixture.sides[0]!.receive(large);
  for (let i = 0; i < 8; i++) {
    fixture.sandbox.exports.breathe(1);
    fixture.sides[1]!.transmit(64);
  }
  assert.equal(fixture.sides[1]!.sent.length, 1);
  assert.ok(fixture.sides[1]!.sent[0]!.equals(large));
});

test("buffers outside the UMEM, empty ones and endless frames are not sent; nothing traps", () => {
  const fixture = new InlineFixture({ chunks: 64 });
  const side = fixture.sides[0]!;
  const size = BigInt(2 * 64 * CHUNK_BYTES);
  for (const [addr, len] of [
    [size, 60],
    [2n ** 63n, 60],
    [2n ** 64n - 1n, 60],
    [256n, 0],
    [256n, CHUNK_BYTES],
    [0n, 0xffffffff],
  ] as const) {
    side.put(addr, len, 0);
    fixture.sandbox.exports.breathe(64);
  }
  assert.equal(fixture.count(0, "unforwardable"), 6);
  assert.equal(fixture.sides[1]!.waiting("tx"), 0);
  for (let i = 0; i < 40; i++) side.put(BigInt(CHUNK_BYTES * i + HEADROOM), 100, i < 39 ? 1 : 0);
  fixture.sandbox.exports.breathe(64);
  assert.equal(fixture.count(0, "unforwardable"), 7, "more buffers than a frame can have");
  assert.equal(fixture.sides[1]!.waiting("tx"), 0);
});

test("while no interval has memory, frames go on uncounted, each counted as such once", () => {
  const fixture = new InlineFixture({ linkBudget: 4096 });
  const { exports } = fixture.sandbox;
  const random = new Random(4);
  let given = 0;
  const give = (): void => {
    const frame = Buffer.concat([
      eth().ipv4("10.0.0.1", "10.0.0.2").udp(1, 2, 10).bytes(),
      random.bytes(random.below(4000)),
    ]);
    frame.set(random.bytes(8), 26);
    if (fixture.sides[0]!.receive(frame)) given++;
  };
  while (fixture.control.u32("seal_needed") === 0) {
    give();
    exports.breathe(1 + random.below(3));
    fixture.sides[1]!.transmit(64);
  }
  for (let i = 0; i < 1000; i++) {
    give();
    assert.equal(exports.breathe(64), 0, "nothing is counted until the seal");
    exports.inline_uncounted(1 + random.below(4));
    fixture.sides[1]!.transmit(64);
  }
  fixture.seal();
  for (let i = 0; i < 100; i++) {
    give();
    exports.breathe(64);
    fixture.sides[1]!.transmit(64);
  }
  settle(fixture);
  assert.ok(fixture.count(0, "uncounted") >= 990);
  assert.equal(fixture.count(0, "frames") + fixture.count(0, "uncounted"), given);
  assert.equal(fixture.sides[1]!.sent.length, given);
  assert.ok(fixture.isWhole());
});
