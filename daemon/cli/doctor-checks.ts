/** What `sparsewire doctor` makes of a host's answers: each a line, with the mend where something is in the way. */
import type { InterfaceReport, ProbeReport } from "xdp-node";
import { formatSize } from "../../lib/duration.js";

export type Verdict = "ok" | "warn" | "bad";

export interface Finding {
  /** Stable, for scripts: "capabilities", "mtu". */
  check: string;
  verdict: Verdict;
  text: string;
  /** Empty when all is well. */
  mend: string;
}

/** Frames of one queue in a default configuration: 32768 chunks of 2 KiB. */
const UMEM_BYTES = 32_768 * 2048;
/** What one chunk of 2 KiB holds after the kernel's 256 bytes of headroom, without the Ethernet header. */
const MTU_ONE_CHUNK = 1518;

/** Findings about the host and this process. */
export function hostFindings(probe: ProbeReport): Finding[] {
  return [
    kernel(probe),
    capabilities(probe),
    fromCheck("bpf", "bpf() system call", probe.bpf, "run as root or grant CAP_BPF"),
    fromCheck("xdp", "XDP programs", probe.xdpProgram, "run as root, on a kernel with CONFIG_BPF_SYSCALL"),
    fromCheck("xdp_link", "XDP through bpf_link", probe.xdpLink, "use Linux 5.9 or newer"),
    fromCheck("xskmap", "XSKMAP", probe.xskMap, "use a kernel with CONFIG_XDP_SOCKETS"),
    fromCheck("af_xdp", "AF_XDP sockets", probe.afXdpSocket, "use a kernel with CONFIG_XDP_SOCKETS"),
    jit(probe),
    memlock(probe),
    hugePages(probe),
  ];
}

/** Findings about one interface. */
export function interfaceFindings(probe: ProbeReport, it: InterfaceReport): Finding[] {
  return [
    it.up
      ? ok("link", `${it.name} is up${it.running ? "" : ", without a carrier"}`)
      : warn("link", `${it.name} is down`, `ip link set ${it.name} up`),
    ok("driver", `driver ${it.driver ?? "unknown"}${it.bus ? ` at ${it.bus}` : ""}`),
    ok(
      "queues",
      `${it.channels.rxQueues} RX queue${it.channels.rxQueues === 1 ? "" : "s"}; all of them are captured`,
    ),
    mtu(probe, it),
    addresses(it),
    offload(it, "lro", it.features.lro, "merges packets before XDP sees them", "lro"),
    offload(it, "gro_hw", it.features.groHw, "merges packets in hardware", "rx-gro-hw"),
    offload(
      it,
      "rxvlan",
      it.features.rxVlan,
      "takes VLAN tags out of the frame; addresses are still counted",
      "rxvlan",
    ),
    it.xdp === undefined
      ? ok("xdp_program", "no XDP program is attached")
      : bad(
          "xdp_program",
          `XDP program ${it.xdp.programId} is attached in ${it.xdp.mode} mode`,
          `if no sensor runs here: ip link set dev ${it.name} xdp off, or stop its owner (bpftool net)`,
        ),
    counters(it),
  ];
}

function kernel({ kernel: release, multiBuffer }: ProbeReport): Finding {
  const [major = 0, minor = 0] = release.split(".").map(Number);
  if (major < 5 || (major === 5 && minor < 9))
    return bad("kernel", `Linux ${release}`, "use Linux 5.9 or newer");
  if (!multiBuffer.ok)
    return warn("kernel", `Linux ${release}: no jumbo frames`, "use Linux 6.6 or newer for MTU > 1500");
  return ok("kernel", `Linux ${release}`);
}

function capabilities({ capabilities: held }: ProbeReport): Finding {
  const missing = (["net_admin", "net_raw", "bpf"] as const).filter(
    (name) => !held[name] && !(name === "bpf" && held.sys_admin),
  );
  if (missing.length === 0) return ok("capabilities", "CAP_NET_ADMIN, CAP_NET_RAW and CAP_BPF are held");
  const names = missing.map((name) => `CAP_${name.toUpperCase()}`).join(", ");
  return bad("capabilities", `missing: ${names}`, "run as root, or by the systemd unit, which grants them");
}

