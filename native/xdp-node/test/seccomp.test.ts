/** The seccomp filter: run here, instruction by instruction, and by the kernel, in a process of its own. */
import assert from "node:assert/strict";
import { spawnSync } from "node:child_process";
import { constants } from "node:os";
import { test } from "node:test";
import { fileURLToPath } from "node:url";
import { BPF_COMMANDS, SOCKET_FAMILIES, seccompProgram, seccompRules, XdpError } from "../lib/index.js";

const ALLOW = 0x7fff0000;
const ERRNO = 0x00050000;
const { EPERM, ENOSYS } = constants.errno;
const ARCHITECTURE = process.arch === "x64" ? 0xc000003e : 0xc00000b7;
const FAMILIES = SOCKET_FAMILIES.map(({ name }) => name);
const COMMANDS = BPF_COMMANDS.map(({ name }) => name);

/** struct seccomp_data, the low halves of its arguments. */
interface Call {
  architecture?: number;
  number: number;
  args?: number[];
}

/** Classic BPF as far as the filter uses it. Source: linux/filter.h, Documentation/networking/filter.rst. */
function verdict(program: Uint8Array, { architecture = ARCHITECTURE, number, args = [] }: Call): number {
  const code = new DataView(program.buffer, program.byteOffset, program.length);
  let loaded = 0;
  for (let at = 0, steps = 0; steps < 4096; at++, steps++) {
    const [op, yes, no, k] = [
      code.getUint16(8 * at, true),
      code.getUint8(8 * at + 2),
      code.getUint8(8 * at + 3),
      code.getUint32(8 * at + 4, true),
    ];
    if (op === 0x20)
      loaded = k === 0 ? number >>> 0 : k === 4 ? architecture : (args[(k - 16) / 8] ?? 0) >>> 0;
    else if (op === 0x54) loaded &= k;
    else if (op === 0x15) at += loaded === k ? yes : no;
    else if (op === 0x25) at += loaded > k ? yes : no;
    else if (op === 0x45) at += (loaded & k) !== 0 ? yes : no;
    else if (op === 0x06) return k;
    else throw new Error(`instruction ${at} has code ${op}`);
  }
  throw new Error("the filter does not end");
}

const program = seccompProgram({ families: FAMILIES, bpf: COMMANDS });
const byName = new Map(seccompRules().map((rule) => [rule.name, rule]));
const numberOf = (name: string): number => byName.get(name)!.number;

const REFUSED: Record<string, number[]> = {
  ioctl: [0, 0x5412],
  fcntl: [0, 8],
  setsockopt: [0, 283, 3],
  prctl: [4, 1],
};

test("every call in the table is refused, every other known one allowed, unknown ones not there", () => {
  const rules = new Map(seccompRules().map((rule) => [rule.number, rule]));
  assert.equal(rules.size, seccompRules().length, "each call once");
  for (let number = 0; number <= 450; number++) {
    const rule = rules.get(number);
    // Arguments that each conditional rule refuses: another process, another family, another command, F_SETOWN ...
    const args = REFUSED[rule?.name ?? ""] ?? [999_999];
    const wanted = rule === undefined ? ALLOW : ERRNO | rule.errno;
    assert.equal(verdict(program, { number, args }), wanted, `${rule?.name ?? number}`);
    for (const architecture of [0x40000003, 0xc00000b7 ^ 0xc000003e ^ ARCHITECTURE, 0]) {
      assert.equal(verdict(program, { number, args, architecture }), ERRNO | EPERM, "foreign architecture");
    }
  }
  for (const number of [451, 462, 999, 0x40000000, 0x40000000 + 59, 0xffffffff]) {
    assert.equal(verdict(program, { number }), ERRNO | ENOSYS, `call ${number}`);
  }
});

