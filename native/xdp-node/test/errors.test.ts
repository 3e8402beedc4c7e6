/** The table of failures, and what needs no privilege and no interface. */
import assert from "node:assert/strict";
import { test } from "node:test";
import { effectiveCapabilities, namesOf } from "../lib/capabilities.js";
import { errnoName, explain, guard, translate, XdpError } from "../lib/errors.js";
import { addressOf, backMemory, pageSize, probe, threadCpuNs, Umem, XskSocket } from "../lib/index.js";
import { isAtLeast } from "../lib/kernel.js";
import { defaultRoutes4, defaultRoutes6 } from "../lib/routes.js";

const OPERATIONS = [
  "argument",
  "closed",
  "socket",
  "umem",
  "rings",
  "busy-poll",
  "bind",
  "wake",
  "gone",
  "open-object",
  "load-program",
  "attach",
  "map",
  "query",
  "back",
  "capabilities",
  "affinity",
  "an operation that does not exist",
];

test("every errno of every operation has a code, a sentence and a mend", () => {
  for (const operation of OPERATIONS) {
    for (let errno = 1; errno < 134; errno++) {
      const { code, why, mend } = explain(operation, errnoName(errno));
      assert.match(code, /^XDP_[A-Z_]+$/);
      assert.ok(why.length > 5 && mend.length > 5, `${operation} ${errno}`);
    }
  }
});

test("the same errno means different things in different operations", () => {
  const codes = (errno: string) =>
    ["bind", "attach", "umem"].map((operation) => explain(operation, errno).code);
  assert.deepEqual(codes("EBUSY"), ["XDP_QUEUE_BUSY", "XDP_PROGRAM_PRESENT", "XDP_SYSTEM"]);
  assert.deepEqual(codes("EPERM"), ["XDP_NOT_PERMITTED", "XDP_NOT_PERMITTED", "XDP_NOT_PERMITTED"]);
  assert.deepEqual(codes("ENOBUFS"), ["XDP_NO_MEMORY", "XDP_NO_MEMORY", "XDP_MEMLOCK"]);
  assert.deepEqual(codes("EOPNOTSUPP"), ["XDP_ZEROCOPY_UNSUPPORTED", "XDP_NATIVE_UNSUPPORTED", "XDP_SYSTEM"]);
});

test("a failure of the addon becomes an XdpError; others are left alone", () => {
  const failure = Object.assign(new Error("bind: busy"), {
    operation: "bind",
    syscall: "bind",
    errno: 16,
    detail: "",
  });
  const error = translate(failure, "bind queue 0 of eth1");
  assert.ok(error instanceof XdpError && error instanceof Error);
  assert.equal(error.name, "XdpError");
  assert.equal(error.message, "cannot bind queue 0 of eth1: another AF_XDP socket has this queue (EBUSY)");
  assert.deepEqual([error.errno, error.errnoName, error.syscall], [16, "EBUSY", "bind"]);
  assert.equal(error.cause, failure);
  const other = new TypeError("other");
  assert.equal(translate(other, "x"), other);
  assert.throws(
    () =>
      guard("x", () => {
        throw other;
      }),
    other,
  );
});

test("kernel releases", () => {
  assert.ok(isAtLeast("6.6.0", 6, 6));
  assert.ok(isAtLeast("6.18.4-cloud", 6, 6));
  assert.ok(isAtLeast("7.0", 6, 6));
  assert.ok(!isAtLeast("6.1.0-25-amd64", 6, 6));
  assert.ok(!isAtLeast("5.19.17", 6, 6));
  assert.ok(!isAtLeast("what", 6, 6));
});

test("capability sets", () => {
  assert.deepEqual(namesOf("0000000000000000"), []);
  assert.deepEqual(namesOf("0000000000001000"), ["net_admin"]);
  assert.deepEqual(namesOf("000000c000003000"), ["net_admin", "net_raw", "perfmon", "bpf"]);
  assert.deepEqual(namesOf("8000000000000001"), ["chown", "cap_63"]);
  assert.ok(Array.isArray(effectiveCapabilities()));
});

