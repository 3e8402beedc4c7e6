/** A sensor under test at the end of a veth whose other end the test sends from, each in a namespace of its own. */
import { mkdirSync } from "node:fs";
import type { SensorStatus } from "../../daemon/sensor/status.js";
import { offered, type ProcessOptions, SensorProcess } from "./sensor-process.js";
import { type Namespace, NetworkLab, type VethOptions } from "./tools/netns.js";

export * from "./sensor-process.js";

export interface RigOptions
  extends VethOptions,
    Pick<ProcessOptions, "node" | "nodeArgs" | "env" | "startMs"> {
  /** Lines of sensor.toml before its first table, and tables after them. */
  top?: string;
  tables?: string;
  /** Nobody listens there by default, so that every interval stays in the spool. */
  aggregator?: string;
  spoolBytes?: string;
  sensor?: string;
}

export class Rig extends SensorProcess {
  readonly lab: NetworkLab;
  readonly sender: Namespace;
  readonly receiver: Namespace;
  readonly #options: RigOptions;

  constructor(options: RigOptions = {}) {
    const lab = new NetworkLab("sw-rig-");
    const [sender, receiver] = [lab.namespace("tx"), lab.namespace("rx")];
    super(receiver, options);
    this.#options = options;
    this.lab = lab;
    this.sender = sender;
    this.receiver = receiver;
    lab.veth(sender, "tx0", receiver, "rx0", options);
    mkdirSync(this.spool);
    this.configure();
  }

  configure(options: RigOptions = this.#options): void {
    const { sensor = "rig", top = "", ...others } = options;
    this.write({ ...others, top: `sensor = "${sensor}"\ninterface = "rx0"\n${top}` });
  }

  /** Waits until the sandbox has taken `frames` frames or lost them by name; the status then. */
  settled(frames: number): Promise<SensorStatus> {
    return this.statusWhen((status) => offered(status) >= frames);
  }

  override close(): void {
    this.lab.close();
    super.close();
  }
}