test("what depends on arguments", () => {
  const is = (name: string, args: number[]) => verdict(program, { number: numberOf(name), args });
  const refused = ERRNO | EPERM;
  // glibc's pthread_create: VM FS FILES SIGHAND THREAD SYSVSEM SETTLS PARENT_SETTID CHILD_CLEARTID
  assert.equal(is("clone", [0x3d0f00]), ALLOW, "a thread");
  assert.equal(is("clone", [0x1200011]), refused, "fork");
  assert.equal(is("clone", [0x4111]), refused, "vfork");
  for (const flag of [0x20000, 0x2000000, 0x4000000, 0x8000000, 0x10000000, 0x20000000, 0x40000000]) {
    assert.equal(is("clone", [(0x3d0f00 | flag) >>> 0]), refused, `namespace ${flag.toString(16)}`);
  }
  for (const call of ["kill", "tgkill", "rt_sigqueueinfo", "rt_tgsigqueueinfo"]) {
    assert.equal(is(call, [process.pid]), ALLOW);
    for (const other of [1, 0, -1, -process.pid])
      assert.equal(is(call, [other]), refused, `${call} ${other}`);
  }
  assert.deepEqual(
    [0, process.pid, 1].map((pid) => is("prlimit64", [pid])),
    [ALLOW, ALLOW, refused],
  );
  assert.equal(is("ioctl", [0, 0x5412]), refused, "TIOCSTI");
  assert.equal(is("ioctl", [0, 0x541c]), refused, "TIOCLINUX");
  assert.equal(is("ioctl", [0, 0x5413]), ALLOW, "TIOCGWINSZ");
  for (const request of [0x5423, 0x8901, 0x8902]) assert.equal(is("ioctl", [0, request]), refused);
  for (const command of [8, 10, 15]) assert.equal(is("fcntl", [0, command]), refused, "F_SETOWN, F_SETSIG");
  for (const command of [0, 1, 2, 3, 4, 6, 1030]) assert.equal(is("fcntl", [0, command]), ALLOW);
  const PR_SET_PTRACER = 0x59616d61;
  for (const args of [
    [4, 1],
    [4, 2],
    [4, 0xffffffff],
    [35, 13],
    [28, 0],
    [47, 2],
    [53, 0],
    [59, 1],
    [PR_SET_PTRACER, 1],
  ])
    assert.equal(is("prctl", args), refused, `prctl ${args}`);
  // PR_SET_DUMPABLE off, PR_GET_DUMPABLE, PR_SET_NAME, PR_SET_TIMERSLACK, PR_SET_NO_NEW_PRIVS, PR_SET_VMA (V8 names memory).
  for (const args of [
    [4, 0],
    [3, 0],
    [15, 9],
    [29, 1],
    [38, 1],
    [0x53564d41, 0],
  ])
    assert.equal(is("prctl", args), ALLOW, `prctl ${args}`);
  assert.equal(is("setpriority", [0, 0]), ALLOW, "the thread itself");
  for (const args of [
    [0, 1],
    [1, 0],
    [2, 0],
  ])
    assert.equal(is("setpriority", args), refused, `${args}`);
  // What Node sets on its sockets: SO_REUSEADDR, SO_KEEPALIVE, TCP_NODELAY, TCP_KEEPIDLE, IPV6_V6ONLY.
  for (const option of [
    [1, 2],
    [1, 9],
    [6, 1],
    [6, 4],
    [41, 26],
    [283, 2],
    [283, 5],
    [283, 6],
  ])
    assert.equal(is("setsockopt", [0, ...option]), ALLOW, `${option}`);
  for (const option of [
    [1, 26],
    [1, 50],
    [1, 51],
    [1, 52],
    [6, 31],
    [283, 3],
    [263, 1],
    [263, 5],
  ])
    assert.equal(is("setsockopt", [0, ...option]), refused, `${option}`);
  for (let family = 0; family < 64; family++) {
    const known = SOCKET_FAMILIES.find(({ number }) => number === family);
    for (let type = 0; type < 11; type++) {
      for (const protocol of [0, 1, 6, 9, 17, 132, 136, 255, 262]) {
        const wanted = known?.types.includes(type) && known.protocols.includes(protocol) ? ALLOW : refused;
        for (const flags of [0, 0o2004000])
          assert.equal(
            is("socket", [family, type | flags, protocol]),
            wanted,
            `${family} ${type} ${protocol}`,
          );
      }
    }
  }
  const commands = new Set(BPF_COMMANDS.map(({ number }) => number));
  for (let command = 0; command < 64; command++)
    assert.equal(is("bpf", [command]), commands.has(command) ? ALLOW : refused, `command ${command}`);
});

test("a filter may leave less: no bpf, no netlink", () => {
  const strict = seccompProgram({ families: ["unix", "inet", "inet6"] });
  for (let command = 0; command < 64; command++)
    assert.equal(verdict(strict, { number: numberOf("bpf"), args: [command] }), ERRNO | EPERM);
  assert.equal(verdict(strict, { number: numberOf("socket"), args: [16, 3, 0] }), ERRNO | EPERM);
  const none = seccompProgram({ families: [] });
  for (const family of [1, 2, 10, 16])
    assert.equal(verdict(none, { number: numberOf("socket"), args: [family, 1, 0] }), ERRNO | EPERM);
  assert.throws(
    () => seccompProgram({ families: ["packet"] }),
    (error) => error instanceof XdpError && error.code === "XDP_BAD_ARGUMENT" && /unix/.test(error.mend),
  );
});

test("each rule says why, and no reason is empty", () => {
  for (const { name, why } of [...seccompRules(), ...SOCKET_FAMILIES, ...BPF_COMMANDS])
    assert.match(why, /\w+ \w+|obsolete/, name);
});

test("the kernel refuses each call in every thread, those before and those after; Node goes on", () => {
  const path = fileURLToPath(new URL("./confined-process.js", import.meta.url));
  const child = spawnSync(process.execPath, [path], { encoding: "utf8", timeout: 30_000 });
  assert.equal(child.stderr, "");
  assert.equal(child.status, 0);
  const seen = JSON.parse(child.stdout);
  assert.deepEqual([seen.main, seen.early, seen.late], [[], [], []]);
  assert.equal(seen.spawned, "EPERM");
  assert.equal(seen.held.noNewPrivileges, true);
  assert.equal(seen.held.seccomp.mode, "filter");
  // As root it is the filter that refuses, not the kernel's own rules: before it, hardly anything said EPERM.
  if (process.getuid!() !== 0) return;
  const refusedAnyhow = seen.before.filter(([, errno]: [string, number]) => errno === EPERM);
  assert.ok(refusedAnyhow.length < 6, JSON.stringify(refusedAnyhow));
});
