/** The feeder around the real sandbox: seals in order, waits for slots, goes on over several files, stops when told. */
import assert from "node:assert/strict";
import { test } from "node:test";
import { FileFeeder, type Sealed } from "../../daemon/ingest/file-feeder.js";
import { eth, pcapFile } from "../pcap/writer.js";
import { FileReaderUnderTest, memorySource } from "../sandbox/file-harness.js";
import { exampleCapture, PACKETS } from "./example-capture.js";

const reader = new FileReaderUnderTest();
const { control } = reader.sandbox;

function configure(windowPackets: number): void {
  control.setU32("file_buffer_bytes", 1 << 20);
  control.setU64("window_ns", 0n);
  control.setU64("window_packets", BigInt(windowPackets));
}

test("waits for a slot while the reader of the last ones is busy", async () => {
  configure(4);
  const taken: number[] = [];
  const busy: Promise<void>[] = [];
  const onSealed = ({ slot }: Sealed): void => {
    taken.push(Number(control.slot(slot).counters.packets));
    busy.push(
      new Promise((resolve) => {
        setTimeout(() => {
          control.freeSlot(slot);
          resolve();
        }, 15);
      }),
    );
  };
  const summary = await new FileFeeder(reader.sandbox, memorySource(exampleCapture())).run(onSealed);
  await Promise.all(busy);
  assert.equal(summary.records, PACKETS);
  assert.deepEqual(taken, Array(PACKETS / 4).fill(4));
});

test("an interval goes over from one file to the next when it is kept open", async () => {
  configure(0);
  const sealed: number[] = [];
  const onSealed = ({ slot }: Sealed): void => {
    sealed.push(control.slot(slot).counters.packets);
    control.freeSlot(slot);
  };
  const first = new FileFeeder(reader.sandbox, memorySource(exampleCapture()));
  await first.run(onSealed, { keepOpen: true });
  assert.deepEqual(sealed, []);
  await new FileFeeder(reader.sandbox, memorySource(exampleCapture())).run(onSealed);
  assert.deepEqual(sealed, [2 * PACKETS]);
});

test("a next file that begins earlier gets windows of its own, one that goes on does not", async () => {
  const second = 1_000_000_000n;
  const data = eth().ipv4("10.0.0.1", "10.0.0.2").udp().bytes();
  const at = (...times: number[]): Uint8Array<ArrayBuffer> =>
    pcapFile(times.map((time) => ({ data, timestamp: (BigInt(time) * second) / 10n })));
  const sealed: [start: bigint, packets: number, late: number][] = [];
  const onSealed = ({ slot }: Sealed): void => {
    const { startNs, counters } = control.slot(slot);
    sealed.push([startNs / second, counters.packets, counters.late]);
    control.freeSlot(slot);
  };
  configure(0);
  control.setU64("window_ns", second);
  const files = [at(101, 102), pcapFile([]), at(103, 115), at(50, 51, 62), at(49)];
  for (const [i, file] of files.entries()) {
    const keepOpen = i < files.length - 1;
    await new FileFeeder(reader.sandbox, memorySource(file)).run(onSealed, { keepOpen });
  }
  assert.deepEqual(sealed, [
    [10n, 3, 0],
    [11n, 1, 0],
    [5n, 2, 0],
    [6n, 1, 0],
    [4n, 1, 0],
  ]);
});

test("an empty capture and an empty file seal nothing", async () => {
  configure(0);
  for (const [file, kind] of [
    [pcapFile([]), undefined],
    [new Uint8Array(), "not_a_capture"],
  ] as const) {
    const summary = await new FileFeeder(reader.sandbox, memorySource(file)).run(() => assert.fail("sealed"));
    assert.equal(summary.damage?.kind, kind);
  }
});

test("stop seals what was read, as stopped", async () => {
  configure(0);
  const data = eth().ipv4("10.0.0.1", "10.0.0.2").udp(1, 2, 1000).bytes();
  const file = pcapFile(Array.from({ length: 5000 }, () => ({ data })));
  const feeder = new FileFeeder(reader.sandbox, memorySource(file));
  const sealed: [string, number][] = [];
  const onSealed = ({ slot, cause }: Sealed): void => {
    sealed.push([cause, control.slot(slot).counters.packets]);
    control.freeSlot(slot);
  };
  const summary = await feeder.run(onSealed, { onProgress: () => feeder.stop() });
  assert.equal(summary.damage, undefined);
  assert.deepEqual(sealed, [["stop", summary.records]]);
  assert.ok(summary.records > 0 && summary.records < 5000);
});

test("progress is told in bytes of the file", async () => {
  configure(0);
  const file = exampleCapture();
  const seen: number[] = [];
  await new FileFeeder(reader.sandbox, memorySource(file)).run(({ slot }) => control.freeSlot(slot), {
    onProgress: ({ bytesRead, bytesTotal }) => {
      assert.equal(bytesTotal, file.length);
      seen.push(bytesRead);
    },
  });
  assert.equal(seen.at(-1), file.length);
});
