/** tc programs, their attacher and BPF ring buffers, without anything around them. */
import assert from "node:assert/strict";
import { test } from "node:test";
import { fileURLToPath } from "node:url";
import {
  InterfaceWatch,
  inspectInterface,
  networkInterfaces,
  pageSize,
  RingBuffer,
  TcAttacher,
  TcPrograms,
  XdpError,
} from "../lib/index.js";

const OBJECT = fileURLToPath(new URL("../../../../bpf/build/host.bpf.o", import.meta.url));
const PROGRAMS = {
  2: { in: "sparsewire_in", out: "sparsewire_out" },
  3: { in: "sparsewire_in3", out: "sparsewire_out3" },
} as const;
const skip = process.getuid?.() === 0 ? undefined : "needs root (BPF)";
const memory = () => new WebAssembly.Memory({ initial: 16, maximum: 16, shared: true });

const refusal = (call: () => unknown): XdpError => {
  try {
    call();
  } catch (error) {
    assert.ok(error instanceof XdpError, String(error));
    return error;
  }
  throw new assert.AssertionError({ message: "it was not refused" });
};

test("a ring buffer lies where it was asked for, and leaves plain memory", { skip }, () => {
  const lent = memory();
  const ring = new RingBuffer({ memory: lent, offset: 65536, size: 65536 });
  assert.deepEqual(
    [ring.consumer, ring.producer, ring.data],
    [65536, 65536 + pageSize, 65536 + 2 * pageSize],
  );
  assert.equal(RingBuffer.bytes(65536), 2 * pageSize + 2 * 65536);
  const words = new BigUint64Array(lent.buffer);
  words[ring.consumer / 8] = 0n; // the consumer's page can be written
  assert.equal(words[ring.producer / 8], 0n);
  assert.ok(ring.fd > 0);
  ring.close();
  ring.close();
  assert.equal(ring.fd, -1);
  words[ring.producer / 8] = 5n; // and now every page
});

test("ring buffers that cannot be are refused", { skip }, () => {
  for (const change of [
    { size: 0 },
    { size: 5000 },
    { size: 3 * 65536 },
    { offset: 10 },
    { offset: -65536 },
    { offset: 16 * 65536 },
    { size: 1 << 20 },
  ]) {
    const error = refusal(() => new RingBuffer({ memory: memory(), offset: 65536, size: 65536, ...change }));
    assert.equal(error.code, "XDP_BAD_ARGUMENT", JSON.stringify(change));
  }
});

test("programs that are not there are refused", { skip }, () => {
  const programs = { ...PROGRAMS, 3: { in: "nothing", out: "sparsewire_out3" } };
  assert.equal(refusal(() => TcPrograms.load(OBJECT, { programs })).code, "XDP_BAD_ARGUMENT");
  assert.equal(refusal(() => TcPrograms.load("/nowhere.o", { programs: PROGRAMS })).code, "XDP_BAD_OBJECT");
});

test("an attacher attaches, refuses, forgets, and takes everything off when it is closed", {
  skip,
}, async (t) => {
  const lo = networkInterfaces().find(({ name }) => name === "lo");
  if (lo === undefined) return t.skip("no loopback interface");
  const ours = () =>
    inspectInterface("lo").tc.programs.filter(({ name }) => name?.startsWith("sparsewire_") === true).length;
  const before = ours();
  const programs = TcPrograms.load(OBJECT, { programs: PROGRAMS });
  const attacher = await TcAttacher.start(programs);
  const link = { index: lo.index, name: "lo", layer: 2 } as const;
  const how = await attacher.attach(link, "out", "auto");
  assert.ok(how === "tcx" || how === "clsact");
  assert.equal(ours(), before + 1);
  await assert.rejects(attacher.attach(link, "out", "auto"), { code: "XDP_SYSTEM" });
  const gone = { index: 0x7ffffff0, name: "gone0", layer: 3 } as const;
  await assert.rejects(attacher.attach(gone, "in", "auto"), { code: "XDP_NO_INTERFACE" });
  attacher.forget(lo.index);
  assert.ok(await attacher.attach(link, "in", "auto"));
  assert.equal(ours(), before + 1);
  const lost = t.mock.fn();
  attacher.onLost = lost;
  await attacher.close();
  await attacher.close();
  assert.equal(ours(), before);
  assert.equal(lost.mock.callCount(), 0, "it was closed, not lost");
  programs.close();
});

test("interfaces are listed; a watch is quiet while nothing happens", () => {
  const lo = networkInterfaces().find(({ name }) => name === "lo");
  assert.equal(lo?.type, 772);
  assert.equal(typeof lo?.counters.rx_packets, "number");
  const watch = new InterfaceWatch();
  watch.changed();
  assert.equal(typeof watch.changed(), "boolean");
  watch.close();
  assert.equal(watch.changed(), false);
});
