import { type ChildProcess, execFileSync, type SpawnOptions, spawn, spawnSync } from "node:child_process";
import { existsSync, readdirSync } from "node:fs";

const NETNS_FOLDER = "/run/netns";
const INTERFACE_NAME_BYTES = 15;
const NO_IPV6 = "for i in all default; do echo 1 > /proc/sys/net/ipv6/conf/$i/disable_ipv6 || exit 1; done";

/** How a veth pair is made; the defaults carry test frames and nothing else. */
export interface VethOptions {
  /** RX and TX queues of each end (default 1). */
  queues?: number;
  /** Bytes of IP packet (default 1500; at most 65535). */
  mtu?: number;
  /**
   * Generic receive offload on both ends (default false). It also turns NAPI on without an XDP program, which
   * frames sent by the generator need when nothing in *native* mode is attached to the receiving end.
   */
  gro?: boolean;
  /** IPv4 addresses of the two ends with their prefix length, e.g. ["10.9.0.1/24", "10.9.0.2/24"]; none by default. */
  addresses?: readonly [string, string];
}

/** Counters of one interface: the standard ones by their own name and each of `ethtool -S`. */
export interface InterfaceCounters {
  rxPackets: number;
  rxBytes: number;
  rxDropped: number;
  txPackets: number;
  txBytes: number;
  txDropped: number;
  /** `ethtool -S`, as the driver names them: rx_queue_0_xdp_packets, tx_queue_0_xdp_xmit_errors, ... */
  driver: Record<string, number>;
}

/** One network namespace of a {@link NetworkLab}. */
export class Namespace {
  readonly #children = new Set<ChildProcess>();

  /** @param name as `ip netns` knows it */
  constructor(readonly name: string) {}

  /** Runs a command inside and returns its stdout. Throws with the command's stderr when it fails. */
  exec(command: string, ...args: string[]): string {
    return run("ip", "netns", "exec", this.name, command, ...args);
  }

