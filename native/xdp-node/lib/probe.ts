/** What this host, this process and an interface can do, asked without changing anything. */
import { readFileSync } from "node:fs";
import { release } from "node:os";
import { effectiveCapabilities } from "./capabilities.js";
import { errnoName } from "./errors.js";
import { type InterfaceReport, probeInterface } from "./interface.js";
import { isAtLeast } from "./kernel.js";
import { native } from "./native.js";

/** Whether something is to be had; if not, why. */
export interface Check {
  ok: boolean;
  why?: string;
}

export interface ProbeReport {
  /** Kernel release, as uname -r. */
  kernel: string;
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
  /** Bytes this process may lock; null: no limit. UMEMs count unless it has CAP_IPC_LOCK. */
  memlockBytes: number | null;
  hugePages: { total: number; free: number; bytesEach: number; transparent: string };
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
  const transparent = textOf("/sys/kernel/mm/transparent_hugepage/enabled");
  return {
    total: field("HugePages_Total"),
    free: field("HugePages_Free"),
    bytesEach: field("Hugepagesize") * 1024,
    transparent: /\[(\w+)\]/.exec(transparent)?.[1] ?? "unknown",
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
  return {
    kernel: release(),
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
    memlockBytes: tried.memlock < 0 ? null : tried.memlock,
    hugePages: hugePages(),
    jit: jit === "" ? null : jit !== "0",
    ...(interfaceName === undefined ? {} : { interface: probeInterface(interfaceName) }),
  };
}
