/** Frames that are sent arrive, whole and unchanged, in the memory that was lent. */
import assert from "node:assert/strict";
import { spawnSync } from "node:child_process";
import { closeSync, readSync } from "node:fs";
import { test } from "node:test";
import { addressOf, backMemory, Frames, redirectObject, Umem, wakeRx, XdpProgram } from "../lib/index.js";
import { enterNamespace, ip } from "./namespace.js";
import {
  openSocket,
  openTap,
  receiveFrames,
  sendFrames,
  sharedMemory,
  testFrame,
  UMEM,
  vethPair,
} from "./rig.js";

const LENGTHS = [60, 61, 64, 100, 576, 1514];

function framesOfAllLengths(count: number): Uint8Array[] {
  return Array.from({ length: count }, (_, i) => testFrame(i, LENGTHS[i % LENGTHS.length]));
}

/** Sends by AF_PACKET, which shares no code with us. */
const AF_PACKET_SENDER = `
import socket, sys
out = socket.socket(socket.AF_PACKET, socket.SOCK_RAW)
out.bind((sys.argv[1], 0))
for line in sys.stdin:
    out.send(bytes.fromhex(line))
`;

if (enterNamespace(import.meta.url)) {
  for (const mode of ["native", "generic"] as const) {
    test(`frames arrive unchanged, ${mode} mode, at an address inside the memory`, () => {
      const { near, far } = vethPair();
      const memory = sharedMemory();
      const tap = openTap(near, { mode, memory });
      assert.equal(tap.link.mode, mode);
      assert.deepEqual(tap.socket.options(), { zerocopy: false });
      const sent = framesOfAllLengths(600);
      sendFrames(far, sent);
      const start = addressOf(memory.buffer);
      const got: Uint8Array[] = [];
      for (const last = Date.now() + 2000; got.length < sent.length && Date.now() < last; ) {
        tap.socket.poll(50);
        tap.frames.receive(64, (bytes, more) => {
          assert.equal(more, false);
          assert.equal(bytes.buffer, memory.buffer);
          const offset = Number(addressOf(bytes) - start);
          assert.ok(offset >= UMEM.offset && offset + bytes.length <= UMEM.offset + UMEM.size);
          got.push(bytes.slice());
        });
      }
      assert.deepEqual(got, sent);
      tap.close();
    });
  }

  const python = spawnSync("python3", ["--version"]).status === 0;
  test("frames of AF_PACKET arrive unchanged", {
    skip: python ? false : "python3 is not there to send",
  }, () => {
    const { near, far } = vethPair();
    const tap = openTap(near);
    const sent = framesOfAllLengths(100);
    const input = sent.map((frame) => Buffer.from(frame).toString("hex")).join("\n");
    const done = spawnSync("python3", ["-c", AF_PACKET_SENDER, far], { input, encoding: "utf8" });
    assert.equal(done.status, 0, done.stderr);
    assert.deepEqual(receiveFrames(tap, sent.length), sent);
    tap.close();
  });

  test("two queues, two sockets: each gets the frames of its queue", () => {
    const { near, far } = vethPair({ queues: 2 });
    const program = XdpProgram.load(redirectObject(), { program: "redirect" });
    const taps = [0, 1].map((queue) => {
      const socket = openSocket(near, { queue });
      program.map("xsks").set(queue, socket);
      return { socket, frames: new Frames(socket) };
    });
    const link = program.attach(near, "native");
    const sent = [0, 1].map((queue) => [1, 2, 3].map((i) => testFrame(queue * 100 + i)));
    for (const queue of [0, 1]) sendFrames(far, sent[queue]!, queue);
    for (const queue of [0, 1]) assert.deepEqual(receiveFrames(taps[queue]!, 3), sent[queue]);
    const seen = program.map("seen");
    for (const queue of [0, 1]) {
      const counts = new BigUint64Array(seen.lookup(queue)!.buffer);
      assert.equal(counts.length, seen.cpus * 2);
      assert.equal(sum(counts, 0), 3, "frames seen");
      assert.equal(sum(counts, 1), 0, "frames passed on");
    }
    for (const { socket } of taps) socket.close();
    link.detach();
    program.close();
  });

  test("a queue without a socket passes its frames on, counted", () => {
    const { near, far } = vethPair();
    const program = XdpProgram.load(redirectObject(), { program: "redirect" });
    const link = program.attach(near, "native");
    sendFrames(far, [testFrame(1), testFrame(2)]);
    const counts = new BigUint64Array(program.map("seen").lookup(0)!.buffer);
    assert.deepEqual([sum(counts, 0), sum(counts, 1)], [2, 2]);
    link.detach();
    program.close();
  });

  test("two interfaces at once", () => {
    const pairs = [vethPair(), vethPair()];
    const taps = pairs.map(({ near }) => openTap(near));
    const sent = pairs.map((_, i) => [testFrame(10 + i), testFrame(20 + i)]);
    pairs.forEach(({ far }, i) => {
      sendFrames(far, sent[i]!);
    });
    taps.forEach((tap, i) => {
      assert.deepEqual(receiveFrames(tap, 2), sent[i]);
      tap.close();
    });
  });

  test("jumbo frames arrive whole in several buffers", () => {
    const { near, far } = vethPair({ mtu: 9000 });
    const tap = openTap(near, { multiBuffer: true });
    const sent = [9014, 60, 5000, 2049, 2048, 9013].map((length, i) => testFrame(i, length));
    sendFrames(far, sent);
    const got = receiveFrames(tap, sent.length);
    assert.deepEqual(
      got.map((frame) => frame.length),
      sent.map((frame) => frame.length),
    );
    assert.deepEqual(got, sent);
    tap.close();
  });

  test("two sockets share one UMEM, on two queues and on two interfaces", () => {
    const first = vethPair({ queues: 2 });
    const second = vethPair();
    const memory = sharedMemory();
    const umem = new Umem(memory, { ...UMEM, fillSize: 1024, completionSize: 1024 });
    const users = [
      { name: first.near, far: first.far, queue: 0 },
      { name: first.near, far: first.far, queue: 1 },
      { name: second.near, far: second.far, queue: 0 },
    ];
    const programs = new Map([first.near, second.near].map((name) => [name, load(name)]));
    const sockets = users.map(({ name, queue }, i) => {
      const rings = { offset: (i + 1) * 128 * 1024 };
      const socket = openSocket(name, { memory, umem, queue, rings });
      programs.get(name)!.program.map("xsks").set(queue, socket);
      return socket;
    });
    assert.throws(() => openSocket(first.near, { memory, umem, queue: 1, rings: { offset: 8 << 20 } }), {
      code: "XDP_BAD_ARGUMENT",
    });
    // Chunks 100 i and up are for socket i: a chunk must be in one ring at a time.
    sockets.forEach((socket, i) => {
      fill(memory, socket, i * 100, 10);
    });
    users.forEach(({ far, queue }, i) => {
      sendFrames(far, [testFrame(i, 100)], queue);
    });
    sockets.forEach((socket, i) => {
      assert.ok(socket.poll(1000), `socket ${i}`);
      const words = new Uint32Array(memory.buffer);
      const at = socket.rings.rx.descriptors >>> 2;
      assert.equal(words[socket.rings.rx.producer >>> 2], 1);
      assert.equal(Math.floor(words[at]! / UMEM.chunkSize / 100), i);
      const bytes = new Uint8Array(memory.buffer, UMEM.offset + words[at]!, words[at + 2]);
      assert.deepEqual(new Uint8Array(bytes), testFrame(i, 100));
    });
    // The first socket registered the UMEM; the others live on without it.
    sockets[0]!.close();
    sendFrames(users[2]!.far, [testFrame(7)]);
    assert.equal(Atomics.load(new Uint32Array(memory.buffer), sockets[2]!.rings.rx.producer >>> 2), 2);
    for (const socket of sockets) socket.close();
    for (const { link, program } of programs.values()) {
      link.detach();
      program.close();
    }
    umem.close();
  });

  test("a socket lives through its interface going down and up again", () => {
    const { near, far } = vethPair();
    const tap = openTap(near);
    ip(`link set dev ${near} down`);
    tap.socket.wakeRx();
    wakeRx(tap.socket.fd);
    assert.equal(tap.socket.poll(1), false);
    ip(`link set dev ${near} up`);
    sendFrames(far, [testFrame(5)]);
    assert.deepEqual(receiveFrames(tap, 1), [testFrame(5)]);
    tap.close();
  });

  test("busy polling is accepted, and frames arrive", () => {
    const { near, far } = vethPair();
    const tap = openTap(near, { busyPoll: { budget: 64, usecs: 20 } });
    sendFrames(far, [testFrame(1)]);
    tap.socket.wakeRx();
    assert.deepEqual(receiveFrames(tap, 1), [testFrame(1)]);
    tap.close();
  });

  for (const memfd of [false, true]) {
    test(`frames arrive in pages that were put under the memory: ${memfd ? "memfd" : "anonymous"}`, () => {
      const { near, far } = vethPair();
      const memory = sharedMemory();
      const offset = Number(-addressOf(memory.buffer) & 0x1fffffn) + (2 << 20);
      const size = 4 << 20;
      const { memfdFd } = backMemory(memory, { offset, size, hugePages: "try", memfd });
      const tap = openTap(near, { memory, umem: { offset, size, chunkSize: 2048 } });
      const sent = framesOfAllLengths(50);
      sendFrames(far, sent);
      assert.deepEqual(receiveFrames(tap, sent.length), sent);
      tap.close();
      if (memfdFd === undefined) return;
      // The same frames by way of the file.
      const page = new Uint8Array(2048);
      readSync(memfdFd, page, 0, 2048, 0);
      assert.deepEqual(page, new Uint8Array(memory.buffer.slice(offset, offset + 2048)));
      closeSync(memfdFd);
    });
  }

  test("statistics account for what found no room: frames seen = received + dropped", () => {
    const { near, far } = vethPair();
    // Chunks for 2048 frames, room for 64 in the RX ring.
    const tap = openTap(near, { rxSize: 64, fillSize: 2048 });
    assert.deepEqual(tap.socket.statistics(), {
      rx_dropped: 0,
      rx_invalid_descs: 0,
      tx_invalid_descs: 0,
      rx_ring_full: 0,
      rx_fill_ring_empty_descs: 0,
      tx_ring_empty_descs: 0,
    });
    sendFrames(
      far,
      Array.from({ length: 500 }, (_, i) => testFrame(i)),
    );
    const got = receiveFrames(tap, 64);
    const statistics = tap.socket.statistics();
    assert.equal(got.length, 64);
    assert.equal(statistics.rx_ring_full, 500 - 64);
    const counts = new BigUint64Array(tap.program.map("seen").lookup(0)!.buffer);
    assert.equal(sum(counts, 0), got.length + statistics.rx_ring_full + statistics.rx_dropped);
    tap.close();
  });

  test("statistics account for frames that found no chunk: they are in rx_dropped", () => {
    const { near, far } = vethPair();
    const tap = openTap(near, { rxSize: 1024, fillSize: 64 });
    sendFrames(
      far,
      Array.from({ length: 500 }, (_, i) => testFrame(i)),
    );
    const statistics = tap.socket.statistics();
    assert.equal(receiveFrames(tap, 64).length, 64);
    assert.equal(statistics.rx_dropped, 500 - 64);
    assert.equal(statistics.rx_ring_full, 0);
    tap.close();
  });
}

/** Sum over CPUs of one member of `struct seen`: 0 frames, 1 passed. */
function sum(counts: BigUint64Array, member: number): number {
  return Number(counts.filter((_, i) => i % 2 === member).reduce((total, each) => total + each, 0n));
}

function load(name: string) {
  const program = XdpProgram.load(redirectObject(), { program: "redirect" });
  return { program, link: program.attach(name, "native") };
}

function fill(
  memory: WebAssembly.Memory,
  socket: ReturnType<typeof openSocket>,
  chunk: number,
  count: number,
): void {
  const { descriptors, producer } = socket.rings.fill;
  const quads = new BigUint64Array(memory.buffer);
  for (let i = 0; i < count; i++) quads[descriptors / 8 + i] = BigInt((chunk + i) * UMEM.chunkSize);
  Atomics.store(new Uint32Array(memory.buffer), producer / 4, count);
}
