/** Questions about a network interface that need no privilege. */
import { readdirSync, readFileSync } from "node:fs";
import { guard, XdpError } from "./errors.js";
import { native } from "./native.js";
import { defaultRoutes4, defaultRoutes6 } from "./routes.js";

/**
 * The index of an interface of this network namespace.
 * @throws XdpError XDP_NO_INTERFACE
 */
export function interfaceIndex(name: string): number {
  const index = native.interfaceIndex(name);
  if (index === 0) {
    throw new XdpError(
      "XDP_NO_INTERFACE",
      `there is no interface ${name}`,
      "ip link shows the interfaces of this network namespace",
      19,
      "ENODEV",
      "if_nametoindex",
    );
  }
  return index;
}

export interface Channels {
  /** As the driver says; 0 where it does not. */
  rx: number;
  tx: number;
  combined: number;
  /** RX queues that frames can arrive on: what AF_XDP sockets must cover. */
  rxQueues: number;
}

/** Queues of an interface: of the driver (ethtool), else of /sys, else as allocated. */
export function channelsOf(name: string): Channels {
  const { channels } = guard(`ask ${name}`, () => native.ethtool(name));
  const { rx = 0, tx = 0, combined = 0 } = channels ?? {};
  return { rx, tx, combined, rxQueues: rx + combined || queuesInSys(name) || allocatedQueues(name) };
}

/** 0 when /sys shows another network namespace. */
function queuesInSys(name: string): number {
  try {
    return readdirSync(`/sys/class/net/${name}/queues`).filter((entry) => entry.startsWith("rx-")).length;
  } catch {
    return 0;
  }
}

function allocatedQueues(name: string): number {
  return guard(`ask ${name}`, () => native.linkInfo(interfaceIndex(name))).rxQueues;
}

/**
 * The kernel's counters of an interface (IFLA_STATS64), by its names: rx_packets, rx_bytes, rx_dropped,
 * rx_missed_errors, rx_over_errors, rx_fifo_errors, rx_nohandler and so on.
 */
export function interfaceCounters(name: string): Record<string, number> {
  return guard(`read the counters of ${name}`, () => native.linkInfo(interfaceIndex(name))).counters;
}

/** Whether an interface is up, and whether its link is (carrier); its MTU; its counters as interfaceCounters() has them. */
export function linkState(name: string): {
  up: boolean;
  running: boolean;
  mtu: number;
  counters: Record<string, number>;
} {
  const { up, running, mtu, counters } = guard(`ask ${name}`, () => native.linkInfo(interfaceIndex(name)));
  return { up, running, mtu, counters };
}

export interface InterfaceReport {
  name: string;
  index: number;
  mtu: number;
  up: boolean;
  running: boolean;
  driver?: string;
  bus?: string;
  channels: Channels;
  addresses: { ipv4: string[]; ipv6: string[] };
  /** Whether a default route, of either family, leaves by it. */
  defaultRoute: boolean;
  /**
   * Interfaces that live on its frames: what it is a part of (a bridge, a bond, a virtual switch), and what is on top of it
   * and up (VLANs, macvlans, tunnels). `kind` is the kernel's word, empty where there is none.
   */
  users: { name: string; kind: string; isMaster: boolean }[];
  /** Offloads that change what a capture sees; null where the driver does not know them. */
  features: { lro: boolean | null; groHw: boolean | null; gro: boolean | null; rxVlan: boolean | null };
  /** The XDP program that is attached now. */
  xdp?: { programId: number; mode: "native" | "generic" | "offload" };
  counters: Record<string, number>;
}

/**
 * All there is to know of an interface before capturing on it.
 * @throws XdpError XDP_NO_INTERFACE
 */
export function probeInterface(name: string): InterfaceReport {
  const index = interfaceIndex(name);
  const what = `ask ${name}`;
  const link = guard(what, () => native.linkInfo(index));
  const { driver, bus, features } = guard(what, () => native.ethtool(name));
  const addresses = guard(what, () => native.addresses(name));
  const attached = guard(what, () => native.xdpAttached(index));
  const mode = (["native", "generic", "offload"] as const).find((each) => attached[each] !== 0);
  return {
    name,
    index,
    mtu: link.mtu,
    up: link.up,
    running: link.running,
    ...(driver ? { driver } : {}),
    ...(bus ? { bus } : {}),
    channels: channelsOf(name),
    addresses: {
      ipv4: addresses.filter((address) => !address.includes(":")),
      ipv6: addresses.filter((address) => address.includes(":")),
    },
    defaultRoute: hasDefaultRoute(name),
    users: usersOf(index),
    features: {
      lro: features["rx-lro"] ?? null,
      groHw: features["rx-gro-hw"] ?? null,
      gro: features["rx-gro"] ?? null,
      rxVlan: features["rx-vlan-hw-parse"] ?? null,
    },
    ...(mode ? { xdp: { programId: attached[mode], mode } } : {}),
    counters: link.counters,
  };
}

/** Two ends of a cable, neither on top of the other. */
const PAIRS = new Set(["veth", "netkit", "vxcan"]);

function usersOf(index: number): InterfaceReport["users"] {
  const all = guard("list the interfaces", () => native.links());
  const { master } = all.find((each) => each.index === index) ?? {};
  return all
    .filter((each) => each.index === master || (each.below === index && each.up && !PAIRS.has(each.kind)))
    .map((each) => ({ name: each.name, kind: each.kind, isMaster: each.index === master }));
}

function hasDefaultRoute(name: string): boolean {
  const read = (file: string) => {
    try {
      return readFileSync(`/proc/thread-self/net/${file}`, "latin1");
    } catch {
      return "";
    }
  };
  return defaultRoutes4(read("route")).includes(name) || defaultRoutes6(read("ipv6_route")).includes(name);
}
