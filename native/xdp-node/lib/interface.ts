/** Questions about a network interface that need no privilege. */
import { readdirSync } from "node:fs";
import { guard, XdpError } from "./errors.js";
import { native } from "./native.js";

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
