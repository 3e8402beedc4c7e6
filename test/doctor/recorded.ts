/** What the kernel answered on hosts of several kinds, for tests to bend. */
import type { InterfaceDetails, InterfaceReport, ProbeReport } from "xdp-node";
import type { Subject } from "../../daemon/cli/doctor/interface.js";

const yes = { ok: true };
export const forbidden = { ok: false, why: "not permitted: needs CAP_BPF and CAP_NET_ADMIN (EPERM)" };

/** A server with everything, asked by root. */
export const probeOf = (changes: Partial<ProbeReport> = {}): ProbeReport => ({
  kernel: "6.12.41+deb13-amd64",
  machine: "x86_64",
  capabilities: { net_admin: true, net_raw: true, bpf: true, sys_admin: true, ipc_lock: true },
  bpf: yes,
  xdpProgram: yes,
  xdpLink: yes,
  xskMap: yes,
  afXdpSocket: yes,
  multiBuffer: yes,
  needWakeup: yes,
  busyPoll: yes,
  ringBuffer: yes,
  tcx: yes,
  btf: true,
  landlock: 6,
  seccomp: true,
  unprivilegedBpfDisabled: 2,
  memlockBytes: 8 << 20,
  hugePages: { total: 512, free: 500, bytesEach: 2 << 20, transparent: "madvise", shmem: "advise" },
  jit: true,
  ...changes,
});

/** Debian 12's kernel, asked by nobody in particular. */
export const unprivilegedProbe = (): ProbeReport =>
  probeOf({
    kernel: "6.1.0-25-amd64",
    capabilities: { net_admin: false, net_raw: false, bpf: false, sys_admin: false, ipc_lock: false },
    bpf: forbidden,
    xdpProgram: forbidden,
    xskMap: forbidden,
    afXdpSocket: forbidden,
    busyPoll: forbidden,
    ringBuffer: forbidden,
    tcx: forbidden,
    multiBuffer: { ok: false, why: "Linux 6.1.0-25-amd64 is older than 6.6" },
  });

/** A mirror port on a 25 Gbit/s card, set up as it should be. */
const report = (changes: Partial<InterfaceReport> = {}): InterfaceReport => ({
  name: "ens1f0",
  index: 4,
  mtu: 1500,
  up: true,
  running: true,
  driver: "ice",
  bus: "0000:3b:00.0",
  channels: { rx: 0, tx: 0, combined: 8, rxQueues: 8 },
  addresses: { ipv4: [], ipv6: ["fe80::3eec:efff:fe00:1"] },
  defaultRoute: false,
  users: [],
  features: { lro: null, groHw: null, gro: true, rxVlan: false },
  counters: { rx_packets: 1000, rx_dropped: 0, rx_missed_errors: 0 },
  ...changes,
});

const details = (changes: Partial<InterfaceDetails> = {}): InterfaceDetails => ({
  kind: null,
  master: null,
  loopback: false,
  promiscuous: 0,
  driverVersion: "6.12.41",
  firmware: "4.40 0x8001c967 1.3534.0",
  speedMbps: 25_000,
  rings: { rx: 8160, rxMax: 8160, tx: 256, txMax: 8160 },
  channelsMax: { rx: 0, tx: 0, combined: 64 },
  coalescing: { rxUsecs: 50, rxFrames: 0, adaptiveRx: true },
  rss: { entries: 512, queues: [0, 1, 2, 3, 4, 5, 6, 7], keyBytes: 52 },
  flowHash: { tcp4: ["source", "destination", "source-port", "destination-port"] },
  features: {
    "rx-gro": true,
    "tx-tcp-segmentation": true,
    "rx-vlan-hw-parse": false,
    "rx-vlan-filter": false,
  },
  fixedFeatures: [],
  tc: { programs: [], tcxUnseen: null, filtersUnseen: null },
  xdpProgramName: null,
  sockets: [],
  ...changes,
});

export const subjectOf = (
  of: { report?: Partial<InterfaceReport>; details?: Partial<InterfaceDetails> } = {},
  changes: Partial<Subject> = {},
): Subject => ({
  report: report(of.report),
  details: details(of.details),
  hasMultiBuffer: true,
  cores: 16,
  ...changes,
});