  /** Starts a command inside; it is killed when the lab closes. `ip netns exec` replaces itself: the pid is its own. */
  spawn(command: string, args: readonly string[], options: SpawnOptions = {}): ChildProcess {
    const child = spawn("ip", ["netns", "exec", this.name, command, ...args], options);
    this.#children.add(child);
    child.once("exit", () => this.#children.delete(child));
    return child;
  }

  /** Reads the counters of an interface, now. */
  counters(interfaceName: string): InterfaceCounters {
    const [link] = JSON.parse(
      run("ip", "-n", this.name, "-s", "-j", "link", "show", "dev", interfaceName),
    ) as [{ stats64: Record<"rx" | "tx", { packets: number; bytes: number; dropped: number }> }];
    const { rx, tx } = link.stats64;
    return {
      rxPackets: rx.packets,
      rxBytes: rx.bytes,
      rxDropped: rx.dropped,
      txPackets: tx.packets,
      txBytes: tx.bytes,
      txDropped: tx.dropped,
      driver: parseEthtool(this.exec("ethtool", "-S", interfaceName)),
    };
  }

  /** Kills what was started inside and is still there. */
  killChildren(): void {
    for (const child of this.#children) child.kill("SIGKILL");
    this.#children.clear();
  }
}

/**
 * Network namespaces joined by veth pairs, for one test or benchmark: made here, removed by `close()`, at the
 * end of the process, and on SIGINT or SIGTERM. Names hold the process id, so that labs at the same time do
 * not meet; what a killed process left behind is removed by the next lab of the same prefix.
 */
export class NetworkLab implements Disposable {
  readonly #namespaces = new Map<string, Namespace>();
  readonly #prefix: string;
  static readonly #open = new Set<NetworkLab>();
  static #count = 0;

  /**
   * @param prefix of the namespaces' names, e.g. "sw-"
   * @param ownsSignals whether SIGINT and SIGTERM end the process; false when the caller closes the lab on them
   */
  constructor(prefix: string, ownsSignals = true) {
    removeStale(prefix);
    this.#prefix = `${prefix}${process.pid}-${NetworkLab.#count++}`;
    if (NetworkLab.#open.size === 0) closeAtExit(() => NetworkLab.closeAll(), ownsSignals);
    NetworkLab.#open.add(this);
  }

  static closeAll(): void {
    for (const lab of NetworkLab.#open) lab.close();
  }

  /** Makes a namespace with loopback up and IPv6 off (so that nobody solicits anything). */
  namespace(label: string): Namespace {
    const namespace = new Namespace(`${this.#prefix}-${label}`);
    run("ip", "netns", "add", namespace.name);
    this.#namespaces.set(label, namespace);
    namespace.exec("sh", "-c", NO_IPV6);
    run("ip", "-n", namespace.name, "link", "set", "lo", "up");
    return namespace;
  }

  /**
   * Joins two namespaces by a veth pair and brings it up. Without addresses the ends are silent: no ARP, no
   * multicast, no IPv6, so only frames that a test sends travel on it.
   */
  veth(a: Namespace, nameA: string, b: Namespace, nameB: string, options: VethOptions = {}): void {
    for (const name of [nameA, nameB]) {
      if (name.length > INTERFACE_NAME_BYTES) throw new RangeError(`interface name ${name} is over 15 bytes`);
    }
    const shape = shapeOf(options);
    run(
      "ip",
      "-n",
      a.name,
      "link",
      "add",
      nameA,
      ...shape,
      "type",
      "veth",
      "peer",
      "name",
      nameB,
      ...shape,
      "netns",
      b.name,
    );
    const ends = [[a, nameA] as const, [b, nameB] as const];
    ends.forEach(([namespace, name], i) => {
      configure(namespace, name, options, options.addresses?.[i]);
    });
    // Up comes last: a veth decides then, by its peer's offloads, whether it takes redirected frames.
    for (const [namespace, name] of ends) run("ip", "-n", namespace.name, "link", "set", "dev", name, "up");
    for (const [namespace, name] of ends) waitForCarrier(namespace, name);
  }

  /** Removes everything: children first, then the namespaces (and with them their interfaces). Idempotent. */
  close(): void {
    for (const namespace of this.#namespaces.values()) namespace.killChildren();
    for (const namespace of this.#namespaces.values()) spawnSync("ip", ["netns", "del", namespace.name]);
    this.#namespaces.clear();
    NetworkLab.#open.delete(this);
  }

  [Symbol.dispose](): void {
    this.close();
  }
}

function shapeOf(options: VethOptions): string[] {
  const queues = String(options.queues ?? 1);
  return ["mtu", String(options.mtu ?? 1500), "numrxqueues", queues, "numtxqueues", queues];
}

function configure(
  namespace: Namespace,
  name: string,
  options: VethOptions,
  address: string | undefined,
): void {
  const quiet = address === undefined ? ["arp", "off", "multicast", "off"] : [];
  if (quiet.length > 0) run("ip", "-n", namespace.name, "link", "set", "dev", name, ...quiet);
  // Segmentation and checksum offloads would put super-packets without checksums on the wire.
  const gro = options.gro === true ? "on" : "off";
  namespace.exec("ethtool", "-K", name, "tx", "off", "tso", "off", "gso", "off", "gro", gro);
  if (address !== undefined) run("ip", "-n", namespace.name, "addr", "add", address, "dev", name);
}

/** A veth has its carrier once both ends are up; the kernel says so a moment later. */
function waitForCarrier(namespace: Namespace, name: string): void {
  for (let tries = 0; tries < 100; tries++) {
    const [link] = JSON.parse(run("ip", "-n", namespace.name, "-j", "link", "show", "dev", name)) as [
      { operstate: string },
    ];
    if (link.operstate === "UP") return;
    Atomics.wait(new Int32Array(new SharedArrayBuffer(4)), 0, 0, 10);
  }
  throw new Error(`${name} in ${namespace.name} does not come up`);
}

function parseEthtool(text: string): Record<string, number> {
  const counters: Record<string, number> = {};
  for (const [, name, value] of text.matchAll(/^\s+(\S+): (\d+)$/gm)) counters[name!] = Number(value);
  return counters;
}

function run(command: string, ...args: string[]): string {
  const result = spawnSync(command, args, { encoding: "utf8", maxBuffer: 1 << 26 });
  if (result.error !== undefined) throw result.error;
  if (result.status === 0) return result.stdout;
  throw new Error(`${command} ${args.join(" ")}: ${result.stderr.trim() || `exit code ${result.status}`}`);
}

/** Removes namespaces of this prefix whose process is gone. */
function removeStale(prefix: string): void {
  const names = existsSync(NETNS_FOLDER) ? readdirSync(NETNS_FOLDER) : [];
  for (const name of names) {
    if (!name.startsWith(prefix)) continue;
    const pid = /^(\d+)-\d+-/.exec(name.slice(prefix.length))?.[1];
    if (pid !== undefined && !existsSync(`/proc/${pid}`)) execFileSync("ip", ["netns", "del", name]);
  }
}

let closing = false;

function closeAtExit(close: () => void, ownsSignals: boolean): void {
  if (closing) return;
  closing = true;
  process.once("exit", close);
  if (!ownsSignals) return;
  for (const [signal, code] of [
    ["SIGINT", 130],
    ["SIGTERM", 143],
  ] as const) {
    process.once(signal, () => process.exit(code));
  }
}
