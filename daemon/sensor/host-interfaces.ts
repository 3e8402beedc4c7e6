/**
 * The interfaces of mode host: which there are, which are meant, and what hangs on them. A notification only says that
 * something has changed; what there is then is compared with what is attached, so nothing depends on having heard all.
 */
import {
  type Direction,
  InterfaceWatch,
  type NetworkInterface,
  networkInterfaces,
  type TcAttacher,
  type TcAttachment,
  XdpError,
} from "xdp-node";
import { EXIT, SparsewireError } from "../../lib/errors.js";
import { isExactName, patternOf } from "../../lib/interface-pattern.js";
import type { HostFigures, HostView } from "../capture/host-view.js";
import { explain } from "./guard.js";

/** How often it is asked whether the programs still hang where they were put, and what was refused is tried again. */
const CHECK_MS = 1000;
/** A record that was made before its interface went is drained long before this. */
const RECORDS_LEFT_MS = 2000;

/** LINKTYPE_ by ARPHRD_ (linux/if_arp.h): what the first byte of a packet is, as tc programs see it. */
const ETHERNET = 1;
const RAW_IP = 101;
const LINK_TYPES = new Map([
  [1, ETHERNET], // ETHER
  [772, ETHERNET], // LOOPBACK
  [512, RAW_IP], // PPP
  [519, RAW_IP], // RAWIP
  [768, RAW_IP], // TUNNEL (IP in IP)
  [769, RAW_IP], // TUNNEL6
  [776, RAW_IP], // SIT
  [778, RAW_IP], // IPGRE
  [823, RAW_IP], // IP6GRE
  [65534, RAW_IP], // NONE: tun, wireguard
]);
const LOOPBACK = 772;

export interface HostInterfacesOptions {
  patterns: readonly string[];
  loopback: boolean;
  directions: "both" | "ingress" | "egress";
  attach: "auto" | TcAttachment;
  attacher: TcAttacher;
  /** The table of each sandbox. */
  views: readonly HostView[];
  /** One line for the log; `warn`: of what the operator did not ask for. */
  note(text: string): void;
  warn(text: string): void;
}

/** One interface that is watched. */
export interface WatchedInterface {
  name: string;
  index: number;
  /** What in the configuration fits it: a name, or a pattern. */
  pattern: string;
  attach: TcAttachment;
  directions: Direction[];
  figures: HostFigures;
}

interface Attached {
  link: NetworkInterface;
  pattern: string;
  attach: TcAttachment;
  directions: Direction[];
  /** Packets that the hardware had no buffer for, before it was attached and as last seen. */
  missedBefore: number;
  missed: number;
}

export class HostInterfaces {
  readonly #options: HostInterfacesOptions;
  readonly #attached = new Map<number, Attached>();
  /** What could not be attached, and why, so that it is told once: by index and name. */
  readonly #refused = new Map<string, string>();
  /** Interfaces that have gone, until no record of them can be left. */
  readonly #leaving = new Map<number, { since: number; pattern: string }>();
  /** What came by interfaces that are no more, by pattern. */
  readonly #gone = new Map<string, HostFigures>();
  #watch: InterfaceWatch | undefined;
  #missedGone = 0;
  #lastAttach: TcAttachment | null = null;
  #reattached = 0;
  #checkedAt = performance.now();
  #isBusy = false;
  #isStale = false;

  constructor(options: HostInterfacesOptions) {
    this.#options = options;
  }

