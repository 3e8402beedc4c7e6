/** What an interface and its AF_XDP sockets have lost since capture began, by exclusive cause. */
import { linkState, XdpError, type XskSocket } from "xdp-node";
import { XDP_STATISTICS } from "../../lib/reasons.js";
import { interfaceGone } from "./guard.js";

type ReceiveCause = "rx_dropped" | "rx_ring_full" | "interface_missed" | "interface_dropped";

/** What counters of an interface and of its sockets mean, since a baseline of the interface's. */
export class LossCauses {
  readonly #baseline: Record<string, number>;
  /** Highest value seen of each difference: it must not run backwards. */
  readonly #highest: Record<string, number> = {};

  constructor(baseline: Record<string, number>) {
    this.#baseline = baseline;
  }

  /** Frames that did not reach the sandbox; `xdp`: XDP_STATISTICS of each socket. */
  received(
    counters: Record<string, number>,
    xdp: readonly Record<string, number>[],
  ): Record<ReceiveCause, number> {
    const since = (counter: string): number => this.#since(counters, counter);
    const rx_dropped = statisticOf(xdp, "rx_dropped");
    const rx_ring_full = statisticOf(xdp, "rx_ring_full");
    const missed = since("rx_missed_errors") + since("rx_over_errors") + since("rx_fifo_errors");
    return {
      rx_dropped,
      rx_ring_full,
      interface_missed: this.#atLeast("missed", missed),
      // Some drivers (veth) count a failed redirect, too, which AF_XDP has counted already.
      interface_dropped: this.#atLeast("dropped", since("rx_dropped") - rx_dropped - rx_ring_full),
    };
  }

  /** Frames that the device did not send. */
  device(counters: Record<string, number>): number {
    return this.#atLeast("device", this.#since(counters, "tx_dropped") + this.#since(counters, "tx_errors"));
  }

  #since(counters: Record<string, number>, counter: string): number {
    return Math.max(0, (counters[counter] ?? 0) - (this.#baseline[counter] ?? 0));
  }

  #atLeast(name: string, value: number): number {
    this.#highest[name] = Math.max(this.#highest[name] ?? 0, value);
    return this.#highest[name];
  }
}

/** A field of XDP_STATISTICS over all sockets. */
function statisticOf(xdp: readonly Record<string, number>[], field: (typeof XDP_STATISTICS)[number]): number {
  return xdp.reduce((sum, socket) => sum + (socket[field] ?? 0), 0);
}

export class InterfaceLoss {
  readonly name: string;
  readonly #sockets: () => readonly XskSocket[];
  readonly #causes: LossCauses;
  /** As last read; they stand when the sockets are closed or the interface has gone. */
  counters: Record<string, number>;
  xdp: Record<string, number>[] = [];
  isRunning = true;
  mtu: number;

  constructor(name: string, sockets: () => readonly XskSocket[]) {
    this.name = name;
    this.#sockets = sockets;
    const { counters, mtu } = linkState(name);
    this.counters = counters;
    this.mtu = mtu;
    this.#causes = new LossCauses(this.counters);
  }

  /**
   * Reads everything anew: the interface's counters first, so that what AF_XDP drops in between does not look like a
   * drop of the interface. Throws INTERFACE_GONE when it was deleted, or left the network namespace.
   */
  read(): void {
    const sockets = this.#sockets();
    if (sockets.length === 0 || sockets.some(({ fd }) => fd < 0)) return;
    try {
      const { up, running, counters, mtu } = linkState(this.name);
      this.mtu = mtu;
      this.counters = counters;
      this.isRunning = up && running;
    } catch {
      this.isRunning = false;
    }
    this.xdp = sockets.map((socket) => {
      pollForLife(socket);
      const statistics = socket.statistics();
      return Object.fromEntries(XDP_STATISTICS.map((field) => [field, statistics[field]]));
    });
  }

  /** Frames that did not reach the sandbox. */
  received(): Record<ReceiveCause, number> {
    return this.#causes.received(this.counters, this.xdp);
  }

  /** Frames that were on the TX ring and did not leave: refused by the kernel, dropped by the device. */
  sent(): { tx_invalid: number; device: number } {
    return {
      tx_invalid: this.statistic("tx_invalid_descs"),
      device: this.#causes.device(this.counters),
    };
  }

  /** A field of XDP_STATISTICS over all sockets. */
  statistic(field: (typeof XDP_STATISTICS)[number]): number {
    return statisticOf(this.xdp, field);
  }
}

/** The only way to hear that a socket's interface has gone. */
function pollForLife(socket: XskSocket): void {
  try {
    socket.poll(0);
  } catch (error) {
    if (!(error instanceof XdpError) || error.code !== "XDP_INTERFACE_GONE") throw error;
    throw interfaceGone(`${socket.interface} was deleted, or has left this network namespace`);
  }
}
