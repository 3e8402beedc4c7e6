/** Probing an interface, giving up capabilities, limits, constants of a program. */
import assert from "node:assert/strict";
import { spawnSync } from "node:child_process";
import { test } from "node:test";
import {
  inspectInterface,
  interfaceCounters,
  probe,
  XdpError,
  XdpProgram,
  type XskOptions,
} from "../lib/index.js";
import { enterNamespace, ip } from "./namespace.js";
import { openSocket, openTap, receiveFrames, sendFrames, testFrame, UMEM, vethPair } from "./rig.js";

const LIBRARY = new URL("../lib/index.js", import.meta.url).href;
const { findToolchain } = (await import(new URL("../../../toolchain.mjs", import.meta.url).href)) as {
  findToolchain(): { clang: string } | undefined;
};

/** Runs a module's text in a process of its own in this namespace; what it prints, parsed. */
function runScript(script: string, prefix: string[] = []): unknown {
  const [command, ...rest] = [...prefix, process.execPath, "--input-type=module", "-e", script];
  const child = spawnSync(command!, rest, { encoding: "utf8", timeout: 20_000 });
  assert.equal(child.stderr, "");
  assert.equal(child.status, 0);
  return JSON.parse(child.stdout);
}

const OPEN_TAP = `
  const memory = new WebAssembly.Memory({ initial: 256, maximum: 256, shared: true });
  const openTap = (name) => {
    const socket = new XskSocket({ memory, umem: ${JSON.stringify(UMEM)}, interface: name, queue: 0,
      rings: { offset: 65536 }, rxSize: 1024, fillSize: 1024, completionSize: 64, bind: "auto" });
    const frames = new Frames(socket);
    const program = XdpProgram.load(redirectObject(), { program: "redirect" });
    program.map("xsks").set(0, socket);
    return { socket, frames, program, link: program.attach(name, "native") };
  };`;

