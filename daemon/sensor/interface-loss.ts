/** What an interface and its AF_XDP sockets have lost since capture began, by exclusive cause. */
import { linkState, type XskSocket } from "xdp-node";
import { XDP_STATISTICS } from "../../lib/reasons.js";

export class InterfaceLoss {
  readonly name: string;
  readonly #sockets: () => readonly XskSocket[];
  readonly #baseline: Record<string, number>;
  /** Highest value seen of each difference: it must not run backwards. */
  readonly #highest: Record<string, number> = {};
  /** As last read; they stand when the sockets are closed or the interface has gone. */
  counters: Record<string, number>;
  xdp: Record<string, number>[] = [];
  isRunning = true;

  constructor(name: string, sockets: () => readonly XskSocket[]) {
    this.name = name;
    this.#sockets = sockets;
    this.#baseline = linkState(name).counters;
    this.counters = this.#baseline;
  }

  /**
   * Reads everything anew: the interface's counters first, so that what AF_XDP drops in between does not look like a
   * drop of the interface. Throws XDP_INTERFACE_GONE when it was deleted.
   */
  read(): void {
    const sockets = this.#sockets();
    if (sockets.length === 0 || sockets.some(({ fd }) => fd < 0)) return;
    try {
      const { up, running, counters } = linkState(this.name);
      this.counters = counters;
      this.isRunning = up && running;
    } catch {
      this.isRunning = false;
    }
    this.xdp = sockets.map((socket) => {
      socket.poll(0); // the only way to hear that the interface was deleted
      const statistics = socket.statistics();
      return Object.fromEntries(XDP_STATISTICS.map((field) => [field, statistics[field]]));
    });
  }

  /** Frames that did not reach the sandbox. */
  received(): Record<"rx_dropped" | "rx_ring_full" | "interface_missed" | "interface_dropped", number> {
    const rx_dropped = this.statistic("rx_dropped");
    const rx_ring_full = this.statistic("rx_ring_full");
    const missed =
      this.#since("rx_missed_errors") + this.#since("rx_over_errors") + this.#since("rx_fifo_errors");
    return {
      rx_dropped,
      rx_ring_full,
      interface_missed: this.#atLeast("missed", missed),
      interface_dropped: this.#atLeast("dropped", this.#since("rx_dropped") - rx_dropped - rx_ring_full),
    };
  }

  /** Frames that were on the TX ring and did not leave: refused by the kernel, dropped by the device. */
  sent(): { tx_invalid: number; device: number } {
    return {
      tx_invalid: this.statistic("tx_invalid_descs"),
      device: this.#atLeast("device", this.#since("tx_dropped") + this.#since("tx_errors")),
    };
  }

  /** A field of XDP_STATISTICS over all sockets. */
  statistic(field: (typeof XDP_STATISTICS)[number]): number {
    return this.xdp.reduce((sum, socket) => sum + (socket[field] ?? 0), 0);
  }

  #since(counter: string): number {
    return Math.max(0, (this.counters[counter] ?? 0) - (this.#baseline[counter] ?? 0));
  }

  #atLeast(name: string, value: number): number {
    this.#highest[name] = Math.max(this.#highest[name] ?? 0, value);
    return this.#highest[name];
  }
}