  /**
   * Attaches to all that there are now. Throws when names are given and none of them is there, or when nothing that is
   * there can be attached to; patterns may wait for their first interface.
   */
  async start(): Promise<void> {
    this.#watch = new InterfaceWatch();
    const failures = await this.#reconcile();
    this.#checkedAt = performance.now();
    if (this.#attached.size > 0) return;
    if (failures.length > 0) throw explain(failures[0]);
    const { patterns, note } = this.#options;
    if (patterns.some(isExactName)) {
      throw new SparsewireError("NO_INTERFACE", `there is no interface ${patterns.join(", ")}`, {
        exit: EXIT.failure,
        mend: "ip link shows the interfaces of this network namespace",
      });
    }
    note(`no interface fits ${patterns.join(", ")} yet: waiting for one`);
  }

  /** Follows what has changed since the last call. Call it a few times a second. */
  async poll(): Promise<void> {
    for (const [index, { since, pattern }] of this.#leaving) {
      if (Date.now() - since < RECORDS_LEFT_MS) continue;
      this.#leaving.delete(index);
      this.#gone.set(pattern, add(this.#gone.get(pattern) ?? nothing(), this.#figures(index)));
      for (const view of this.#options.views) view.removeInterface(index);
    }
    if (this.#watch!.changed() || performance.now() - this.#checkedAt >= CHECK_MS) this.#isStale = true;
    if (!this.#isStale || this.#isBusy) return;
    this.#isStale = false;
    await this.#reconcile();
    this.#checkedAt = performance.now();
  }

  stop(): void {
    this.#watch?.close();
    this.#watch = undefined;
  }

  /** How the programs hang on most recently attached interfaces; null as long as there was none. */
  get attach(): TcAttachment | null {
    return this.#lastAttach;
  }

  /** How often programs were found gone from an interface that should have them, and were put there anew. */
  get reattached(): number {
    return this.#reattached;
  }

  list(): WatchedInterface[] {
    return [...this.#attached.values()].map(({ link: { name, index }, pattern, attach, directions }) => {
      return { name, index, pattern, attach, directions, figures: this.#figures(index) };
    });
  }

  /** What came by all interfaces that a name or pattern of the configuration has ever meant; never runs backwards. */
  byPattern(): Map<string, HostFigures> {
    const sums = new Map(this.#options.patterns.map((pattern) => [pattern, nothing()]));
    for (const [pattern, figures] of this.#gone) add(sums.get(pattern)!, figures);
    for (const [index, { pattern }] of this.#attached) add(sums.get(pattern)!, this.#figures(index));
    for (const [index, { pattern }] of this.#leaving) add(sums.get(pattern)!, this.#figures(index));
    return sums;
  }

  #figures(index: number): HostFigures {
    return this.#options.views.reduce((sum, view) => add(sum, view.figures(index)), nothing());
  }

  /** Kernel counters of all interfaces together, and the packets that hardware missed since they were attached. */
  counters(): { sum: Record<string, number>; missed: number } {
    const sum: Record<string, number> = {};
    let missed = this.#missedGone;
    for (const link of networkInterfaces()) {
      const attached = this.#attached.get(link.index);
      if (attached === undefined) continue;
      for (const [name, value] of Object.entries(link.counters)) sum[name] = (sum[name] ?? 0) + value;
      attached.missed = Math.max(attached.missed, missedOf(link));
    }
    for (const { missed: now, missedBefore } of this.#attached.values()) missed += now - missedBefore;
    return { sum, missed };
  }

  /** Makes what is attached what should be. Returns why interfaces could not be attached. */
  async #reconcile(): Promise<unknown[]> {
    this.#isBusy = true;
    const failures: unknown[] = [];
    try {
      const lost = this.#attached.size === 0 ? [] : await this.#options.attacher.check();
      const links = networkInterfaces();
      this.#forgetGone(links);
      // Those that are still meant: another interface with the same index, or somebody has taken our programs off.
      for (const index of lost) this.#forgetLost(index);
      for (const link of links) {
        const pattern = this.#meant(link);
        const key = `${link.index} ${link.name}`;
        if (pattern === undefined || this.#attached.has(link.index)) continue;
        try {
          await this.#attach(link, pattern);
          this.#refused.delete(key);
        } catch (error) {
          // It has gone again meanwhile.
          if (error instanceof XdpError && error.code === "XDP_NO_INTERFACE") continue;
          const { message } = error as Error;
          if (this.#refused.get(key) !== message)
            this.#options.warn(`${link.name} is not watched: ${message}`);
          this.#refused.set(key, message);
          failures.push(error);
        }
      }
    } finally {
      this.#isBusy = false;
    }
    return failures;
  }

  /** The pattern that means an interface. Loopback is meant only when it is named, or asked for. */
  #meant(link: NetworkInterface): string | undefined {
    const pattern = patternOf(link.name, this.#options.patterns);
    if (link.type === LOOPBACK && !this.#options.loopback && pattern !== link.name) return undefined;
    return pattern;
  }

  async #attach(link: NetworkInterface, pattern: string): Promise<void> {
    const { attacher, views, attach: how, note } = this.#options;
    const linkType = LINK_TYPES.get(link.type);
    if (linkType === undefined) {
      throw new SparsewireError(
        "LINK_TYPE",
        `packets of ${link.name} (type ${link.type}) are of no known kind`,
        {
          exit: EXIT.unsupported,
          mend: "watch an Ethernet or IP interface",
        },
      );
    }
    this.#leaving.delete(link.index);
    if (!views.every((view) => view.addInterface(link.index, linkType))) {
      throw new SparsewireError("TOO_MANY_INTERFACES", "more interfaces than can be watched at a time", {
        mend: "narrow the patterns of `interfaces`",
      });
    }
    const directions = this.#directions(link);
    try {
      for (const direction of directions) {
        const { index, name } = link;
        this.#lastAttach = await attacher.attach(
          { index, name, layer: linkType === RAW_IP ? 3 : 2 },
          direction,
          how,
        );
      }
    } catch (error) {
      this.#release(link.index, pattern);
      throw error;
    }
    const missed = missedOf(link);
    const attach = this.#lastAttach!;
    this.#attached.set(link.index, { link, pattern, attach, directions, missed, missedBefore: missed });
    note(`watching ${link.name} (${attach}, ${directions.join(" and ")})`);
  }

  /** A packet of the loopback interface is sent and received there: it is counted once, when it is sent. */
  #directions(link: NetworkInterface): Direction[] {
    const { directions } = this.#options;
    if (directions === "ingress") return ["in"];
    if (directions === "egress" || link.type === LOOPBACK) return ["out"];
    return ["in", "out"];
  }

  /** Interfaces that are no longer there, or no longer bear a name that is meant. */
  #forgetGone(links: readonly NetworkInterface[]): void {
    const now = new Map(links.map((link) => [link.index, link]));
    for (const [index, attached] of this.#attached) {
      const link = now.get(index);
      if (link !== undefined && this.#meant(link) === attached.pattern && link.type === attached.link.type) {
        attached.link = link;
        continue;
      }
      this.#forget(index, attached);
      this.#options.note(`${attached.link.name} has gone, or is no longer meant`);
    }
    for (const key of this.#refused.keys()) {
      const [index, name] = key.split(" ");
      if (now.get(Number(index))?.name !== name) this.#refused.delete(key);
    }
  }

  #forgetLost(index: number): void {
    const attached = this.#attached.get(index);
    if (attached === undefined) return;
    this.#forget(index, attached);
    this.#reattached++;
    this.#options.warn(
      `the programs on ${attached.link.name} had gone, taken off by somebody or with an interface that is made anew: ` +
        "packets meanwhile were not seen",
    );
  }

  #forget(index: number, attached: Attached): void {
    this.#missedGone += attached.missed - attached.missedBefore;
    this.#attached.delete(index);
    this.#release(index, attached.pattern);
  }

  #release(index: number, pattern: string): void {
    this.#options.attacher.forget(index);
    this.#leaving.set(index, { since: Date.now(), pattern });
  }
}

const nothing = (): HostFigures => ({ in: { packets: 0, bytes: 0 }, out: { packets: 0, bytes: 0 } });

/** Adds `part` to `sum`, and returns that. */
function add(sum: HostFigures, part: HostFigures): HostFigures {
  for (const direction of ["in", "out"] as const) {
    sum[direction].packets += part[direction].packets;
    sum[direction].bytes += part[direction].bytes;
  }
  return sum;
}

const missedOf = ({ counters }: NetworkInterface): number =>
  (counters.rx_missed_errors ?? 0) + (counters.rx_over_errors ?? 0) + (counters.rx_fifo_errors ?? 0);