test("default routes", () => {
  const routes4 = [
    "Iface\tDestination\tGateway\tFlags\tRefCnt\tUse\tMetric\tMask\tMTU\tWindow\tIRTT",
    "eth0\t00000000\t010200C0\t0003\t0\t0\t0\t00000000\t0\t0\t0",
    "eth1\t000200C0\t00000000\t0001\t0\t0\t0\t00FFFFFF\t0\t0\t0",
    "vpn0\t00000000\t00000000\t0001\t0\t0\t0\t00000080\t0\t0\t0",
    "",
  ].join("\n");
  assert.deepEqual(defaultRoutes4(routes4), ["eth0"]);
  const zero = "0".repeat(32);
  const routes6 = [
    `${zero} 00 ${zero} 00 fe80000000000000000000000000000f 00000400 00000001 00000000 00000003     eth1`,
    `${zero} 00 ${zero} 00 ${zero} ffffffff 00000001 00000000 00200200       lo`,
    `fe800000000000000000000000000000 40 ${zero} 00 ${zero} 00000100 00000001 00000000 00000001     eth2`,
    "",
  ].join("\n");
  assert.deepEqual(defaultRoutes6(routes6), ["eth1"]);
  assert.deepEqual(defaultRoutes4(""), []);
  assert.deepEqual(defaultRoutes6("junk\n\0"), []);
});

test("the ring area: whole pages, what the entries take, nothing for a missing TX ring", () => {
  const sizes = { rxSize: 4096, fillSize: 8192, completionSize: 64 };
  const bytes = XskSocket.ringBytes(sizes);
  assert.equal(bytes % pageSize, 0);
  assert.ok(bytes >= 4096 * 16 + 8192 * 8 + 64 * 8);
  assert.equal(XskSocket.ringBytes({ ...sizes, txSize: 0 }), bytes);
  assert.ok(XskSocket.ringBytes({ ...sizes, txSize: 64 }) > bytes);
});

test("addresses: views of one memory differ by their offsets", () => {
  const memory = new WebAssembly.Memory({ initial: 4, maximum: 4, shared: true });
  const start = addressOf(memory.buffer);
  assert.equal(start % BigInt(pageSize), 0n);
  assert.equal(addressOf(new Uint16Array(memory.buffer, 100, 1)) - start, 100n);
});

for (const memfd of [false, true]) {
  for (const hugePages of ["try", "off"] as const) {
    const kind = `${hugePages === "try" ? "huge" : "small"}, ${memfd ? "memfd" : "anonymous"}`;
    test(`other pages for a range: ${kind}`, () => {
      const memory = new WebAssembly.Memory({ initial: 128, maximum: 128, shared: true });
      const bytes = new Uint8Array(memory.buffer).fill(1);
      const start = addressOf(memory.buffer);
      const offset = Number((-start & 0x1fffffn) as bigint);
      const size = 4 << 20;
      const backing = backMemory(memory, { offset, size, hugePages, memfd });
      assert.ok(["hugetlb", "thp", "pages"].includes(backing.kind));
      if (hugePages === "off") assert.equal(backing.kind, "pages");
      assert.equal(backing.residentBytes, size);
      assert.equal(backing.memfdFd !== undefined, memfd);
      const range = bytes.subarray(offset, offset + size);
      assert.ok(range.every((byte) => byte === 0));
      range.fill(2);
      assert.ok(range.every((byte) => byte === 2));
      assert.ok(bytes.subarray(0, offset).every((byte) => byte === 1));
      assert.ok(bytes.subarray(offset + size).every((byte) => byte === 1));
    });
  }
}

test("ranges outside of the memory are refused before they are mapped", () => {
  const memory = new WebAssembly.Memory({ initial: 16, maximum: 16, shared: true });
  const bad = [
    { offset: 1, size: pageSize },
    { offset: 0, size: pageSize + 1 },
    { offset: 16 * 65536, size: pageSize },
    { offset: 15 * 65536, size: 2 * 65536 },
    { offset: -pageSize, size: pageSize },
    { offset: 0, size: 0 },
    { offset: Number.NaN, size: pageSize },
  ];
  for (const range of bad) {
    assert.throws(() => backMemory(memory, { ...range, hugePages: "off" }), { code: "XDP_BAD_ARGUMENT" });
  }
  const outside = { offset: 0, size: 1 << 30, chunkSize: 2048, fillSize: 64, completionSize: 64 };
  assert.throws(() => new Umem(memory, outside), { code: "XDP_BAD_ARGUMENT" });
});

test("a probe of the host answers every question without privilege", () => {
  const report = probe();
  assert.match(report.kernel, /^\d+\.\d+/);
  for (const each of [report.bpf, report.xdpProgram, report.xdpLink, report.xskMap, report.afXdpSocket]) {
    assert.ok(each.ok || each.why!.length > 5);
  }
  assert.ok(report.memlockBytes === null || report.memlockBytes >= 0);
  assert.equal(report.interface, undefined);
  assert.throws(() => probe("nowhere0"), { code: "XDP_NO_INTERFACE" });
});

test("the CPU time of a thread only grows", () => {
  const before = threadCpuNs();
  for (let i = 0; i < 1e6; i++) Math.sqrt(i);
  assert.ok(threadCpuNs() > before);
});