if (enterNamespace(import.meta.url)) {
  test("a probe tells addresses, queues, driver, routes, the program, counters", () => {
    const { near, far } = vethPair({ queues: 2, mtu: 3000 });
    const bare = probe(near).interface!;
    assert.deepEqual([bare.name, bare.mtu, bare.driver, bare.up], [near, 3000, "veth", true]);
    assert.equal(bare.channels.rxQueues, 2);
    assert.deepEqual(bare.addresses, { ipv4: [], ipv6: [] });
    assert.equal(bare.defaultRoute, false);
    assert.equal(bare.xdp, undefined);
    assert.equal(typeof bare.features.gro, "boolean");

    ip(`address add 192.0.2.1/24 dev ${near}`);
    ip(`route add default via 192.0.2.2 dev ${near}`);
    const tap = openTap(near, { multiBuffer: true });
    const full = probe(near).interface!;
    assert.deepEqual(full.addresses.ipv4, ["192.0.2.1"]);
    assert.equal(full.defaultRoute, true);
    assert.deepEqual(full.xdp, { programId: tap.link.programId, mode: "native" });
    const before = interfaceCounters(near);
    sendFrames(far, [testFrame(1), testFrame(2, 100)]);
    receiveFrames(tap, 2);
    const after = interfaceCounters(near);
    assert.equal(after.rx_packets! - before.rx_packets!, 2);
    assert.ok(after.rx_bytes! > before.rx_bytes!);
    assert.equal(after.rx_dropped, before.rx_dropped);
    assert.equal(interfaceCounters(far).tx_packets, after.rx_packets);
    tap.close();
  });

  test("features are those that ethtool shows, with those that are fixed", (t) => {
    const { near } = vethPair();
    const shown = spawnSync("ethtool", ["-k", near], { encoding: "utf8" });
    if (shown.error !== undefined) return t.skip("no ethtool: apt-get install ethtool");
    const { features, fixedFeatures } = inspectInterface(near);
    // The legacy names sum up several: only lines of single features have the kernel's name.
    const lines = shown.stdout.split("\n").map((line) => /^\t?(\S+): (on|off)( \[fixed\])?/.exec(line));
    const known = lines.filter((found) => found !== null && found[1]! in features);
    assert.ok(known.length > 20, shown.stdout);
    for (const [line, name, state, fixed] of known as RegExpExecArray[]) {
      assert.equal(features[name!], state === "on", line);
      assert.equal(fixedFeatures.includes(name!), fixed !== undefined, line);
    }
    assert.ok(fixedFeatures.length > 0 && fixedFeatures.length < Object.keys(features).length);
  });

  test("capabilities go in every thread, spinning and idle; an open socket and its map live on", () => {
    const { near } = vethPair();
    const result = runScript(`
      import { Worker } from "node:worker_threads";
      import { readdirSync, readFileSync } from "node:fs";
      import { dropCapabilities, Frames, probe, redirectObject, XdpProgram, XskSocket } from "${LIBRARY}";
      ${OPEN_TAP}
      const tap = openTap("${near}");
      const texts = ["for (;;);", "setInterval(() => {}, 1000)"];
      const workers = texts.map((text) => new Worker(text, { eval: true }));
      await Promise.all(workers.map((worker) => new Promise((up) => worker.once("online", up))));
      const remain = dropCapabilities(["CAP_NET_RAW"]);
      const sets = new Set();
      const threads = readdirSync("/proc/self/task");
      for (const thread of threads) {
        const status = readFileSync(\`/proc/self/task/\${thread}/status\`, "latin1");
        for (const [, set] of status.matchAll(/^Cap\\w+:\\s+(\\w+)/gm)) sets.add(Number("0x" + set));
      }
      tap.socket.wakeRx();
      tap.socket.poll(1);
      const dropped = tap.socket.statistics().rx_dropped;
      const seen = tap.program.map("seen").lookup(0).length > 0;
      const again = dropCapabilities([]);
      let code;
      try { XdpProgram.load(redirectObject(), { program: "redirect" }); } catch (error) { code = error.code; }
      tap.socket.close();
      tap.link.detach();
      const left = probe("${near}").interface.xdp ?? null;
      const many = threads.length > 5;
      console.log(JSON.stringify({ remain, sets: [...sets].sort(), many, dropped, seen, again, code, left }));
      process.exit();`);
    assert.deepEqual(result, {
      remain: ["net_raw"],
      sets: [0, 1 << 13],
      many: true,
      dropped: 0,
      seen: true,
      again: [],
      code: "XDP_NOT_PERMITTED",
      left: null,
    });
  });

  test("more frames than may be locked: XDP_MEMLOCK, unless CAP_IPC_LOCK", () => {
    const { near } = vethPair();
    const script = (keep: string[]) => `
      import { dropCapabilities, Frames, redirectObject, XdpProgram, XskSocket } from "${LIBRARY}";
      dropCapabilities(${JSON.stringify(keep)});
      ${OPEN_TAP}
      let code = "none";
      try { openTap("${near}"); } catch (error) { code = error.code; }
      console.log(JSON.stringify(code));
      process.exit();`;
    const limited = ["prlimit", "--memlock=1048576"];
    const caps = ["net_admin", "net_raw", "bpf"];
    // Root's own locked pages count by user, so that only the limit and the capability decide here.
    assert.equal(runScript(script(caps), limited), "XDP_MEMLOCK");
    assert.equal(runScript(script([...caps, "ipc_lock"]), limited), "none");
  });

  const clang = findToolchain()?.clang;
  test("constants of a program are set before it is loaded", { skip: clang ? false : "no clang" }, () => {
    const { near, far } = vethPair();
    const source = `
      typedef unsigned int u32; typedef unsigned long long u64; typedef unsigned char u8;
      #define SEC(name) __attribute__((section(name), used))
      static void *(*lookup)(void *map, const void *key) = (void *)1;
      struct { int (*type)[2]; int (*max_entries)[1]; u32 *key; u64 *value; } out SEC(".maps");
      const volatile u8 small = 1; const volatile u64 large = 2; const volatile int negative = 3;
      SEC("xdp") int sum(void *ctx) {
        u32 zero = 0; u64 *at = lookup(&out, &zero);
        if (at) *at = large + small - negative;
        return 1;
      }
      char _license[] SEC("license") = "GPL";`;
    const built = spawnSync(clang!, ["-O2", "-g", "-target", "bpf", "-x", "c", "-", "-c", "-o", "-"], {
      input: source,
    });
    assert.equal(built.status, 0, built.stderr.toString());
    const constants = { small: 200, large: 1n << 40n, negative: -5 };
    const program = XdpProgram.load(new Uint8Array(built.stdout), { program: "sum", constants });
    const link = program.attach(near, "native");
    sendFrames(far, [testFrame(1)]);
    const map = program.map("out");
    assert.equal(new BigUint64Array(map.lookup(0)!.buffer)[0], (1n << 40n) + 205n);
    map.update(0, new Uint8Array(8).fill(1));
    assert.deepEqual(map.lookup(0), new Uint8Array(8).fill(1));
    link.detach();
    program.close();
  });

  test("a program that the verifier rejects: its log is in the message", {
    skip: clang ? false : "no clang",
  }, () => {
    const source = `
      __attribute__((section("xdp"), used)) int wild(void *ctx) { return *(int *)0x1234; }
      char _license[] __attribute__((section("license"), used)) = "GPL";`;
    const built = spawnSync(clang!, ["-O2", "-g", "-target", "bpf", "-x", "c", "-", "-c", "-o", "-"], {
      input: source,
    });
    assert.throws(
      () => XdpProgram.load(new Uint8Array(built.stdout), { program: "wild" }),
      (error) =>
        error instanceof XdpError &&
        error.code === "XDP_PROGRAM_REJECTED" &&
        error.message.endsWith("the kernel rejected the program (EACCES): R1 invalid mem access 'scalar'") &&
        error.log.includes("processed 2 insns"),
    );
  });

  test("random options never crash: each call opens or is refused with a code", () => {
    const { near } = vethPair();
    const seed = Number(process.env.SPARSEWIRE_FUZZ_SEED ?? Date.now() & 0xffffff);
    const seconds = Number(process.env.SPARSEWIRE_FUZZ_SECONDS ?? 2);
    console.log(`# seed ${seed}, ${seconds} s`);
    const next = random(seed);
    const pick = <T>(...values: T[]): T => values[next() % values.length]!;
    const size = () => pick(128, 1024, 0, 1, 3, -1, 2 ** 22, 2 ** 40, Number.NaN, 0.5);
    const mutations: (() => Partial<XskOptions>)[] = [
      () => ({ rings: { offset: pick(0, 100, -1, 1 << 20, 15 << 20, 2 ** 33, Number.POSITIVE_INFINITY) } }),
      () => ({ umem: { ...UMEM, offset: pick(0, 4096, 2048, 16 << 20) } }),
      () => ({ umem: { ...UMEM, size: pick(2048, 4096, 2 ** 31, 2 ** 53, 15 << 20) } }),
      () => ({ umem: { ...UMEM, chunkSize: pick(4096, 4095, 8192, 0) } }),
      () => ({ umem: { ...UMEM, headroom: pick(256, 1792, 1793, 2 ** 32) } }),
      () => ({ queue: pick(1, -1, 2 ** 32) }),
      () => ({ rxSize: size() }),
      () => ({ txSize: size() }),
      () => ({ fillSize: size() }),
      () => ({ completionSize: size() }),
      () => ({ bind: pick("copy", "zerocopy") }),
      () => ({ multiBuffer: true }),
      () => ({ needWakeup: false }),
      () => ({
        busyPoll: pick({ budget: 64, usecs: 20 }, { budget: 2 ** 15, usecs: 1 }, { budget: 1, usecs: -1 }),
      }),
    ];
    const end = Date.now() + seconds * 1000;
    let opened = 0;
    let calls = 0;
    for (; Date.now() < end; calls++) {
      const options = Object.assign({}, ...Array.from({ length: next() % 4 }, () => pick(...mutations)()));
      try {
        openSocket(near, options).close();
        opened++;
      } catch (error) {
        if (!(error instanceof XdpError)) throw error;
        assert.match(error.code, /^XDP_/);
      }
    }
    console.log(`# ${calls} calls, ${opened} opened`);
    assert.ok(calls > 10);
  });
}

/** xorshift32. */
function random(seed: number): () => number {
  let state = seed | 1;
  return () => {
    state ^= state << 13;
    state ^= state >>> 17;
    state ^= state << 5;
    return state >>> 0;
  };
}
