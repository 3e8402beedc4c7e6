/**
 * A sensor in mode inline between two hosts: left tx0 -- rx0 [sensor] rx1 -- tx1 right, each end in a namespace of its
 * own, and a third interface rx2 for diverted frames if asked for.
 */
import { spawnSync } from "node:child_process";
import { mkdtempSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import type { SensorStatus } from "../../daemon/sensor/status.js";
import type { Forward } from "../../lib/forward.js";
import { Rig, type RigOptions } from "./rig.js";
import type { Namespace } from "./tools/netns.js";

export interface InlineOptions extends RigOptions {
  onExit?: "open" | "closed";
  /** Lines of [inline] beside peer, on_exit and pins. */
  inline?: string;
  divert?: boolean;
}

export class InlineRig extends Rig {
  readonly left: Namespace;
  readonly right: Namespace;
  readonly aside: Namespace | undefined;
  /** A BPF file system of its own: the namespaces' /sys has none. */
  readonly pins = mkdtempSync(join(tmpdir(), "sparsewire-bpffs-"));

  constructor(options: InlineOptions = {}) {
    super(withoutAddresses(options));
    const mounted = spawnSync("mount", ["-t", "bpf", "bpf", this.pins]);
    if (mounted.status !== 0) throw new Error(`no BPF file system: ${mounted.stderr}`);
    this.left = this.sender;
    this.right = this.lab.namespace("ty");
    this.lab.veth(this.right, "tx1", this.receiver, "rx1", withoutAddresses(options));
    for (const [i, host, name] of [[0, this.left, "tx0"] as const, [1, this.right, "tx1"] as const]) {
      if (options.addresses === undefined) continue;
      host.exec("ip", "link", "set", name, "arp", "on");
      host.exec("ip", "addr", "add", options.addresses[i]!, "dev", name);
    }
    if (options.divert) {
      this.aside = this.lab.namespace("tz");
      this.lab.veth(this.aside, "tx2", this.receiver, "rx2", withoutAddresses(options));
    }
    this.configureInline(options);
  }

  configureInline(options: InlineOptions): void {
    const divert = options.divert ? 'divert = "rx2"\n' : "";
    this.configure({
      ...options,
      top: `mode = "inline"\n${options.top ?? ""}`,
      tables: `[inline]\npeer = "rx1"\non_exit = "${options.onExit ?? "closed"}"\npins = "${this.pins}"\n${divert}${options.inline ?? ""}\n${options.tables ?? ""}`,
    });
  }

  /** Waits until a direction has `frames` frames accounted for: forwarded, diverted or dropped by name. */
  async forwarded(from: string, frames: number): Promise<Forward> {
    const direction = ({ forward }: SensorStatus): Forward => forward!.find((each) => each.from === from)!;
    return direction(await this.statusWhen((status) => accounted(direction(status)) >= frames));
  }

  override close(): void {
    super.close();
    spawnSync("umount", ["-l", this.pins]);
    rmSync(this.pins, { recursive: true, force: true });
  }
}

/** Addresses are the hosts', left and right; the sensor's own interfaces have none. */
function withoutAddresses({ addresses: _, ...options }: InlineOptions): InlineOptions {
  return options;
}

export const accounted = ({ forwarded, diverted, dropped }: Forward): number =>
  Object.values(dropped).reduce((sum, count) => sum + count, forwarded + diverted);
