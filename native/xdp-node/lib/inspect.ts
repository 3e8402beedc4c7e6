/** All that can be told of an interface: its hardware, its offloads, and what else hangs on it. Nothing is changed. */
import { errnoName, guard } from "./errors.js";
import { interfaceIndex } from "./interface.js";
import { native } from "./native.js";

/** A program or classifier of tc. */
export interface TcProgram {
  direction: "ingress" | "egress";
  /** "tcx", or the classifier: "bpf", "flower", "matchall". */
  kind: string;
  programId?: number;
  name?: string;
}

export interface BoundSocket {
  queue: number;
  zerocopy: boolean;
  /** As /proc/PID/fd shows it: socket:[inode]. */
  inode: number;
}

export interface InterfaceDetails {
  /** Of a virtual interface: "veth", "bond"; null for hardware. */
  kind: string | null;
  /** The bridge or bond that it belongs to. */
  master: string | null;
  loopback: boolean;
  /** How many want it promiscuous; 0: it takes only frames for its own addresses. */
  promiscuous: number;
  driverVersion: string | null;
  firmware: string | null;
  /** null: no link, or the driver does not say. */
  speedMbps: number | null;
  /** Descriptors of the hardware rings, now and at most. */
  rings: { rx: number; rxMax: number; tx: number; txMax: number } | null;
  channelsMax: { rx: number; tx: number; combined: number } | null;
  coalescing: { rxUsecs: number; rxFrames: number; adaptiveRx: boolean } | null;
  /** Receive-side scaling: the queues that its indirection table names. */
  rss: { entries: number; queues: number[]; keyBytes: number } | null;
  /** Per protocol the fields that choose a queue: {tcp4: ["source", "destination-port", ...]}. */
  flowHash: Record<string, string[]> | null;
  /** Active features by the kernel's names ("rx-lro"); empty where the driver does not say. */
  features: Record<string, boolean>;
  /** Those of them that nobody can switch on or off ("[fixed]" to ethtool). */
  fixedFeatures: string[];
  tc: {
    programs: TcProgram[];
    /** Why tcx programs or filters could not be seen; null when they could ("EINVAL" of tcx: the kernel has none). */
    tcxUnseen: string | null;
    filtersUnseen: string | null;
  };
  /** Name of the attached XDP program; null without one, or without the right to ask. */
  xdpProgramName: string | null;
  /** AF_XDP sockets bound to it; null where the kernel does not tell (CONFIG_XDP_SOCKETS_DIAG). */
  sockets: BoundSocket[] | null;
}

/**
 * Looks at one interface of this network namespace. Needs no privilege; without one some answers stay empty.
 * @throws XdpError XDP_NO_INTERFACE
 */
export function inspectInterface(name: string): InterfaceDetails {
  const index = interfaceIndex(name);
  const what = `look at ${name}`;
  const link = guard(what, () => native.linkInfo(index));
  const details = guard(what, () => native.ethtoolDetails(name));
  const { features, fixed } = guard(what, () => native.ethtool(name));
  const tc = guard(what, () => native.tcPrograms(index));
  const attached = guard(what, () => native.xdpAttached(index));
  const programId = attached.native || attached.generic || attached.offload;
  return {
    kind: link.kind ?? null,
    master: link.master === undefined ? null : nameOf(link.master),
    loopback: link.loopback,
    promiscuous: link.promiscuous,
    driverVersion: details.version ?? null,
    firmware: details.firmware ?? null,
    speedMbps: details.speedMbps ?? null,
    rings: details.rings ?? null,
    channelsMax: details.channelsMax ?? null,
    coalescing: details.coalescing ?? null,
    rss: details.rss ?? null,
    flowHash: details.flowHash ?? null,
    features,
    fixedFeatures: fixed,
    tc: {
      programs: tc.programs,
      tcxUnseen: tc.tcx === 0 ? null : errnoName(tc.tcx),
      filtersUnseen: tc.filters === 0 ? null : errnoName(tc.filters),
    },
    xdpProgramName: programId === 0 ? null : native.programName(programId) || null,
    sockets: socketsOf(index),
  };
}

function nameOf(index: number): string {
  return native.links().find((link) => link.index === index)?.name ?? `interface ${index}`;
}

function socketsOf(index: number): BoundSocket[] | null {
  const { errno, sockets } = native.xdpSockets();
  if (errno !== 0) return null;
  return sockets
    .filter(({ ifindex }) => ifindex === index)
    .map(({ queue, zerocopy, inode }) => ({ queue, zerocopy, inode }));
}
