/** The live path: rings in, matrices out, the test playing the kernel. */
import assert from "node:assert/strict";
import { test } from "node:test";
import { CHUNK_BYTES, HEADROOM, SandboxFixture } from "./fixture.js";
import { LINK_TYPES, mutate, randomFrame } from "./frames.js";
import { Model } from "./model.js";
import { Random, runSeed } from "./random.js";

const seed = runSeed();
const BUFFER = CHUNK_BYTES - HEADROOM;

/** Puts a frame on a queue's ring, in several buffers if it is long; breathes when the kernel is out of chunks. */
function receive(fixture: SandboxFixture, queue: number, frame: Uint8Array): void {
  for (let at = 0; at < frame.length || at === 0; at += BUFFER) {
    const buffer = frame.subarray(at, at + BUFFER);
    while (!fixture.queues[queue]!.receive(buffer, at + BUFFER < frame.length)) fixture.exports.breathe(64);
  }
}

function drain(fixture: SandboxFixture, most = 4096): number {
  let frames = 0;
  for (let idle = 0; idle < 2; ) {
    const taken = fixture.exports.breathe(most);
    frames += taken;
    idle = taken === 0 ? idle + 1 : 0;
  }
  return frames;
}

test(`random frames of every kind over several queues, sealed at random moments (seed ${seed})`, () => {
  const random = new Random(seed);
  for (let round = 0; round < 8; round++) {
    const linkType = round < 3 ? 1 : random.pick(LINK_TYPES);
    const fixture = new SandboxFixture({ queues: 1 + random.below(3), chunks: 64, linkType }).start();
    let model = new Model(linkType);
    for (let frames = 0; frames < 12_000; frames++) {
      let frame = randomFrame(random, linkType);
      if (random.chance(0.2)) frame = mutate(random, frame);
      if (random.chance(0.02)) frame = Uint8Array.from([...frame, ...random.bytes(random.below(5 * BUFFER))]);
      receive(fixture, random.below(fixture.queues.length), frame);
      model.add(frame.subarray(0, BUFFER), frame.length);
      if (random.chance(0.05)) fixture.exports.breathe(random.below(200));
      if (random.chance(0.0005)) {
        drain(fixture);
        fixture.seal((slot) => model.check(slot), "clock", 1 + random.below(5000));
        model = new Model(linkType);
      }
    }
    drain(fixture);
    fixture.seal((slot) => model.check(slot));
    for (const queue of fixture.queues) {
      assert.equal(queue.fillWaiting, queue.chunks, "frames on hand = UMEM");
      assert.equal(queue.rxWaiting, 0);
    }
  }
});

test("a frame in several buffers is one packet, counted where it ends, even after a seal", () => {
  const fixture = new SandboxFixture().start();
  const random = new Random(1);
  const frame = Uint8Array.from([
    ...random.bytes(12),
    8,
    0,
    0x45,
    0,
    35,
    40,
    ...random.bytes(16),
    ...random.bytes(5000),
  ]);
  const kernel = fixture.queues[0]!;
  kernel.receive(frame.subarray(0, 1000), true);
  assert.equal(fixture.exports.breathe(64), 0);
  kernel.receive(frame.subarray(1000, 2000), true);
  fixture.exports.breathe(64);
  // The chunk of the headers goes back to the kernel before the frame ends, and is used again.
  fixture.seal((slot) => assert.equal(slot.counters.frames, 0));
  kernel.receive(frame.subarray(2000));
  assert.equal(fixture.exports.breathe(64), 1);
  const model = new Model();
  model.add(frame, frame.length);
  fixture.seal((slot) => {
    model.check(slot);
    assert.equal(slot.counters.multi_buffer, 1);
  });
  assert.equal(kernel.fillWaiting, kernel.chunks);
});

