/** What the C++ addon offers, as typed as it is: integers, bytes and file descriptors. See src/. */
import { existsSync } from "node:fs";
import { createRequire } from "node:module";
import { fileURLToPath } from "node:url";

export interface RingLayout {
  producer: number;
  consumer: number;
  flags: number;
  descriptors: number;
  size: number;
}

export interface NativeSocket {
  readonly fd: number;
  readonly rings: { rx: RingLayout; tx?: RingLayout; fill: RingLayout; completion: RingLayout };
  options(): { zerocopy: boolean };
  statistics(): Record<string, number>;
  wakeRx(): void;
  wakeTx(): void;
  poll(timeoutMs: number): boolean;
  close(): void;
}

export interface NativeSocketOptions {
  ifindex: number;
  queue: number;
  rxSize: number;
  txSize: number;
  fillSize: number;
  completionSize: number;
  ringsOffset: number;
  ringsSize: number;
  umem: { offset: number; size: number; chunkSize: number; headroom: number };
  sharedFd: number;
  bindFlags: number;
  busyPollUsecs: number;
  busyPollBudget: number;
  busyRetryMs: number;
  spareFd: number;
}

export interface NativeMapInfo {
  type: number;
  keySize: number;
  valueSize: number;
  maxEntries: number;
  cpus: number;
}

export interface NativeProgram {
  readonly fd: number;
  fdOf(name: string): number;
  mapInfo(name: string): NativeMapInfo;
  lookup(name: string, key: Uint8Array): Uint8Array | undefined;
  update(name: string, key: Uint8Array, value: Uint8Array): void;
  remove(name: string, key: Uint8Array): boolean;
  close(): void;
}

export interface NativeProgramOptions {
  programs: string[];
  frags: boolean;
  maps: [string, number][];
  constants: [string, bigint][];
}

/** A BPF ring buffer in lent memory: byte offsets from its start. */
export interface NativeRingBuffer {
  readonly fd: number;
  close(): void;
}

/** What the kernel tells of one interface in a dump of all. */
export interface NativeLinkEntry {
  index: number;
  name: string;
  /** ARPHRD_ of linux/if_arp.h. */
  type: number;
  up: boolean;
  /** Of a virtual interface: "veth", "vlan"; empty for hardware. */
  kind: string;
  /** Index of the bridge, bond or the like that it is a part of. */
  master?: number;
  /** Index of the interface that it is on top of, or whose other end it is, in this network namespace. */
  below?: number;
  counters: Record<string, number>;
}

export interface NativeLinkWatch {
  /** Whether something has happened to an interface since the last call. */
  changed(): boolean;
  close(): void;
}

export interface NativeLink {
  readonly programId: number;
  readonly ifindex: number;
  close(): void;
}

export interface NativeFileRules {
  read: string[];
  write: string[];
  unlink: string[];
  tcpBind: boolean;
  tcpConnect: boolean;
  abstractSockets: boolean;
}

export interface NativeSeccompSettings {
  families: { number: number; types: readonly number[]; protocols: readonly number[] }[];
  commands: number[];
}

