/** `sparsewire privileges`: what a daemon is left with while it runs, line by line with the reasons. */
import { Argument, type Command } from "commander";
import { BPF_COMMANDS, landlockAbi, SOCKET_FAMILIES, seccompRules } from "xdp-node";
import { loadConfig } from "../config/load.js";
import type { PrivilegesConfig } from "../privileges/config.js";
import type { Grant, PrivilegePlan } from "../privileges/plan.js";
import { examples, type Result, withOutput } from "./command.js";
import { configPath } from "./flags.js";
import { emit } from "./output.js";
import { table } from "./table.js";

type Daemon = "sensor" | "aggregator";

interface Options {
  config?: string;
  output?: string;
  json?: boolean;
}

interface Explanation {
  daemon: Daemon;
  config: PrivilegesConfig;
  plan: PrivilegePlan;
  refused: { call: string; when: string; answer: string; why: string }[];
  sockets: { name: string; why: string }[];
  bpf: { name: string; why: string }[];
  /** What this kernel offers; 0: none. */
  landlock_abi: number;
}

const ENOSYS = 38;

export function registerPrivileges(parent: Command, _result: Result): void {
  const command = parent
    .command("privileges")
    .description("explain what a running daemon is left with: capabilities, system calls, files")
    .addArgument(new Argument("[daemon]", "which one").choices(["sensor", "aggregator"]).default("sensor"))
    .option("--config <file>", "its configuration (default: the one in /etc/sparsewire, if it exists)")
    .action(async (daemon: Daemon, options: Options) => {
      const explanation = await explain(daemon, options.config);
      await emit(options.output, [
        options.json ? `${JSON.stringify(explanation, null, 1)}\n` : asText(explanation),
      ]);
    });
  withOutput(command);
  examples(command, [
    ["sparsewire privileges", "the sensor's, as /etc/sparsewire/sensor.toml has it"],
    ["sparsewire privileges aggregator --json", "the aggregator's, for machines"],
    ["sparsewire status", "what a running sensor holds"],
  ]);
}

async function explain(daemon: Daemon, file: string | undefined): Promise<Explanation> {
  const { plan, config } = await planOf(daemon, configPath(file, `/etc/sparsewire/${daemon}.toml`));
  const named = <T extends { name: string }>(list: readonly T[], names: readonly string[]): T[] =>
    list.filter(({ name }) => names.includes(name));
  return {
    daemon,
    config,
    plan,
    refused: seccompRules().map(({ name, when, errno, why }) => ({
      call: name,
      when,
      answer: errno === ENOSYS ? "ENOSYS" : "EPERM",
      why,
    })),
    sockets: named(SOCKET_FAMILIES, plan.families).map(({ name, why }) => ({ name, why })),
    bpf: named(BPF_COMMANDS, plan.bpf).map(({ name, why }) => ({ name, why })),
    landlock_abi: landlockAbi(),
  };
}

async function planOf(daemon: Daemon, path: string | undefined) {
  if (daemon === "aggregator") {
    const { aggregatorConfigSchema } = await import("../aggregator/config.js");
    const { aggregatorPrivileges } = await import("../aggregator/privileges.js");
    const config = loadConfig(path, aggregatorConfigSchema);
    return { config: config.privileges, plan: aggregatorPrivileges(config, path) };
  }
  const { sensorConfigSchema } = await import("../sensor/config.js");
  const { sensorPrivileges } = await import("../sensor/privileges.js");
  const unnamed = path === undefined ? [{ key: "interface", flag: "", value: "eth0" }] : [];
  const config = loadConfig(path, sensorConfigSchema, unnamed);
  const isRoot = process.geteuid!() === 0 && config.privileges.user === undefined;
  return { config: config.privileges, plan: sensorPrivileges(config, { configFile: path, isRoot }) };
}

function asText({ daemon, config, plan, refused, sockets, bpf, landlock_abi: abi }: Explanation): string {
  const off = (is: boolean): string => (is ? "" : " (switched off in the configuration)");
  const files = (may: string, grants: Grant[]): string[][] => grants.map(({ path, why }) => [may, path, why]);
  const stays = [
    ...sockets.map(({ name, why }) => ["socket", name, why]),
    ...bpf.map(({ name, why }) => ["bpf", name, why]),
  ];
  const netAnswers = plan.tcpConnect ? "can be connected to" : "cannot be connected to";
  return [
    `The ${daemon}, once everything is open:\n\n`,
    `CAPABILITIES${off(config.drop)}\n`,
    "None stays.\n",
    `\nFILES AND PORTS (Landlock${abi === 0 ? ": this kernel has none" : `, ABI ${abi} here`})${off(config.sandbox)}\n`,
    table(
      ["MAY", "PATH", "WHY"],
      [...files("write", plan.write), ...files("remove", plan.unlink), ...files("read", plan.read)],
    ),
    `Nothing can be executed. No TCP port can be bound; ports of others ${netAnswers} (Linux 6.7).\n`,
    `\nSOCKETS AND BPF that stay${off(config.sandbox)}\n`,
    stays.length === 0
      ? "None: it makes no socket, of whatever kind.\n"
      : table(["KIND", "NAME", "WHY"], stays),
    `\nSYSTEM CALLS that are refused (seccomp)${off(config.sandbox)}\n`,
    table(
      ["CALL", "WHEN", "ANSWER", "WHY"],
      refused.map(({ call, when, answer, why }) => [call, when, answer, why]),
    ),
    "Calls newer than Linux 5.17 are answered with ENOSYS, as by a kernel that has none; calls of another\n",
    "architecture are refused. What is refused appears in the kernel's audit log (type 1326).\n",
  ].join("");
}
