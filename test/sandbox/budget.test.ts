/** Budgets, the heap's bound, and the resumable seal: nothing is dropped, nothing overflows, nothing depends on slices. */
import assert from "node:assert/strict";
import { test } from "node:test";
import { heapBytes, memoryLayout, SEAL_CAUSES } from "../../lib/abi.js";
import { SandboxFixture } from "./fixture.js";
import { DEFAULT_KEY, Model, Total } from "./model.js";
import { Random, runSeed } from "./random.js";
import { INDEX_MASK, siphash24 } from "./siphash.js";

const seed = runSeed();
const BUDGET = SEAL_CAUSES.indexOf("budget");

function packet4(random: Random, sources: number, destinations: number): Uint8Array {
  const frame = Buffer.alloc(60);
  frame.set([8, 0, 0x45, 0, 0, 46], 12);
  frame.writeUInt32BE(0x0a000000 + random.below(sources), 26);
  frame.writeUInt32BE(0xc0a80000 + random.below(destinations), 30);
  return frame;
}

function packet6(random: Random, sources: number, destinations: number): Uint8Array {
  const frame = Buffer.alloc(80);
  frame.set([0x86, 0xdd, 0x60], 12);
  frame.set([0x20, 1, 0xd, 0xb8], 22);
  frame.writeUInt32BE(random.below(sources), 34);
  frame.set([0x20, 1, 0xd, 0xb9], 38);
  frame.writeUInt32BE(random.below(destinations), 50);
  return frame;
}

/** Sends frames, seals whenever the sandbox asks for it, and sums the seals. */
function run(
  fixture: SandboxFixture,
  frames: Iterable<Uint8Array>,
  model: Model,
  slice: () => number,
): Total {
  const total = new Total();
  const kernel = fixture.queues[0]!;
  const seal = (cause: (typeof SEAL_CAUSES)[number]): void =>
    fixture.seal((slot) => total.add(slot), cause, slice());
  const breathe = (): void => {
    if (fixture.exports.breathe(4096) === 0 && fixture.control.u32("seal_needed") === BUDGET) seal("budget");
  };
  for (const frame of frames) {
    while (!kernel.receive(frame)) breathe();
    model.add(frame, frame.length);
  }
  while (kernel.rxWaiting > 0) breathe();
  seal("stop");
  return total;
}

function* frames(n: number, make: () => Uint8Array): Generator<Uint8Array> {
  for (let i = 0; i < n; i++) yield make();
}

test(`a spent link budget seals early, and the sum of all seals is the truth (seed ${seed})`, () => {
  const random = new Random(seed);
  for (const [linkBudget, addressBudget] of [
    [5000, 1 << 16],
    [9000, 1000],
    [50_000, 1 << 16],
  ] as const) {
    const fixture = new SandboxFixture({ linkBudget, addressBudget, chunks: 512 }).start();
    const model = new Model();
    const make = (): Uint8Array =>
      random.chance(0.5) ? packet4(random, 3000, 3000) : packet6(random, 900, 900);
    const total = run(fixture, frames(60_000, make), model, () => 1 + random.below(20_000));
    total.check(model);
    const { early_seals } = fixture.control.counters();
    assert.equal(early_seals, total.seals - 1);
    assert.ok(linkBudget > 20_000 || early_seals > 0, `${early_seals} early seals`);
  }
});

test("an interval of exactly the budget's links, repeated for ever, is never sealed early", () => {
  const random = new Random(4);
  const fixture = new SandboxFixture({ linkBudget: 10_000, chunks: 512 }).start();
  const model = new Model();
  let next = 0;
  const links = Array.from({ length: 10_000 }, (_, i) => {
    const frame = packet4(random, 1, 1);
    Buffer.from(frame.buffer).writeUInt32BE(Math.imul(i, 2654435761) >>> 0, 30);
    return frame;
  });
  const total = run(
    fixture,
    frames(150_000, () => links[next++ % links.length]!),
    model,
    () => 1 << 20,
  );
  total.check(model);
  assert.equal(total.seals, 1);
});

test("seal_step gives the same slot in slices of any size, while capture goes on", () => {
  const random = new Random(seed);
  for (const slice of [1, 7, 1000, 1 << 20]) {
    const fixture = new SandboxFixture({ chunks: 512 }).start();
    const { exports, control } = fixture;
    const kernel = fixture.queues[0]!;
    let [closed, open] = [new Model(), new Model()];
    const make = (): Uint8Array =>
      random.chance(0.6) ? packet4(random, 200, 200) : packet6(random, 100, 100);
    const send = (model: Model, n: number): void => {
      for (const frame of frames(n, make)) {
        while (!kernel.receive(frame)) exports.breathe(512);
        model.add(frame, frame.length);
      }
      while (exports.breathe(512) > 0);
    };
    send(closed, 30_000);
    for (let round = 0; round < 3; round++) {
      assert.equal(exports.seal_begin(1), 0);
      for (let step = 0; exports.seal_step(slice) === 0; step++) if (step % 64 === 0) send(open, 3);
      send(open, 10_000);
      const slot = control.oldestReady();
      closed.check(control.slot(slot));
      control.freeSlot(slot);
      [closed, open] = [open, new Model()];
    }
  }
});

