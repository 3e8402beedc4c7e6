/** What the kernel refuses has a stable code, one sentence and a mend. */
import assert from "node:assert/strict";
import { spawnSync } from "node:child_process";
import { chmodSync, cpSync, mkdtempSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { test } from "node:test";
import { fileURLToPath } from "node:url";
import { redirectObject, wakeRx, XdpError, XdpProgram } from "../lib/index.js";
import { enterNamespace, ip } from "./namespace.js";
import { openSocket, openTap, sharedMemory, UMEM, vethPair } from "./rig.js";

/** The error a call ends in; its message must be one line without the mend, and the mend must be there. */
function refusal(call: () => unknown): XdpError {
  try {
    call();
  } catch (error) {
    assert.ok(error instanceof XdpError, String(error));
    assert.ok(!error.message.includes("\n") && error.message.length > 10, error.message);
    assert.ok(error.mend.length > 10, error.mend);
    return error;
  }
  throw new assert.AssertionError({ message: "it was not refused" });
}

function load(program = "redirect"): XdpProgram {
  return XdpProgram.load(redirectObject(), { program });
}

if (enterNamespace(import.meta.url)) {
  test("a queue that has a socket: XDP_QUEUE_BUSY, after having tried for a while", () => {
    const { near } = vethPair();
    const first = openSocket(near);
    const start = Date.now();
    const error = refusal(() => openSocket(near, { busyRetryMs: 50 }));
    assert.ok(Date.now() - start >= 50);
    assert.equal(error.code, "XDP_QUEUE_BUSY");
    assert.equal(error.errnoName, "EBUSY");
    assert.equal(error.errno, 16);
    assert.equal(error.syscall, "bind");
    assert.equal(
      error.message,
      `cannot open an AF_XDP socket on queue 0 of ${near}: another AF_XDP socket has this queue (EBUSY)`,
    );
    first.close();
    openSocket(near).close();
  });

  test("a queue that does not exist: XDP_NO_QUEUE, with the number there are", () => {
    const { near } = vethPair({ queues: 2 });
    const error = refusal(() => openSocket(near, { queue: 2 }));
    assert.equal(error.code, "XDP_NO_QUEUE");
    assert.match(error.message, /has 2 RX queues/);
    assert.match(error.mend, /from 0 to 1/);
  });

  test("zero-copy on a driver without it: XDP_ZEROCOPY_UNSUPPORTED", () => {
    const { near } = vethPair();
    assert.equal(refusal(() => openSocket(near, { bind: "zerocopy" })).code, "XDP_ZEROCOPY_UNSUPPORTED");
  });

  test("no such interface: XDP_NO_INTERFACE", () => {
    assert.equal(refusal(() => openSocket("nowhere0")).code, "XDP_NO_INTERFACE");
    assert.equal(refusal(() => load().attach("nowhere0", "auto")).code, "XDP_NO_INTERFACE");
    assert.equal(refusal(() => openSocket("a-name-that-is-too-long")).code, "XDP_NO_INTERFACE");
  });

  test("an interface that goes away under a socket: XDP_INTERFACE_GONE", () => {
    const { near } = vethPair();
    const { socket, link } = openTap(near);
    ip(`link del dev ${near}`);
    for (const _ of [1, 2]) assert.equal(refusal(() => socket.poll(10)).code, "XDP_INTERFACE_GONE");
    assert.equal(refusal(() => socket.wakeRx()).code, "XDP_INTERFACE_GONE");
    assert.equal(refusal(() => socket.wakeTx()).code, "XDP_INTERFACE_GONE");
    assert.equal(refusal(() => wakeRx(socket.fd)).code, "XDP_INTERFACE_GONE");
    socket.close();
    link.detach();
  });

  test("another program there: XDP_PROGRAM_PRESENT, in the same mode and in the other", () => {
    const { near } = vethPair();
    const link = load().attach(near, "native");
    const second = load();
    for (const mode of ["native", "generic", "auto"] as const) {
      assert.equal(refusal(() => second.attach(near, mode)).code, "XDP_PROGRAM_PRESENT", mode);
    }
    link.detach();
    second.attach(near, "generic").detach();
  });

  test("an MTU of several buffers: XDP_MTU_TOO_LARGE without frags, fine with", () => {
    const { near } = vethPair({ mtu: 9000 });
    const error = refusal(() => load().attach(near, "native"));
    assert.equal(error.code, "XDP_MTU_TOO_LARGE");
    assert.match(error.mend, /frags/);
    load("redirect_frags").attach(near, "native").detach();
    const asked = XdpProgram.load(redirectObject(), { program: "redirect", frags: true });
    asked.attach(near, "native").detach();
  });

  test("native on a driver without it: XDP_NATIVE_UNSUPPORTED; auto falls back to generic", () => {
    ip("link set dev lo up");
    assert.equal(refusal(() => load().attach("lo", "native")).code, "XDP_NATIVE_UNSUPPORTED");
    const link = load().attach("lo", "auto");
    assert.equal(link.mode, "generic");
    link.detach();
  });

  test("objects: XDP_BAD_OBJECT, XDP_BAD_ARGUMENT", () => {
    assert.equal(refusal(() => XdpProgram.load("/nowhere.o", { program: "x" })).code, "XDP_BAD_OBJECT");
    const junk = new Uint8Array(100);
    assert.equal(refusal(() => XdpProgram.load(junk, { program: "x" })).code, "XDP_BAD_OBJECT");
    assert.equal(refusal(() => load("nothing")).code, "XDP_BAD_ARGUMENT");
    assert.equal(refusal(() => load().map("nothing")).code, "XDP_BAD_ARGUMENT");
    const constants = { nothing: 1 };
    const unknown = () => XdpProgram.load(redirectObject(), { program: "redirect", constants });
    assert.equal(refusal(unknown).code, "XDP_BAD_ARGUMENT");
  });

  test("maps: too large a key, a wrong size, a socket that is closed or of another queue", () => {
    const { near } = vethPair();
    const program = XdpProgram.load(redirectObject(), {
      program: "redirect",
      maps: { xsks: { maxEntries: 2 } },
    });
    const map = program.map("xsks");
    assert.equal(map.maxEntries, 2);
    const socket = openSocket(near);
    assert.equal(refusal(() => map.set(2, socket)).code, "XDP_MAP_FULL");
    assert.equal(refusal(() => map.update(0, new Uint8Array(3))).code, "XDP_BAD_ARGUMENT");
    assert.equal(refusal(() => map.lookup(new Uint8Array(8))).code, "XDP_BAD_ARGUMENT");
    assert.equal(refusal(() => program.map("seen").set(0, socket)).code, "XDP_BAD_ARGUMENT");
    map.set(0, socket);
    map.delete(0);
    socket.close();
    assert.equal(refusal(() => map.set(0, socket)).code, "XDP_BAD_ARGUMENT");
    program.close();
    assert.equal(refusal(() => map.lookup(0)).code, "XDP_CLOSED");
  });

  test("a closed socket: XDP_CLOSED", () => {
    const { near } = vethPair();
    const socket = openSocket(near);
    socket.close();
    socket.close();
    assert.equal(socket.fd, -1);
    for (const call of ["options", "statistics", "wakeRx", "wakeTx"] as const) {
      assert.equal(refusal(() => socket[call]()).code, "XDP_CLOSED");
    }
    assert.equal(refusal(() => socket.poll(0)).code, "XDP_CLOSED");
    assert.equal(refusal(() => wakeRx(2 ** 30)).code, "XDP_CLOSED");
  });

  test("ranges that leave the memory, overlap or are not aligned: XDP_BAD_ARGUMENT", () => {
    const { near } = vethPair();
    const bad: Parameters<typeof openSocket>[1][] = [
      { rings: { offset: 100 } },
      { rings: { offset: 16 << 20 } },
      { rings: { offset: -4096 } },
      { rings: { offset: UMEM.offset } },
      { rings: { offset: 0.5 } },
      { umem: { ...UMEM, offset: UMEM.offset + 1 } },
      { umem: { ...UMEM, size: 16 << 20 } },
      { umem: { ...UMEM, size: UMEM.size + 1 } },
      { umem: { ...UMEM, chunkSize: 1024 } },
      { umem: { ...UMEM, chunkSize: 3000 } },
      { umem: { ...UMEM, headroom: 2048 } },
      { rxSize: 1000 },
      { rxSize: 0 },
      { fillSize: 2 ** 31 },
      { queue: -1 },
      { queue: Number.NaN },
      { memory: {} as WebAssembly.Memory },
      { bind: "fast" as "auto" },
    ];
    for (const options of bad) {
      assert.equal(
        refusal(() => openSocket(near, options)).code,
        "XDP_BAD_ARGUMENT",
        JSON.stringify(options),
      );
    }
    const memory = sharedMemory();
    const first = openSocket(near, { memory });
    const other = vethPair().near;
    const over = refusal(() => openSocket(other, { memory, umem: { ...UMEM, offset: 8 << 20 } }));
    assert.match(over.message, /rings of another/);
    first.close();
  });

  test("without privilege: XDP_NOT_PERMITTED", () => {
    const { near } = vethPair();
    // The checkout may be in a place that only root can enter.
    const folder = mkdtempSync(join(tmpdir(), "xdp-node-"));
    try {
      chmodSync(folder, 0o755);
      const root = fileURLToPath(new URL("../../", import.meta.url));
      cpSync(join(root, "dist/lib"), join(folder, "dist/lib"), { recursive: true });
      cpSync(join(root, "build/Release/xdp_node.node"), join(folder, "build/Release/xdp_node.node"));
      cpSync(join(root, "package.json"), join(folder, "package.json"));
      cpSync(redirectObject(), join(folder, "redirect.bpf.o"));
      const script = `
        import { XdpProgram, XskSocket, probe } from "${folder}/dist/lib/index.js";
        const codes = [];
        const note = (call) => { try { call(); } catch (error) { codes.push(error.code); } };
        const memory = new WebAssembly.Memory({ initial: 256, maximum: 256, shared: true });
        note(() => new XskSocket({ memory, umem: ${JSON.stringify(UMEM)}, interface: "${near}", queue: 0,
          rings: { offset: 65536 }, rxSize: 64, fillSize: 64, completionSize: 64, bind: "auto" }));
        note(() => XdpProgram.load("${folder}/redirect.bpf.o", { program: "redirect" }));
        const { afXdpSocket, capabilities } = probe("${near}");
        console.log(JSON.stringify({ codes, ok: afXdpSocket.ok, admin: capabilities.net_admin }));`;
      const child = spawnSync(process.execPath, ["--input-type=module", "-e", script], {
        uid: 65534,
        gid: 65534,
        cwd: "/",
        encoding: "utf8",
      });
      assert.equal(child.stderr, "");
      const codes = ["XDP_NOT_PERMITTED", "XDP_NOT_PERMITTED"];
      assert.deepEqual(JSON.parse(child.stdout), { codes, ok: false, admin: false });
    } finally {
      rmSync(folder, { recursive: true });
    }
  });
}