test("descriptors that leave the UMEM are counted and never read; nothing traps", () => {
  const fixture = new SandboxFixture({ chunks: 64 }).start();
  const kernel = fixture.queues[0]!;
  const size = BigInt(64 * CHUNK_BYTES);
  const hostile: [addr: bigint, len: number][] = [
    [size, 60],
    [size - 1n, 60],
    [size - 10n, 11],
    [2n ** 63n, 60],
    [2n ** 64n - 1n, 60],
    [2n ** 64n - 60n, 60],
    [2n ** 32n, 60],
    [0n, 64 * CHUNK_BYTES + 1],
    [4096n, 0xffffffff],
  ];
  for (const [addr, len] of hostile) {
    kernel.takeChunk();
    kernel.putDescriptor(addr, len, 0);
  }
  // Inside, but at the very end: too short for the headers, still a frame.
  kernel.takeChunk();
  kernel.putDescriptor(size - 10n, 10, 0);
  kernel.takeChunk();
  kernel.putDescriptor(size, 0, 0);
  assert.equal(fixture.exports.breathe(64), 2);
  fixture.seal((slot) => {
    assert.equal(slot.counters.bad_descriptors, hostile.length);
    assert.equal(slot.counters.frames, 2);
    assert.equal(slot.counters.frames_truncated, 2);
  });
});

test("a frame of which one buffer cannot be read is not counted, and the next one is", () => {
  const fixture = new SandboxFixture().start();
  const kernel = fixture.queues[0]!;
  const frame = randomFrame(new Random(5), 1);
  kernel.receive(frame, true);
  kernel.takeChunk();
  kernel.putDescriptor(2n ** 40n, 100, 1);
  kernel.receive(frame);
  kernel.receive(frame);
  assert.equal(fixture.exports.breathe(64), 1);
  fixture.seal((slot) => {
    assert.equal(slot.counters.bad_descriptors, 1);
    assert.equal(slot.counters.frames, 1);
  });
});

test("a producer index that runs wild is bounded by the ring", () => {
  const fixture = new SandboxFixture({ chunks: 64 }).start();
  const words = new Uint32Array(fixture.memory.buffer);
  words[fixture.layout.queues[0]!.rings >>> 2] = 0x80000000;
  assert.ok(fixture.exports.breathe(1 << 30) <= 64);
});

test("breathe takes no more frames than it was allowed, and stops at a packet window", () => {
  const fixture = new SandboxFixture({ windowPackets: 100 }).start();
  const random = new Random(3);
  const kernel = fixture.queues[0]!;
  const packet = Uint8Array.from([...random.bytes(12), 8, 0, 0x45, 0, 0, 40, ...random.bytes(40)]);
  const arp = Uint8Array.from([...random.bytes(12), 8, 6, ...random.bytes(28)]);
  for (let i = 0; i < 120; i++) {
    kernel.receive(packet);
    kernel.receive(arp);
  }
  assert.equal(fixture.exports.breathe(7), 7);
  drain(fixture);
  assert.equal(fixture.control.u64("interval_packets"), 100n);
  assert.equal(fixture.control.u32("seal_needed"), 2);
  assert.equal(fixture.exports.breathe(64), 0);
  fixture.seal((slot) => assert.equal(slot.counters.packets, 100), "packets");
  drain(fixture);
  fixture.seal((slot) => assert.equal(slot.counters.packets, 20), "stop");
});

test("both slots busy: capture goes on in the open interval, a third seal waits", () => {
  const fixture = new SandboxFixture().start();
  const { exports, control } = fixture;
  const kernel = fixture.queues[0]!;
  const frame = Uint8Array.from([
    ...new Random(9).bytes(12),
    8,
    0,
    0x45,
    0,
    0,
    40,
    ...new Random(9).bytes(40),
  ]);
  for (let i = 0; i < 2; i++) {
    kernel.receive(frame);
    assert.equal(exports.breathe(64), 1);
    assert.equal(exports.seal_begin(1), 0);
    assert.equal(exports.seal_begin(1), -1, "a seal is under way");
    while (exports.seal_step(1) === 0);
  }
  assert.equal(exports.seal_step(1), -1, "no seal is under way");
  kernel.receive(frame);
  kernel.receive(frame);
  assert.equal(exports.breathe(64), 2);
  assert.equal(exports.seal_begin(1), -1);
  assert.equal(control.u64("interval_packets"), 2n);
  assert.equal(control.slot(control.oldestReady()).epoch, 0n);
  control.freeSlot(control.oldestReady());
  fixture.seal((slot) => assert.equal(slot.epoch, 1n));
  assert.equal(control.slot(control.oldestReady()).counters.packets, 2);
});

test("an interval without a frame is sealed too", () => {
  const fixture = new SandboxFixture().start();
  for (let i = 0; i < 3; i++) fixture.seal((slot) => new Model().check(slot));
});
