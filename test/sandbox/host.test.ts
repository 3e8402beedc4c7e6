/** Mode host in the sandbox: records in, matrices out, the test playing the kernel. */
import assert from "node:assert/strict";
import { test } from "node:test";
import { HostView } from "../../daemon/capture/host-view.js";
import { HOST_INTERFACES_MAX } from "../../lib/abi.js";
import { type FixtureOptions, SandboxFixture } from "./fixture.js";
import { randomFrame } from "./frames.js";
import { BUSY, DISCARD, type HostRecord, KernelRing, RECORD, ringBytes } from "./host-kernel.js";
import { Model } from "./model.js";
import { Random, runSeed } from "./random.js";

const SIZE = 1 << 16;
const ETHERNET = 1;
const RAW = 101;
const seed = runSeed();

interface HostFixture {
  fixture: SandboxFixture;
  rings: KernelRing[];
  view: HostView;
}

function hostFixture(count: number, options: FixtureOptions = {}): HostFixture {
  const fixture = new SandboxFixture({
    queues: 0,
    hostRings: new Array(count).fill(ringBytes(SIZE)),
    ...options,
  });
  const view = new HostView(fixture.memory);
  const rings = Array.from({ length: count }, (_, index) => new KernelRing(fixture, index, SIZE));
  fixture.start();
  for (let index = 0; index < count; index++) assert.equal(fixture.exports.host_start(index), 0);
  return { fixture, rings, view };
}

function drain({ fixture }: HostFixture, most = 4096): number {
  let packets = 0;
  for (let taken = 1; taken > 0; packets += taken) taken = fixture.exports.breathe(most);
  return packets;
}

/** What a record weighs, to a model: as many frames, with the bytes shared out somehow. */
function expect(model: Model, { packets, bytes, head }: HostRecord): void {
  const each = Math.floor(bytes / packets);
  for (let i = 0; i < packets; i++)
    model.add(head.subarray(0, 128), i === 0 ? bytes - each * (packets - 1) : each);
}

const plain = (changes: Partial<HostRecord> = {}): HostRecord => {
  const head = new Uint8Array(60).fill(7);
  head.set([8, 0, 0x45, 0, 0, 46], 12);
  return { packets: 1, bytes: 60, ifindex: 3, isOut: false, head, ...changes };
};

test(`random records over rings and interfaces, super-packets among them, sealed at random moments (seed ${seed})`, () => {
  const random = new Random(seed);
  for (let round = 0; round < 4; round++) {
    const linkType = random.pick([ETHERNET, RAW]);
    const host = hostFixture(1 + random.below(3));
    let model = new Model(linkType);
    const figures = new Map<number, number>();
    for (let index = 1; index <= 5; index++) assert.ok(host.view.addInterface(index * 512 + 3, linkType));
    for (let i = 0; i < 6000; i++) {
      const head = randomFrame(random, linkType);
      const packets = random.chance(0.8) ? 1 : 2 + random.below(random.chance(0.05) ? 5000 : 60);
      const bytes = packets * head.length + random.below(packets);
      const ifindex = (1 + random.below(5)) * 512 + 3;
      const record = { packets, bytes, ifindex, isOut: random.chance(0.5), head };
      const ring = random.pick(host.rings);
      while (!ring.put(record)) host.fixture.exports.breathe(1 + random.below(5000));
      expect(model, record);
      figures.set(ifindex, (figures.get(ifindex) ?? 0) + packets);
      if (random.chance(0.05)) host.fixture.exports.breathe(random.below(200));
      if (random.chance(0.001)) {
        drain(host, 1 + random.below(10_000));
        host.fixture.seal((slot) => model.check(slot), "clock", 1 + random.below(5000));
        model = new Model(linkType);
      }
    }
    drain(host);
    host.fixture.seal((slot) => model.check(slot));
    for (const ring of host.rings)
      assert.equal(ring.consumer, ring.producer, "everything has been given back");
    for (const [ifindex, packets] of figures) {
      const { in: received, out } = host.view.figures(ifindex);
      assert.equal(received.packets + out.packets, packets);
    }
    assert.equal(host.view.badRecords(host.rings.length), 0);
  }
});

test("a super-packet is split where a packet window ends", () => {
  const host = hostFixture(1, { windowPackets: 100 });
  host.view.addInterface(3, ETHERNET);
  host.rings[0]!.put(plain({ packets: 250, bytes: 250 * 1000 }));
  for (const packets of [100, 100]) {
    drain(host);
    host.fixture.seal((slot) => {
      assert.equal(slot.counters.packets, packets);
      assert.equal(slot.counters.packet_bytes, packets * 1000);
    }, "packets");
  }
  drain(host);
  host.fixture.seal((slot) => assert.equal(slot.counters.packets, 50), "stop");
});

test("breathe takes no more packets than it was allowed, of a super-packet a part", () => {
  const host = hostFixture(1);
  host.view.addInterface(3, ETHERNET);
  host.rings[0]!.put(plain({ packets: 45, bytes: 65_000 }));
  host.rings[0]!.put(plain());
  assert.equal(host.fixture.exports.breathe(7), 7);
  assert.equal(host.fixture.exports.breathe(100), 39);
  host.fixture.seal((slot) => assert.equal(slot.counters.packet_bytes, 65_060));
});

