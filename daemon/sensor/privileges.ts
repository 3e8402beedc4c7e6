/**
 * What a running sensor is left with: its sockets, its spool, the files that a reload reads. No capability: mode host
 * attaches to interfaces that appear later by a child process that is started before.
 */
import { resolve } from "node:path";
import { BPF_COMMANDS } from "xdp-node";
import {
  credentials,
  folderOf,
  type Grant,
  installation,
  nameService,
  type PrivilegePlan,
  reloadable,
  runtime,
} from "../privileges/plan.js";
import type { SensorConfig } from "./config.js";

export interface SensorSetting {
  /** Where the configuration was read from. */
  configFile: string | undefined;
  /** Whether it is root while it runs. */
  isRoot: boolean;
}

/** The plan of a sensor with this configuration. */
export function sensorPrivileges(config: SensorConfig, setting: SensorSetting): PrivilegePlan {
  const { mode, file, aggregator, spool, control, extension } = config;
  const capture: Grant[] =
    mode === "pcap" && file !== undefined && file !== "-"
      ? [{ path: resolve(file), why: "the capture file" }]
      : [];
  return {
    families: ["inet", "inet6", "netlink"],
    bpf: mode === "pcap" ? [] : BPF_COMMANDS.map(({ name }) => name),
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