export interface Native {
  readonly pageSize: number;
  Socket: new (bytes: Uint8Array, options: NativeSocketOptions, owner: object) => NativeSocket;
  Program: new (object: string | Uint8Array, options: NativeProgramOptions) => NativeProgram;
  Link: new (programFd: number, ifindex: number, generic: boolean) => NativeLink;
  RingBuffer: new (bytes: Uint8Array, offset: number, size: number, owner: object) => NativeRingBuffer;
  LinkWatch: new () => NativeLinkWatch;
  links(): NativeLinkEntry[];
  xdpAttached(ifindex: number): { native: number; generic: number; offload: number };
  addressOf(view: Uint8Array): bigint;
  backMemory(
    memory: Uint8Array,
    offset: number,
    size: number,
    huge: boolean,
    memfd: boolean,
  ): { pool: boolean; memfd: number };
  mapPrivately(memory: Uint8Array, offset: number, size: number, fd: number, fdOffset: number): void;
  privateBytes(memory: Uint8Array, offset: number, size: number, drop: boolean): number;
  threadId(): number;
  cpuNsOfThread(id: number): number;
  linkInfo(ifindex: number): {
    up: boolean;
    running: boolean;
    loopback: boolean;
    promiscuous: number;
    kind?: string;
    master?: number;
    mtu: number;
    rxQueues: number;
    txQueues: number;
    counters: Record<string, number>;
  };
  interfaceIndex(name: string): number;
  addresses(name: string): string[];
  ethtool(name: string): {
    driver?: string;
    bus?: string;
    channels?: { rx: number; tx: number; combined: number };
    features: Record<string, boolean>;
    fixed: string[];
  };
  ethtoolDetails(name: string): {
    version?: string;
    firmware?: string;
    speedMbps?: number;
    rings?: { rx: number; rxMax: number; tx: number; txMax: number };
    channelsMax?: { rx: number; tx: number; combined: number };
    coalescing?: { rxUsecs: number; rxFrames: number; adaptiveRx: boolean };
    rss?: { entries: number; queues: number[]; keyBytes: number };
    flowHash?: Record<string, string[]>;
  };
  tcPrograms(ifindex: number): {
    tcx: number;
    filters: number;
    programs: { direction: "ingress" | "egress"; kind: string; programId?: number; name?: string }[];
  };
  xdpSockets(): {
    errno: number;
    sockets: { ifindex: number; queue: number; zerocopy: boolean; inode: number }[];
  };
  programName(id: number): string;
  tcxErrno(): number;
  tryKernel(): {
    socket: number;
    bpf: number;
    xskmap: number;
    ringBuffer: number;
    xdpProgram: number;
    busyPoll: number;
    memlock: number;
  };
  openNotify(): number;
  notify(socket: string, state: string): number;
  limitResources(dataBytes: number, cpuSeconds: number): void;
  threadCpuNs(): bigint;
  wakeRxFd(fd: number): void;
  spareSocket(
    bytes: Uint8Array,
    umem: NativeSocketOptions["umem"],
    busyPollUsecs: number,
    busyPollBudget: number,
  ): number;
  wakeTxFd(fd: number): number;
  waitForFrames(fds: number[], microseconds: number): number;
  standingCreate(programFd: number, ifindex: number, attachType: number, flags: number): number;
  standingUpdate(fd: number, programFd: number): void;
  standingPin(fd: number, path: string): void;
  standingOpen(path: string): number;
  standingFacts(fd: number): { ifindex: number; programId: number };
  closeFd(fd: number, detach: boolean): void;
  isBpfFs(path: string): boolean;
  holdPromiscuous(ifindex: number): bigint;
  releasePromiscuous(held: bigint): void;
  setPromiscuous(name: string, on: boolean): void;
  setThreadAffinity(cpu: number): void;
  setRealtime(priority: number): void;
  setTimerSlack(ns: number): void;
  setThreadName(name: string): void;
  dropCapabilities(keep: number[]): { threads: number };
  landlockAbi(): number;
  restrictFiles(rules: NativeFileRules): { abi: number; missing: string[] };
  seccompInstall(settings: NativeSeccompSettings): void;
  /** struct sock_filter of 8 bytes each. Source: linux/filter.h. */
  seccompProgram(settings: NativeSeccompSettings): Uint8Array;
  seccompRules(): { name: string; number: number; when: string; errno: number; why: string }[];
  /** errno, 0 when the lock was taken. */
  lockFile(fd: number): number;
  setDumpable(on: boolean): void;
  isDumpable(): boolean;
  uringErrno(): number;
  restartWithoutUring(path: string, argv: string[], descriptors: number[]): never;
}

const addonPath = fileURLToPath(new URL("../../build/Release/xdp_node.node", import.meta.url));

function load(): Native {
  if (!existsSync(addonPath)) {
    throw new Error(
      `the xdp-node addon is not built (${addonPath}): run npx node-gyp rebuild in the package`,
    );
  }
  try {
    return createRequire(import.meta.url)(addonPath) as Native;
  } catch (error) {
    throw new Error(
      `the xdp-node addon does not fit this machine (${(error as Error).message}): install libbpf1, or run npx node-gyp rebuild in the package`,
      { cause: error },
    );
  }
}

export const native: Native = load();
