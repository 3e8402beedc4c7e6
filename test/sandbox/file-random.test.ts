/** Generated and mutated captures: the C reader against the slow one in TypeScript, however the bytes arrive. */
import assert from "node:assert/strict";
import { test } from "node:test";
import { fuzz, mutate, Random } from "../pcap/fuzz.js";
import { eth, PcapngWriter, pcapFile } from "../pcap/writer.js";
import { type Generated, generate } from "./file-generate.js";
import {
  addLink,
  FileReaderUnderTest,
  memorySource,
  type Reading,
  sumCounter,
  sumLinks,
} from "./file-harness.js";
import { referenceRead, referenceWindows } from "./file-reference.js";

const reader = new FileReaderUnderTest();

/** What does not depend on the contents of frames must be as the reference has it. */
function assertAgrees(reading: Reading, file: Uint8Array, windowNs = 0n): void {
  const { records, damage } = referenceRead(file);
  assert.equal(reading.records, records.length);
  assert.equal(reading.damage?.kind ?? "none", damage);
  const windows = referenceWindows(records, windowNs);
  assert.deepEqual(
    reading.intervals.map(({ start, end, counters }) => ({
      start,
      end,
      frames: counters.frames,
      bytes: counters.frame_bytes,
      late: counters.late,
    })),
    windows.map((window) => ({
      start: window.start,
      end: window.end,
      frames: window.records.length,
      bytes: window.records.reduce((sum, { wireLength }) => sum + wireLength, 0),
      late: window.late,
    })),
  );
}

function expectedLinks({ file, links }: Generated): Map<string, [number, number]> {
  const sum = new Map<string, [number, number]>();
  referenceRead(file).records.forEach(({ wireLength }, i) => {
    if (links[i] !== undefined) addLink(sum, links[i], 1, wireLength);
  });
  return sum;
}

test("generated captures: every link, packet and byte, in any pieces, through any buffer", async (t) => {
  await fuzz(t, async (random) => {
    const generated = generate(random);
    const windowNs = random.pick([0n, 1_000_000_000n, 10_000_000n, 7n]);
    const whole = await reader.read(memorySource(generated.file), { windowNs });
    assert.equal(whole.damage, undefined);
    assertAgrees(whole, generated.file, windowNs);
    const both = [...sumLinks(whole.intervals, "links4"), ...sumLinks(whole.intervals, "links6")];
    assert.deepEqual(new Map(both.sort()), new Map([...expectedLinks(generated)].sort()));
    const bufferBytes = 1024 + random.int(3000);
    const pieces = await reader.read(memorySource(generated.file, random), { bufferBytes, windowNs });
    assert.deepEqual(withoutWork(pieces), withoutWork(whole));
  });
});

/** Folds and merges depend on when the reader looked, not on what it read. */
function withoutWork(reading: Reading): unknown {
  return {
    ...reading,
    intervals: reading.intervals.map((interval) => ({
      ...interval,
      counters: { ...interval.counters, folds: 0, merges: 0 },
    })),
  };
}

test("fuzz: mutated captures: the same records, damage and windows as the reference, in any pieces", async (t) => {
  await fuzz(
    t,
    async (random) => {
      const file = mutate(random, generate(random, random.int(12)).file);
      const windowNs = random.pick([0n, 1_000_000_000n, 1n << 62n]);
      const whole = await reader.read(memorySource(file), { windowNs });
      assertAgrees(whole, file, windowNs);
      const pieces = await reader.read(memorySource(file, random), {
        bufferBytes: 1024 + random.int(2000),
        windowNs,
      });
      assert.deepEqual(withoutWork(pieces), withoutWork(whole));
    },
    3,
  );
});

test("a capture cut at every byte yields the whole records before the cut", async () => {
  const packets = [
    eth().ipv4("10.0.0.1", "10.0.0.2").udp(),
    eth().arp(),
    eth().vlan(3).ipv6("::1", "::2").tcp(),
  ];
  const pcap = pcapFile(packets.map((packet) => ({ data: packet.bytes() })));
  const writer = new PcapngWriter().section("big").interface().other(4, new Uint8Array(6));
  for (const packet of packets) writer.packet(0, packet.bytes()).simple(packet.bytes());
  for (const file of [pcap, writer.bytes()]) {
    for (let cut = 0; cut <= file.length; cut++) {
      const reading = await reader.read(memorySource(file.subarray(0, cut)));
      assertAgrees(reading, file.subarray(0, cut));
    }
  }
});

