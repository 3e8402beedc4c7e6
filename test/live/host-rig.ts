/**
 * A host under test, in a namespace of its own, with a sensor of mode host in it, and a peer that it talks to through its
 * own stack. Optionally something between them that does what a NIC does: the host's side passes super-packets (TSO,
 * GRO), the peer's side only frames as they are on a wire, which the peer's interface counters then count.
 */
import { spawnSync } from "node:child_process";
import { mkdirSync } from "node:fs";
import type { SensorStatus } from "../../daemon/sensor/status.js";
import { SensorProcess } from "./sensor-process.js";
import { type Namespace, NetworkLab } from "./tools/netns.js";

export const HOST_ADDRESS = "10.77.0.1";
export const PEER_ADDRESS = "10.77.0.2";
/** Of the second pair of interfaces, h1 and p1, that nobody watches. */
export const HOST_ADDRESS_UNWATCHED = "10.78.0.1";
export const PEER_ADDRESS_UNWATCHED = "10.78.0.2";

export interface HostRigOptions {
  /** Puts the NIC between host (h0) and peer (p0). */
  nic?: boolean;
  /** Lines of sensor.toml before its first table, and tables after them; `interfaces` is ["h0"] unless given here. */
  top?: string;
  tables?: string;
}

export class HostRig extends SensorProcess {
  readonly lab: NetworkLab;
  readonly host: Namespace;
  readonly peer: Namespace;
  readonly #options: HostRigOptions;

  constructor(options: HostRigOptions = {}) {
    const lab = new NetworkLab("swhost-");
    const host = lab.namespace("host");
    super(host);
    this.#options = options;
    this.lab = lab;
    this.host = host;
    this.peer = lab.namespace("peer");
    if (options.nic === true) this.#nic();
    else this.#pair("h0", "p0", HOST_ADDRESS, PEER_ADDRESS);
    mkdirSync(this.spool);
    this.configure();
  }

  configure({ top = "", tables = "" }: HostRigOptions = this.#options): void {
    const interfaces = top.includes("interfaces") ? "" : 'interfaces = ["h0"]\n';
    this.write({ top: `sensor = "host"\nmode = "host"\n${interfaces}${top}`, tables });
  }

  /** A second pair, h1 and p1, that the sensor does not watch. */
  addUnwatched(): void {
    this.#pair("h1", "p1", HOST_ADDRESS_UNWATCHED, PEER_ADDRESS_UNWATCHED);
  }

  /** The status once the sandbox has counted (or lost) all that the programs have seen. */
  settled(): Promise<SensorStatus> {
    return this.statusWhen(({ host, counters, drops }) => {
      return counters.frames + host!.lost.packets + drops.shed === host!.seen.packets;
    });
  }

  /** What `ip`, `tc` and `ethtool` show of an interface of the host, its counters left out. */
  appearance(name: string): string {
    const show = (command: string, ...args: string[]) =>
      spawnSync("ip", ["netns", "exec", this.host.name, command, ...args], { encoding: "utf8" }).stdout;
    return [
      show("ip", "-d", "link", "show", "dev", name),
      show("tc", "qdisc", "show", "dev", name),
      show("tc", "filter", "show", "dev", name, "ingress"),
      show("tc", "filter", "show", "dev", name, "egress"),
      show("ethtool", "-k", name),
    ].join("--\n");
  }

  override close(): void {
    this.lab.close();
    super.close();
  }

  /** A veth pair as the kernel makes it, with every offload there is. */
  #pair(host: string, peer: string, hostAddress: string, peerAddress: string): void {
    const ip = (namespace: Namespace, ...args: string[]) => run("ip", "-n", namespace.name, ...args);
    ip(this.host, "link", "add", host, "type", "veth", "peer", "name", peer, "netns", this.peer.name);
    ip(this.host, "addr", "add", `${hostAddress}/24`, "dev", host);
    ip(this.peer, "addr", "add", `${peerAddress}/24`, "dev", peer);
    ip(this.host, "link", "set", host, "up");
    ip(this.peer, "link", "set", peer, "up");
  }

  /** host h0 -- m0 [bridge] m1 -- p0 peer: GRO towards the host, segmentation towards the peer. */
  #nic(): void {
    const nic = this.lab.namespace("nic");
    const ip = (namespace: Namespace, ...args: string[]) => run("ip", "-n", namespace.name, ...args);
    ip(this.host, "link", "add", "h0", "type", "veth", "peer", "name", "m0", "netns", nic.name);
    ip(this.peer, "link", "add", "p0", "type", "veth", "peer", "name", "m1", "netns", nic.name);
    // A bridge that snoops joins a group, and says so some time after it is up, when counters are being compared.
    ip(nic, "link", "add", "br0", "type", "bridge", "mcast_snooping", "0");
    for (const name of ["m0", "m1"]) ip(nic, "link", "set", name, "master", "br0", "multicast", "off", "up");
    ip(nic, "link", "set", "br0", "multicast", "off", "up");
    const offload = (namespace: Namespace, name: string, ...features: string[]) =>
      namespace.exec("ethtool", "-K", name, ...features);
    offload(this.host, "h0", "tso", "on", "gso", "on", "gro", "on");
    offload(nic, "m1", "tx", "off", "tso", "off", "gso", "on", "gro", "on");
    offload(this.peer, "p0", "tx", "off", "tso", "off", "gso", "off", "gro", "off");
    ip(this.host, "addr", "add", `${HOST_ADDRESS}/24`, "dev", "h0");
    ip(this.peer, "addr", "add", `${PEER_ADDRESS}/24`, "dev", "p0");
    ip(this.host, "link", "set", "h0", "multicast", "off", "up");
    ip(this.peer, "link", "set", "p0", "multicast", "off", "up");
  }
}

function run(command: string, ...args: string[]): void {
  const done = spawnSync(command, args, { encoding: "utf8" });
  if (done.status !== 0) throw new Error(`${command} ${args.join(" ")}: ${done.stderr.trim()}`);
}
