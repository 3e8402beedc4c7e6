/** What this host, this process and an interface can do, asked without changing anything. */
import { existsSync, readFileSync } from "node:fs";
import { machine, release } from "node:os";
import { effectiveCapabilities } from "./capabilities.js";
import { errnoName } from "./errors.js";
import { type InterfaceReport, probeInterface } from "./interface.js";
import { isAtLeast } from "./kernel.js";
import { landlockAbi } from "./landlock.js";
import { native } from "./native.js";

/** Whether something is to be had; if not, why. */
export interface Check {
  ok: boolean;
  why?: string;
}

export interface ProbeReport {
  /** Kernel release, as uname -r. */
  kernel: string;
  /** Hardware as uname -m: "x86_64". */
  machine: string;
  /** Effective capabilities of the calling thread. */
  capabilities: Record<"net_admin" | "net_raw" | "bpf" | "sys_admin" | "ipc_lock", boolean>;
  /** The bpf() system call creates maps. */
  bpf: Check;
  /** XDP programs load. */
  xdpProgram: Check;
  /** XDP attaches through bpf_link (by kernel release). */
  xdpLink: Check;
  xskMap: Check;
  afXdpSocket: Check;
  /** Frames in several buffers reach AF_XDP (by kernel release). */
  multiBuffer: Check;
  /** Rings tell when they need a wake-up (by kernel release). */
  needWakeup: Check;
  /** Preferred busy polling of a socket. */
  busyPoll: Check;
  /** BPF ring buffers. */
  ringBuffer: Check;
  /** tc programs through links; clsact is always there beside it. */
  tcx: Check;
  /** The kernel's own BTF, which tools need to name what they see. */
  btf: boolean;
  /** Version of Landlock; 0: none. */
  landlock: number;
  /** Whether the kernel has seccomp filters; null when it does not say. */
  seccomp: boolean | null;
  /** kernel.unprivileged_bpf_disabled: 0 anybody may load programs, 1 and 2 not; null when the kernel does not say. */
  unprivilegedBpfDisabled: number | null;
  /** Bytes this process may lock; null: no limit. UMEMs count unless it has CAP_IPC_LOCK. */
  memlockBytes: number | null;
  hugePages: { total: number; free: number; bytesEach: number; transparent: string; shmem: string };
  /** The BPF JIT compiler; null when the kernel does not say. */
  jit: boolean | null;
  interface?: InterfaceReport;
}

function check(errno: number): Check {
  if (errno === 0) return { ok: true };
  const name = errnoName(errno);
  const why: Record<string, string> = {
    EPERM: "not permitted: needs CAP_BPF and CAP_NET_ADMIN (CAP_NET_RAW for sockets)",
    EACCES: "not permitted: needs CAP_BPF and CAP_NET_ADMIN",
    EAFNOSUPPORT: "the kernel is built without it",
    ENOPROTOOPT: "the kernel does not know it",
    EINVAL: "the kernel does not know it",
    ENOSYS: "the kernel is built without it",
  };
  return { ok: false, why: `${why[name] ?? "refused"} (${name})` };
}

function since(major: number, minor: number): Check {
  const kernel = release();
  if (isAtLeast(kernel, major, minor)) return { ok: true };
  return { ok: false, why: `Linux ${kernel} is older than ${major}.${minor}` };
}

/** The text of a file of /proc or /sys, "" when there is none. */
function textOf(path: string): string {
  try {
    return readFileSync(path, "latin1");
  } catch {
    return "";
  }
}

function hugePages(): ProbeReport["hugePages"] {
  const meminfo = textOf("/proc/meminfo");
  const field = (name: string) => Number(new RegExp(`^${name}:\\s+(\\d+)`, "m").exec(meminfo)?.[1] ?? 0);
  const chosen = (file: string) =>
    /\[(\w+)\]/.exec(textOf(`/sys/kernel/mm/transparent_hugepage/${file}`))?.[1] ?? "unknown";
  return {
    total: field("HugePages_Total"),
    free: field("HugePages_Free"),
    bytesEach: field("Hugepagesize") * 1024,
    transparent: chosen("enabled"),
    shmem: chosen("shmem_enabled"),
  };
}

/**
 * Asks the host, and the interface when one is named.
 * @throws XdpError XDP_NO_INTERFACE
 */
export function probe(interfaceName?: string): ProbeReport {
  const tried = native.tryKernel();
  const held = new Set(effectiveCapabilities());
  const jit = textOf("/proc/sys/net/core/bpf_jit_enable").trim();
  const unprivileged = textOf("/proc/sys/kernel/unprivileged_bpf_disabled").trim();
  const actions = textOf("/proc/sys/kernel/seccomp/actions_avail");
  return {
    kernel: release(),
    machine: machine(),
    capabilities: {
      net_admin: held.has("net_admin"),
      net_raw: held.has("net_raw"),
      bpf: held.has("bpf"),
      sys_admin: held.has("sys_admin"),
      ipc_lock: held.has("ipc_lock"),
    },
    bpf: check(tried.bpf),
    xdpProgram: check(tried.xdpProgram),
    xdpLink: since(5, 9),
    xskMap: check(tried.xskmap),
    afXdpSocket: check(tried.socket),
    multiBuffer: since(6, 6),
    needWakeup: since(5, 4),
    busyPoll: check(tried.busyPoll),
    ringBuffer: check(tried.ringBuffer),
    tcx: check(native.tcxErrno()),
    btf: existsSync("/sys/kernel/btf/vmlinux"),
    landlock: landlockAbi(),
    seccomp: actions === "" ? null : actions.includes("errno"),
    unprivilegedBpfDisabled: unprivileged === "" ? null : Number(unprivileged),
    memlockBytes: tried.memlock < 0 ? null : tried.memlock,
    hugePages: hugePages(),
    jit: jit === "" ? null : jit !== "0",
    ...(interfaceName === undefined ? {} : { interface: probeInterface(interfaceName) }),
  };
}