test("a record longer than the buffer is skipped over, and counts once it is whole", async () => {
  const long = Buffer.concat([eth().ipv4("10.0.0.1", "10.0.0.2").udp(1, 2).bytes(), Buffer.alloc(9000)]);
  const short = eth().ipv4("10.0.0.3", "10.0.0.4").udp(1, 2).bytes();
  const records = [{ data: short }, { data: long, timestamp: 5_000_000_000n }, { data: short }];
  const writer = new PcapngWriter().section().interface().other(10, new Uint8Array(5000));
  for (const { data } of records) writer.packet(0, data);
  for (const file of [pcapFile(records), writer.bytes()]) {
    const reading = await reader.read(memorySource(file, new Random(1)), { bufferBytes: 1024 });
    assertAgrees(reading, file);
    assert.deepEqual(
      [...sumLinks(reading.intervals, "links4")],
      [
        ["10.0.0.1,10.0.0.2", [1, long.length]],
        ["10.0.0.3,10.0.0.4", [2, 2 * short.length]],
      ],
    );
    for (const cut of [1, 3, 5, 4000, 9000]) {
      const part = file.subarray(0, file.length - short.length - cut);
      assertAgrees(await reader.read(memorySource(part), { bufferBytes: 1024 }), part);
    }
  }
});

test("a window by packets holds exactly so many, and frames that are no packets go with it", async () => {
  const data = (i: number): Uint8Array =>
    (i % 3 === 2
      ? eth().arp()
      : eth()
          .ipv4("10.0.0.1", `10.0.0.${i % 200}`)
          .udp()
    ).bytes();
  const file = pcapFile(
    Array.from({ length: 1000 }, (_, i) => ({ data: data(i), timestamp: BigInt(i) * 1000n })),
  );
  const reading = await reader.read(memorySource(file), { windowPackets: 100 });
  assert.deepEqual(
    reading.intervals.map(({ counters }) => counters.packets),
    [100, 100, 100, 100, 100, 100, 67],
  );
  assert.deepEqual(new Set(reading.intervals.slice(0, -1).map(({ cause }) => cause)), new Set(["packets"]));
  assert.equal(reading.intervals.at(-1)!.cause, "end");
  assert.equal(sumCounter(reading.intervals, "frames"), 1000);
});

test("wild clocks: 1970, 2106 and back cost two archives, and what is late is counted", async () => {
  const data = eth().ipv4("10.0.0.1", "10.0.0.2").udp().bytes();
  const second = 1_000_000_000n;
  const times = [0n, (2n ** 32n - 1n) * second, 1_700_000_000n * second, 0n];
  const file = pcapFile(times.map((timestamp) => ({ data, timestamp })));
  const reading = await reader.read(memorySource(file), { windowNs: second });
  assert.deepEqual(
    reading.intervals.map(({ start, counters, cause }) => [start, counters.frames, counters.late, cause]),
    [
      [0n, 1, 0, "clock"],
      [(2n ** 32n - 1n) * second, 3, 2, "end"],
    ],
  );
});

test("an interval whose budget is spent is sealed early; nothing is lost and no window goes back", async () => {
  const count = 600_000;
  const records = Array.from({ length: count }, (_, i) => ({
    data: eth()
      .ipv4(`10.${i >> 16}.${(i >> 8) & 255}.${i & 255}`, "10.0.0.2")
      .bytes(),
    timestamp: 5_000_000_000n,
  }));
  records.push({ data: records[0]!.data, timestamp: 1_000_000_000n });
  const reading = await reader.read(memorySource(pcapFile(records)), { windowNs: 1_000_000_000n });
  assert.ok(reading.intervals.length > 1);
  assert.equal(reading.intervals[0]!.cause, "budget");
  assert.equal(sumCounter(reading.intervals, "packets"), count + 1);
  assert.equal(sumLinks(reading.intervals, "links4").size, count);
  assert.deepEqual(new Set(reading.intervals.map(({ start }) => start)), new Set([5_000_000_000n]));
  assert.equal(sumCounter(reading.intervals, "late"), 1);
});