function jit({ jit: on }: ProbeReport): Finding {
  if (on === null)
    return ok("jit", "the kernel does not say whether BPF is compiled (it is, where it cannot be off)");
  return on
    ? ok("jit", "BPF is compiled")
    : warn("jit", "BPF is interpreted", "sysctl net.core.bpf_jit_enable=1");
}

function memlock({ memlockBytes, capabilities: held }: ProbeReport): Finding {
  if (memlockBytes === null || held.ipc_lock) return ok("memlock", "locked memory is not limited");
  const text = `${formatSize(memlockBytes)} may be locked`;
  if (memlockBytes >= UMEM_BYTES) return ok("memlock", text);
  return warn(
    "memlock",
    `${text}; a queue's frames take ${formatSize(UMEM_BYTES)}`,
    "ulimit -l unlimited, or LimitMEMLOCK=infinity",
  );
}

function hugePages({ hugePages: pages }: ProbeReport): Finding {
  if (pages.free > 0) return ok("huge_pages", `${pages.free} free of ${formatSize(pages.bytesEach)}`);
  if (pages.transparent !== "never")
    return ok("huge_pages", `transparent (${pages.transparent}); none reserved`);
  return warn(
    "huge_pages",
    "none",
    "echo madvise > /sys/kernel/mm/transparent_hugepage/enabled (15 ns a packet)",
  );
}

function mtu({ multiBuffer }: ProbeReport, it: InterfaceReport): Finding {
  if (it.mtu <= MTU_ONE_CHUNK) return ok("mtu", `MTU ${it.mtu}: every frame fits one chunk`);
  if (multiBuffer.ok) return ok("mtu", `MTU ${it.mtu}: large frames come in several chunks`);
  return bad(
    "mtu",
    `MTU ${it.mtu} needs frames in several chunks`,
    `ip link set ${it.name} mtu 1500, or Linux 6.6`,
  );
}

function addresses(it: InterfaceReport): Finding {
  const own = [...it.addresses.ipv4, ...it.addresses.ipv6.filter((text) => !/^fe80:/i.test(text))];
  if (own.length === 0 && !it.defaultRoute)
    return ok("addresses", "no address and no default route: fit for mode mirror");
  const why = own.length > 0 ? `has ${own.slice(0, 3).join(", ")}` : "carries a default route";
  return warn(
    "addresses",
    `${why}: mode mirror would take the host's own frames`,
    "use a mirror port, or --force",
  );
}

function offload(
  it: InterfaceReport,
  check: string,
  on: boolean | null,
  what: string,
  feature: string,
): Finding {
  if (on !== true) return ok(check, `${feature} is ${on === null ? "not offered" : "off"}`);
  return warn(check, `${feature} is on: ${what}`, `ethtool -K ${it.name} ${feature} off`);
}

function counters({ counters: seen }: InterfaceReport): Finding {
  const lost = (seen.rx_missed_errors ?? 0) + (seen.rx_over_errors ?? 0) + (seen.rx_fifo_errors ?? 0);
  const text = `${seen.rx_packets ?? 0} packets received, ${lost} missed by the hardware, ${seen.rx_dropped ?? 0} dropped`;
  return lost === 0
    ? ok("counters", text)
    : warn("counters", text, "larger hardware rings: ethtool -G IF rx N");
}

function fromCheck(
  check: string,
  what: string,
  { ok: fine, why }: { ok: boolean; why?: string },
  mend: string,
): Finding {
  return fine ? ok(check, `${what}: usable`) : bad(check, `${what}: ${why ?? "not available"}`, mend);
}

export const ok = (check: string, text: string): Finding => ({ check, verdict: "ok", text, mend: "" });
export const warn = (check: string, text: string, mend: string): Finding => ({
  check,
  verdict: "warn",
  text,
  mend,
});
export const bad = (check: string, text: string, mend: string): Finding => ({
  check,
  verdict: "bad",
  text,
  mend,
});
