/**
 * What joins two hosts: left tx0 -- rx0 [joined here] rx1 -- tx1 right, on veth pairs. A subject joins rx0 and rx1; the
 * bare cable has nothing in between.
 */
import { join } from "node:path";
import { type Namespace, NetworkLab } from "../../test/live/tools/netns.js";
import { toolsFolder } from "../../test/live/tools/tool.js";
import { SensorSession } from "../live/sensor.js";

const PREFIX = "sw-bench-";

/** Something that forwards frames between rx0 and rx1 of a namespace. */
export interface Joiner {
  name: string;
  /** Starts it; what it returns ends it. */
  start(namespace: Namespace): Promise<{ cpuNs?(): Promise<number>; stop(): Promise<void> }>;
}

/** Two hosts and what is between them. */
export class Wire implements Disposable {
  readonly lab = new NetworkLab(PREFIX);
  readonly left: Namespace;
  readonly right: Namespace;
  readonly middle: Namespace | undefined;

  /** @param isCable nothing in between: tx0 -- tx1 */
  constructor(isCable = false) {
    this.left = this.lab.namespace("tx");
    this.right = this.lab.namespace("ty");
    if (isCable) {
      this.lab.veth(this.left, "tx0", this.right, "tx1", { gro: true });
      return;
    }
    this.middle = this.lab.namespace("rx");
    this.lab.veth(this.left, "tx0", this.middle, "rx0", { gro: true });
    this.lab.veth(this.right, "tx1", this.middle, "rx1", { gro: true });
  }

  /** Puts the sink on both hosts. */
  async drain(): Promise<void> {
    const object = join(await toolsFolder(), "sink.bpf.o");
    for (const [host, name] of [
      [this.left, "tx0"],
      [this.right, "tx1"],
    ] as const) {
      host.exec("ip", "link", "set", "dev", name, "xdpdrv", "obj", object, "sec", "xdp");
    }
  }

  /** Frames that have arrived at the hosts: [left, right]. */
  arrived(): [number, number] {
    return [this.left.counters("tx0").rxPackets, this.right.counters("tx1").rxPackets];
  }

  [Symbol.dispose](): void {
    this.lab.close();
  }
}

/** The sensor, as an operator starts it. Its CPU time is that of its capture threads. */
const sensorWith = (name: string, settings: readonly string[]): Joiner => ({
  name,
  async start(namespace) {
    const inline = ["mode=inline", "inline.peer=rx1", "inline.on_exit=closed"];
    const session = await SensorSession.start(namespace, [...inline, ...settings]);
    return {
      cpuNs: async () => (await session.figures()).cpuNs["capture thread"]!,
      stop: () => session.stop(),
    };
  },
});
export const inlineSensor = sensorWith("sparsewire inline", []);
export const inlineRealtime = sensorWith("sparsewire inline, realtime", ["inline.realtime=true"]);

/** The fail-open program alone: bpf_redirect() to the other interface, in native XDP. */
export const xdpRedirect: Joiner = {
  name: "XDP redirect",
  async start(namespace) {
    const script = join(import.meta.dirname, "xdp-bridge.js");
    const child = namespace.spawn(process.execPath, [script, "rx0", "rx1"], {
      stdio: ["pipe", "pipe", "inherit"],
    });
    await new Promise<void>((resolve, reject) => {
      child.stdout!.once("data", () => resolve());
      child.once("close", (code) => reject(new Error(`xdp-bridge ended with ${code}`)));
    });
    return {
      async stop() {
        const gone = new Promise((resolve) => child.once("close", resolve));
        child.stdin!.end();
        await gone;
      },
    };
  },
};

/** A kernel bridge that floods: the generator's frames have one source address, which it need not learn. */
export const kernelBridge: Joiner = {
  name: "kernel bridge",
  async start(namespace) {
    const ip = (...args: string[]): void => void namespace.exec("ip", ...args);
    ip("link", "add", "br0", "type", "bridge", "mcast_snooping", "0");
    for (const name of ["rx0", "rx1"]) {
      ip("link", "set", name, "master", "br0");
      ip("link", "set", "dev", name, "type", "bridge_slave", "learning", "off");
    }
    ip("link", "set", "br0", "up");
    return {
      async stop() {
        ip("link", "del", "br0");
      },
    };
  },
};