test("a record that is still being written holds up those behind it; one that was given back is skipped", () => {
  const host = hostFixture(1);
  host.view.addInterface(3, ETHERNET);
  const [ring] = host.rings as [KernelRing];
  ring.put(plain());
  const busy = ring.producer;
  ring.put(plain(), BUSY);
  ring.put(plain(), DISCARD);
  ring.put(plain());
  assert.equal(drain(host), 1);
  assert.equal(ring.consumer, busy);
  ring.setWord(busy, RECORD - 8);
  assert.equal(drain(host), 2);
  assert.equal(ring.consumer, ring.producer);
});

test("records of another shape, and positions that run wild, are counted and never trap", () => {
  const host = hostFixture(1);
  host.view.addInterface(3, ETHERNET);
  const [ring] = host.rings as [KernelRing];
  for (const word of [0, 7, 8, 143, 145, 1000, SIZE, 0x3fffffff, DISCARD, DISCARD | 0x3fffffff]) {
    ring.putRaw(new Uint8Array(144), word);
    host.fixture.exports.breathe(100);
    ring.producer = ring.consumer;
  }
  for (const jump of [1n, 4n, 9n, 151n, BigInt(SIZE) + 8n, 1n << 40n, (1n << 64n) - 8n]) {
    ring.producer = BigInt.asUintN(64, ring.consumer + jump);
    host.fixture.exports.breathe(1000);
    ring.producer = (ring.consumer + 7n) & ~7n;
  }
  assert.ok(host.view.badRecords(1) > 10);
  ring.putRaw(new Uint8Array(16), 16);
  ring.put(plain({ packets: 0 }));
  ring.put(plain({ head: new Uint8Array(0) }));
  const before = host.fixture.control.counters();
  host.fixture.exports.breathe(1000);
  const after = host.fixture.control.counters();
  assert.equal(
    after.frames_truncated - before.frames_truncated,
    1,
    "a record without a byte is still a packet",
  );
});

for (const isMarked of [true, false]) {
  test(`a change of the sampling rate: no interval has packets of both (${isMarked ? "marks" : "by position"}, seed ${seed})`, () => {
    const random = new Random(seed);
    for (let round = 0; round < 20; round++) {
      const host = hostFixture(1 + random.below(3));
      const { control, exports } = host.fixture;
      host.view.addInterface(3, ETHERNET);
      const [before, after] = [new Model(), new Model()];
      const traffic = (count: number, model: Model, mark = 0): void => {
        for (let i = 0; i < count; i++) {
          const packets = random.chance(0.7) ? 1 : 1 + random.below(60);
          const head = randomFrame(random, ETHERNET);
          const record = plain({ packets, bytes: packets * 100, head, mark });
          if (random.pick(host.rings).put(record)) expect(model, record);
          if (random.chance(0.2)) exports.breathe(1 + random.below(100));
        }
      };
      const mark = 1 + random.below(0xfffffff0);
      traffic(random.below(100), before);
      control.storeU32("rate_mark", mark);
      traffic(random.below(30), before);
      exports.breathe(1);
      assert.equal(control.u32("rate_seen"), mark);
      if (isMarked) traffic(random.below(100), after, mark);
      host.view.settleRate(host.rings.length);
      control.storeU32("rate_settled", mark);
      traffic(random.below(100), after, isMarked ? mark : 0);
      for (let breath = 0; breath < 500 && control.u32("rate_reached") !== mark; breath++)
        exports.breathe(64);
      assert.equal(control.u32("rate_reached"), mark, "every ring comes to its first new record");
      assert.equal(exports.breathe(4096), 0, "and stands there");
      host.fixture.seal((slot) => before.check(slot), "rate");
      drain(host);
      host.fixture.seal((slot) => after.check(slot), "clock");
    }
  });
}

test("an interface that the table does not hold is counted under a reason of its own", () => {
  const host = hostFixture(1);
  host.rings[0]!.put(plain({ packets: 3, bytes: 180 }));
  assert.equal(drain(host), 3);
  host.fixture.seal((slot) => {
    assert.equal(slot.counters.frames_other_link_type, 3);
    assert.equal(slot.counters.packets, 0);
  });
});

test("the table of interfaces: full, freed, found again behind one that has gone", () => {
  const { view } = hostFixture(1);
  for (let i = 0; i < HOST_INTERFACES_MAX; i++)
    assert.ok(view.addInterface(1 + i * HOST_INTERFACES_MAX, ETHERNET));
  assert.ok(!view.addInterface(5, ETHERNET));
  assert.ok(view.addInterface(1, RAW), "what is there is there");
  view.removeInterface(1);
  view.removeInterface(999_999);
  assert.ok(view.addInterface(5, ETHERNET));
  assert.deepEqual(view.figures(5).in, { packets: 0, bytes: 0 });
  assert.deepEqual(view.figures(1).in, { packets: 0, bytes: 0 });
});

test("host_start refuses what does not lie in the memory", () => {
  const fixture = new SandboxFixture({ queues: 0, hostRings: [ringBytes(SIZE)] }).start();
  const { offset } = fixture.layout.hostRings[0]!;
  const view = new HostView(fixture.memory);
  const good = { consumer: offset, producer: offset + 4096, data: offset + 8192, size: SIZE };
  const end = fixture.memory.buffer.byteLength;
  const bad = [
    { size: 0 },
    { size: 3 * 4096 },
    { size: 2048 },
    { data: end },
    { data: end - SIZE },
    { consumer: 0 },
  ];
  for (const change of [...bad, { producer: offset + 8 }, { size: 2 ** 31 }]) {
    view.setRing(0, { ...good, ...change });
    assert.equal(fixture.exports.host_start(0), -2, JSON.stringify(change));
  }
  assert.equal(fixture.exports.host_start(8), -1);
  view.setRing(0, good);
  assert.equal(fixture.exports.host_start(0), 0);
});
