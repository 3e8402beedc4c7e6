/** A change of the sampling rate: frames of the old rate and of the new are in no interval together, on any queue. */
import assert from "node:assert/strict";
import { test } from "node:test";
import { CHUNK_BYTES, HEADROOM, SandboxFixture } from "./fixture.js";
import { randomFrame } from "./frames.js";
import { Model } from "./model.js";
import { Random, runSeed } from "./random.js";

const seed = runSeed();
const BUFFER = CHUNK_BYTES - HEADROOM;

/** Puts a frame on a queue, marked in its first buffer; false when the sandbox has to give chunks back first. */
function receive(fixture: SandboxFixture, queue: number, frame: Uint8Array, mark?: number): boolean {
  const kernel = fixture.queues[queue]!;
  if (kernel.fillWaiting * BUFFER < frame.length) return false;
  for (let at = 0; at === 0 || at < frame.length; at += BUFFER) {
    const buffer = frame.subarray(at, at + BUFFER);
    kernel.receive(buffer, at + BUFFER < frame.length, at === 0 ? mark : undefined);
  }
  return true;
}

class Change {
  readonly fixture: SandboxFixture;
  readonly random: Random;
  old = new Model();
  next = new Model();

  constructor(random: Random) {
    this.random = random;
    this.fixture = new SandboxFixture({ queues: 1 + random.below(4), chunks: 64 }).start();
  }

  /** Some frames on random queues, counted into a model, with breaths between. */
  traffic(frames: number, model: () => Model, mark?: number): void {
    const { random, fixture } = this;
    for (let i = 0; i < frames; i++) {
      let frame = randomFrame(random, 1);
      if (random.chance(0.05)) frame = Uint8Array.from([...frame, ...random.bytes(random.below(3 * BUFFER))]);
      const queue = random.below(fixture.queues.length);
      if (receive(fixture, queue, frame, mark)) model().add(frame.subarray(0, BUFFER), frame.length);
      if (random.chance(0.2)) fixture.exports.breathe(1 + random.below(100));
    }
  }

  settle(mark: number): void {
    const { control, queues } = this.fixture;
    for (const { index } of queues) control.setQueue(index, { rate_index: control.rxProducer(index) });
    control.storeU32("rate_settled", mark);
  }

  /** Breathes until the sandbox says that it has come to the new rate. */
  reach(mark: number): boolean {
    for (let breath = 0; breath < 200; breath++) {
      if (this.fixture.control.u32("rate_reached") === mark) return true;
      this.fixture.exports.breathe(64);
    }
    return false;
  }
}

for (const driver of ["marks frames", "has no metadata"] as const) {
  test(`random changes on several queues; the driver ${driver} (seed ${seed})`, () => {
    const random = new Random(seed);
    for (let round = 0; round < 30; round++) {
      const change = new Change(random);
      const { fixture } = change;
      for (let changes = 0; changes < 3; changes++) {
        const mark = 1 + random.below(0xfffffff0);
        change.traffic(random.below(300), () => change.old);
        fixture.control.storeU32("rate_mark", mark);
        // Frames of the old rate go on arriving until the kernel has been told.
        change.traffic(random.below(50), () => change.old);
        fixture.exports.breathe(1);
        assert.equal(fixture.control.u32("rate_seen"), mark);
        if (driver === "marks frames") {
          change.traffic(random.below(200), () => change.next, mark);
          change.settle(mark);
          change.traffic(random.below(100), () => change.next, mark);
        } else {
          change.settle(mark);
          change.traffic(random.below(300), () => change.next);
        }
        assert.ok(change.reach(mark), "every queue comes to its first new frame");
        assert.equal(fixture.exports.breathe(4096), 0, "and stands there");
        if (random.chance(0.5)) {
          fixture.seal((slot) => change.old.check(slot), "clock");
          change.old = new Model();
          assert.equal(fixture.exports.breathe(4096), 0, "another seal changes nothing");
        }
        fixture.seal((slot) => change.old.check(slot), "rate");
        assert.equal(fixture.control.u32("rate_reached"), 0);
        fixture.control.storeU32("rate_mark", 0);
        [change.old, change.next] = [change.next, new Model()];
      }
      while (fixture.exports.breathe(4096) > 0);
      fixture.seal((slot) => change.old.check(slot));
    }
  });
}

test("a change that is given up: everything is counted", () => {
  const change = new Change(new Random(3));
  change.fixture.control.storeU32("rate_mark", 77);
  change.traffic(100, () => change.old, 77);
  change.fixture.control.storeU32("rate_mark", 0);
  while (change.fixture.exports.breathe(4096) > 0);
  change.fixture.seal((slot) => change.old.check(slot));
});

test("nothing is sought where no change is under way, whatever lies ahead of the frames", () => {
  const change = new Change(new Random(4));
  change.traffic(200, () => change.old, 0);
  while (change.fixture.exports.breathe(4096) > 0);
  assert.equal(change.fixture.control.u32("rate_reached"), 0);
  change.fixture.seal((slot) => change.old.check(slot));
});
