/** Nothing is left behind: after close, after the end of a thread, after kill -9. */
import assert from "node:assert/strict";
import { spawn } from "node:child_process";
import { once } from "node:events";
import { readdirSync, readFileSync } from "node:fs";
import { test } from "node:test";
import { setTimeout as sleep } from "node:timers/promises";
import { Worker } from "node:worker_threads";
import { probe, redirectObject, XdpProgram } from "../lib/index.js";
import { enterNamespace } from "./namespace.js";
import {
  openSocket,
  openTap,
  RING_AREA,
  receiveFrames,
  sendFrames,
  sharedMemory,
  testFrame,
  UMEM,
  vethPair,
} from "./rig.js";

const LIBRARY = new URL("../lib/index.js", import.meta.url).href;

/** A module's text that opens a tap on an interface, says "ready", and stays. */
function tapScript(name: string): string {
  return `
    import { parentPort } from "node:worker_threads";
    const { Frames, XdpProgram, XskSocket, redirectObject } = await import("${LIBRARY}");
    const memory = new WebAssembly.Memory({ initial: 256, maximum: 256, shared: true });
    const socket = new XskSocket({ memory, umem: ${JSON.stringify(UMEM)}, interface: "${name}", queue: 0,
      rings: { offset: ${RING_AREA} }, rxSize: 1024, fillSize: 1024, completionSize: 64, bind: "auto" });
    const frames = new Frames(socket);
    const program = XdpProgram.load(redirectObject(), { program: "redirect" });
    program.map("xsks").set(0, socket);
    const link = program.attach("${name}", "native");
    const say = (what) => parentPort ? parentPort.postMessage(what) : console.log(what);
    say("ready");
    setInterval(() => {
      frames.receive(64, (bytes) => say(bytes[15]));
      globalThis.keep = [socket, program, link];
    }, 5);`;
}

/** A module's text that opens and closes a socket: a few times at once, `count` times when told to. */
function cycleScript(name: string, count: number): string {
  return `
    import { parentPort } from "node:worker_threads";
    const { XskSocket } = await import("${LIBRARY}");
    const memory = new WebAssembly.Memory({ initial: 256, maximum: 256, shared: true });
    function cycles(count) {
      for (let i = 0; i < count; i++) {
        const socket = new XskSocket({ memory, umem: ${JSON.stringify(UMEM)}, interface: "${name}", queue: 0,
          rings: { offset: ${RING_AREA} }, rxSize: 1024, fillSize: 1024, completionSize: 64, bind: "auto" });
        socket.close();
      }
      parentPort.postMessage("done");
    }
    parentPort.on("message", () => cycles(${count}));
    cycles(15);`;
}

function xdpOf(name: string): unknown {
  return probe(name).interface?.xdp;
}

function openFiles(): number {
  return readdirSync("/proc/self/fd").length;
}

function residentMegabytes(): number {
  const status = readFileSync("/proc/self/status", "latin1");
  return Number(/^VmRSS:\s+(\d+)/m.exec(status)![1]) / 1024;
}