test("IPv6 addresses that share an index are counted, and their packets under the first", () => {
  const mask = 0xffn;
  const fixture = new SandboxFixture({ module: "bench", chunks: 512 }).start();
  (fixture.exports as unknown as { bench_index_mask(mask: bigint): void }).bench_index_mask(mask);
  const random = new Random(seed);
  for (let round = 0; round < 3; round++) {
    const model = new Model(1, mask);
    for (const frame of frames(5000, () => packet6(random, 400, 400))) {
      while (!fixture.queues[0]!.receive(frame)) fixture.exports.breathe(512);
      model.add(frame, frame.length);
    }
    while (fixture.exports.breathe(512) > 0);
    assert.ok(model.collisions > 100);
    fixture.seal((slot) => model.check(slot));
  }
});

test("the IPv6 index is SipHash-2-4 as published, masked to 60 bits", () => {
  // Vector of the paper's appendix A: key 00..0f, message 00..0e.
  const message = Uint8Array.from({ length: 15 }, (_, i) => i);
  assert.equal(siphash24(message, DEFAULT_KEY), 0xa129ca6149be45e5n);
  const fixture = new SandboxFixture().start();
  const frame = packet6(new Random(1), 1 << 30, 1 << 30);
  fixture.queues[0]!.receive(frame);
  fixture.exports.breathe(1);
  fixture.seal(({ v6 }) => {
    assert.equal(v6.Ah[0], siphash24(frame.subarray(22, 38), DEFAULT_KEY) & INDEX_MASK);
    assert.equal(v6.Aj[0], siphash24(frame.subarray(38, 54), DEFAULT_KEY) & INDEX_MASK);
  });
});

test("init demands exactly heapBytes, and refuses absurd configurations by code", () => {
  for (const logEntries of [4096, 1 << 15, 1 << 17]) {
    for (const linkBudget of [1, 4000, 65_537]) {
      for (const addressBudget of [1, 2047, 30_000]) {
        const fixture = new SandboxFixture({ logEntries, linkBudget, addressBudget });
        assert.equal(fixture.exports.init(), 0);
        fixture.control.setU32("heap_bytes", heapBytes({ logEntries, linkBudget, addressBudget }) - 1);
        assert.equal(fixture.exports.init(), -3);
      }
    }
  }
  const absurd: [field: string, value: number, code: number][] = [
    ["abi_version", 99, -1],
    ["log_entries", 5000, -2],
    ["log_entries", 64, -2],
    ["log_entries", 1 << 23, -2],
    ["link_budget", 0, -2],
    ["link_budget", 0xffffffff, -2],
    ["address_budget", 0, -2],
    ["heap_bytes", 0, -3],
    ["heap_bytes", 0xffffffff, -4],
    ["heap_offset", 64, -4],
    ["memory_pages", 65536, -4],
    ["file_buffer_bytes", 0xffffffff, -4],
    ["queue_count", 17, -4],
  ];
  for (const [field, value, code] of absurd) {
    const fixture = new SandboxFixture();
    fixture.control.setU32(field, value);
    assert.equal(fixture.exports.init(), code, `${field} = ${value}`);
  }
});

test("queue_start refuses rings and UMEMs that do not lie in the memory", () => {
  const wrong: [values: Record<string, number>, code: number][] = [
    [{ rx_size: 100 }, -2],
    [{ fill_size: 0 }, -2],
    [{ rx_descriptors: 0xfffffff0 }, -2],
    [{ fill_consumer: 3 }, -2],
    [{ umem_bytes: 0 }, -3],
    [{ umem_bytes: 0xfffff800 }, -3],
    [{ chunk_bytes: 1000 }, -3],
    [{ chunk_bytes: 64 }, -3],
    [{ umem_offset: 4097 }, -3],
    [{ fill_size: 64 }, -4],
  ];
  const fixture = new SandboxFixture();
  assert.equal(fixture.exports.init(), 0);
  assert.equal(fixture.exports.queue_start(16), -1);
  assert.equal(fixture.exports.queue_start(0xffffffff), -1);
  for (const [values, code] of wrong) {
    const fresh = new SandboxFixture();
    fresh.exports.init();
    fresh.control.setQueue(0, values);
    assert.equal(fresh.exports.queue_start(0), code, JSON.stringify(values));
  }
});

test("a second init() starts from nothing", () => {
  const random = new Random(2);
  const fixture = new SandboxFixture({ chunks: 512 }).start();
  for (let i = 0; i < 400; i++) fixture.queues[0]!.receive(packet6(random, 100, 100));
  fixture.exports.breathe(512);
  fixture.exports.seal_begin(1);
  assert.equal(fixture.exports.init(), 0);
  fixture.seal((slot) => new Model().check(slot));
});

test("memoryLayout keeps sections apart, page-aligned, and says when 4 GiB are not enough", () => {
  const config = { logEntries: 1 << 17, linkBudget: 1 << 20, addressBudget: 1 << 18 };
  const queue = { ringBytes: 2_000_000, umemBytes: 64 << 20 };
  const layout = memoryLayout({ ...config, fileBufferBytes: 1000, queues: [queue, queue] });
  const ends = [
    [layout.heapOffset, layout.heapBytes],
    [layout.fileBuffer, layout.fileBufferBytes],
    ...layout.queues.flatMap((q) => [
      [q.rings, q.ringBytes],
      [q.frames, q.framesBytes],
    ]),
  ];
  let top = 0;
  for (const [offset, bytes] of ends) {
    assert.ok(offset! >= top && offset! % 65536 === 0);
    top = offset! + bytes!;
  }
  assert.ok(top <= layout.pages * 65536);
  assert.throws(() => memoryLayout({ ...config, queues: [{ ringBytes: 0, umemBytes: 4e9 }] }), {
    code: "SANDBOX_MEMORY",
  });
});
