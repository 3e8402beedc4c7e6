/** What a running sensor is left with: its sockets, its spool, the files that a reload reads. */
import { resolve } from "node:path";
import { BPF_ATTACH_COMMANDS, BPF_COMMANDS } from "xdp-node";
import {
  credentials,
  folderOf,
  type Grant,
  installation,
  type Kept,
  nameService,
  type PrivilegePlan,
  reloadable,
  runtime,
} from "../privileges/plan.js";
import type { SensorConfig } from "./config.js";

/** Interfaces that appear later are attached to: only then is a capability needed while running. */
function keptBy({ mode, interfaces, interface: name }: SensorConfig): Kept[] {
  const isOpen = [...(interfaces ?? []), name ?? ""].some((pattern) => /[*?]/.test(pattern));
  return mode === "host" && isOpen
    ? [{ name: "net_admin", why: "attaching to interfaces that appear later" }]
    : [];
}

export interface SensorSetting {
  /** Where the configuration was read from. */
  configFile: string | undefined;
  /** Whether it is root while it runs. */
  isRoot: boolean;
  /** What its source has to keep beside what the configuration shows. */
  keeps?: readonly Kept[];
}

/** The plan of a sensor with this configuration. */
export function sensorPrivileges(config: SensorConfig, setting: SensorSetting): PrivilegePlan {
  const { mode, file, aggregator, spool, control, extension } = config;
  const keep = [...keptBy(config), ...(setting.keeps ?? [])];
  const commands = [...BPF_COMMANDS, ...(keep.length > 0 ? BPF_ATTACH_COMMANDS : [])];
  const capture: Grant[] =
    mode === "pcap" && file !== undefined && file !== "-"
      ? [{ path: resolve(file), why: "the capture file" }]
      : [];
  return {
    keep,
    families: ["unix", "inet", "inet6", "netlink"],
    bpf: mode === "pcap" ? [] : commands.map(({ name }) => name),
    read: [
      ...installation(),
      ...runtime(),
      { path: "/sys/class/net", why: "queues of interfaces" },
      { path: "/sys/devices", why: "where /sys/class/net leads" },
      ...reloadable([setting.configFile], "the configuration, read again at a reload"),
      ...reloadable([aggregator.token_file, aggregator.ca_file], "token and authority of the aggregator"),
      ...reloadable(
        extension.map((each) => each.file),
        "extensions, read again when one is restarted",
      ),
      ...credentials(process.env),
      ...nameService(setting.isRoot),
      ...capture,
    ],
    write: [{ path: resolve(spool.path), why: "intervals that are not acknowledged yet" }],
    unlink: [{ path: folderOf(control.socket), why: "removing the control socket at the end" }],
    tcpConnect: true,
  };
}