if (enterNamespace(import.meta.url)) {
  test("a process killed with -9 leaves no program and no busy queue", async () => {
    const { near } = vethPair();
    const child = spawn(process.execPath, ["--input-type=module", "-e", tapScript(near)], {
      stdio: ["ignore", "pipe", "inherit"],
    });
    await once(child.stdout, "data");
    assert.notEqual(xdpOf(near), undefined);
    child.kill("SIGKILL");
    await once(child, "close");
    assert.equal(xdpOf(near), undefined);
    openTap(near).close();
    assert.equal(xdpOf(near), undefined);
  });

  test("a worker receives; when it is terminated, its socket and its program go", async () => {
    const { near, far } = vethPair();
    const worker = new Worker(new URL(`data:text/javascript,${encodeURIComponent(tapScript(near))}`));
    assert.deepEqual(await once(worker, "message"), ["ready"]);
    sendFrames(far, [testFrame(42)]);
    assert.deepEqual(await once(worker, "message"), [42]);
    // This thread has its own copy of the addon's state and another interface at the same time.
    const other = vethPair();
    const tap = openTap(other.near);
    await worker.terminate();
    assert.equal(xdpOf(near), undefined);
    sendFrames(other.far, [testFrame(1)]);
    assert.deepEqual(receiveFrames(tap, 1), [testFrame(1)]);
    tap.close();
    openTap(near).close();
  });

  test("after close the ring area is plain zero memory and the frames are still there", () => {
    const { near, far } = vethPair();
    const memory = sharedMemory();
    const bytes = new Uint8Array(memory.buffer);
    const tap = openTap(near, { memory });
    sendFrames(far, [testFrame(1), testFrame(2)]);
    receiveFrames(tap, 2);
    const { rx, completion } = tap.socket.rings;
    const area = bytes.subarray(RING_AREA, completion.descriptors + completion.size * 8);
    assert.equal(Atomics.load(new Uint32Array(memory.buffer), rx.producer / 4), 2);
    tap.close();
    assert.ok(area.every((byte) => byte === 0));
    area.fill(7);
    assert.ok(area.every((byte) => byte === 7));
    const first = Buffer.from(bytes.subarray(UMEM.offset, UMEM.offset + UMEM.size));
    assert.ok([1, 2].every((serial) => first.includes(Buffer.from(testFrame(serial)))));
    area.fill(0);
    // The same memory serves again.
    const again = openTap(near, { memory });
    sendFrames(far, [testFrame(3)]);
    assert.deepEqual(receiveFrames(again, 1), [testFrame(3)]);
    again.close();
  });

  test("handles may be closed in any order", () => {
    const { near, far } = vethPair();
    for (const order of ["slp", "spl", "lsp", "lps", "psl", "pls"]) {
      const tap = openTap(near);
      sendFrames(far, [testFrame(1)]);
      for (const each of order) {
        if (each === "s") tap.socket.close();
        if (each === "l") tap.link.detach();
        if (each === "p") tap.program.close();
      }
      tap.close();
      assert.equal(xdpOf(near), undefined, order);
    }
  });

  test("handles that are lost are closed by the garbage collector", async () => {
    const { near } = vethPair();
    // In a function of its own, so that no register or stack slot keeps them.
    (() => openTap(near))();
    assert.notEqual(xdpOf(near), undefined);
    for (let i = 0; i < 50 && xdpOf(near) !== undefined; i++) {
      globalThis.gc!();
      await sleep(10);
    }
    assert.equal(xdpOf(near), undefined);
    openTap(near).close();
  });

  test("a socket that is refused leaves nothing: no file, no mapping", () => {
    const { near } = vethPair();
    const memory = sharedMemory();
    const before = openFiles();
    for (let i = 0; i < 100; i++) {
      assert.throws(() => openSocket(near, { memory, queue: 9 }), { code: "XDP_NO_QUEUE" });
    }
    assert.equal(openFiles(), before);
    assert.ok(!readFileSync("/proc/self/maps", "latin1").includes("AF_XDP"), "ring mappings");
    assert.ok(new Uint8Array(memory.buffer).every((byte) => byte === 0));
  });

  test("1000 times open and close leak neither files nor memory", async () => {
    // Closing waits for the kernel's readers; eight threads wait together.
    const workers = Array.from({ length: 8 }, () => {
      const script = cycleScript(vethPair().near, 125);
      return new Worker(new URL(`data:text/javascript,${encodeURIComponent(script)}`));
    });
    const all = () => Promise.all(workers.map((worker) => once(worker, "message")));
    await all();
    const files = openFiles();
    const resident = residentMegabytes();
    for (const worker of workers) worker.postMessage("go");
    await all();
    assert.equal(openFiles(), files);
    const growth = residentMegabytes() - resident;
    assert.ok(growth < 16, `${growth.toFixed(1)} MiB more`);
    await Promise.all(workers.map((worker) => worker.terminate()));
  });

  test("programs and links: 40 times load, attach, detach leak no files", () => {
    const { near } = vethPair();
    const files = openFiles();
    for (let i = 0; i < 40; i++) {
      const program = XdpProgram.load(redirectObject(), { program: "redirect" });
      program.attach(near, "native").detach();
      program.close();
    }
    assert.equal(openFiles(), files);
  });
}
