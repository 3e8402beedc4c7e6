/** `sparsewire sensor`: runs a sensor in the foreground. */
import type { Command } from "commander";
import { EXIT, type ExitCode } from "../../lib/errors.js";
import { isExactName } from "../../lib/interface-pattern.js";
import { startEarly } from "../capture/capture-thread.js";
import { credentialDefaults } from "../config/credential.js";
import { loadConfig } from "../config/load.js";
import { LOG_LEVELS, openLog } from "../log.js";
import type { SensorConfig } from "../sensor/config.js";
import { UNIT_PINS } from "../sensor/pins.js";
import { examples, type Result, settingOption, usage } from "./command.js";
import { collect, configPath, overridesOf, settings } from "./flags.js";
import { instanceOf } from "./instance.js";
import { say } from "./output.js";

const USUAL_CONFIG = "/etc/sparsewire/sensor.toml";

interface Options {
  config?: string;
  instance?: string;
  interface?: string[];
  mode?: string;
  peer?: string;
  release?: boolean;
  file?: string;
  aggregator?: string;
  tokenFile?: string;
  interval?: string;
  bind?: string;
  force?: boolean;
  control?: string;
  logLevel?: string;
  set?: string[];
}

export function registerSensor(parent: Command, result: Result): void {
  const command = parent
    .command("sensor")
    .description("run a sensor: capture, seal an interval's matrix every second, ship it")
    .option("--config <file>", `configuration (default: ${USUAL_CONFIG}, if it exists)`)
    .option(
      "--instance <name>",
      "one of several sensors of this host: interface, control socket, spool and name after NAME; " +
        "configuration sensor-NAME.toml if it exists",
    )
    .option(
      "--interface <name>",
      "network interface to capture from; mode host: a name or a pattern, and may be repeated",
      collect,
    )
    .addOption(
      settingOption(
        "--mode <mode>",
        "mirror: take every frame of the interface; host: watch the host's own traffic; inline: forward frames to --peer; pcap: read --file",
        ["mirror", "host", "inline", "pcap"],
      ),
    )
    .option("--peer <name>", "mode inline: the interface on the other side")
    .option("--release", "mode inline: end the bridging that a sensor has left in the kernel, and exit")
    .option("--file <path>", "capture file of --mode pcap; - is stdin")
    .option("--aggregator <url>", "where to ship intervals")
    .option("--token-file <path>", "file with the aggregator's bearer token")
    .option("--interval <duration>", "length of an interval, as in 1s")
    .addOption(settingOption("--bind <mode>", "AF_XDP bind mode", ["auto", "copy", "zerocopy"]))
    .option("--force", "capture from an interface that has addresses; its frames no longer reach this host")
    .option("--control <path>", "Unix socket that status and top ask")
    .addOption(settingOption("--log-level <level>", "least serious lines to log", LOG_LEVELS))
    .option("--set <key=value>", "override any other key of the configuration; may be repeated", collect)
    .action(async (options: Options) => {
      result.code = await run(options);
    });
  examples(command, [
    ["sparsewire sensor --interface eth1", "a mirror port, no aggregator; watch with sparsewire top"],
    [
      "sparsewire sensor --config edge.toml --bind zerocopy",
      "zero-copy or an error, never a silent fallback",
    ],
    [
      "sparsewire sensor --mode host --interface eth0 --interface 'wg*'",
      "this host's own traffic, undisturbed",
    ],
    ["sparsewire sensor --interface eth1 --set metrics.port=9999", "any key, without a file"],
    ["kill -HUP PID", "reads the configuration again; a broken one is refused"],
  ]);
}

async function run(options: Options): Promise<ExitCode> {
  if (options.mode !== "pcap" && options.file === undefined && !options.release) startEarly();
  const { sensorConfigSchema } = await import("../sensor/config.js");
  const instance = options.instance === undefined ? undefined : instanceOf(options.instance);
  const path = configPath(options.config ?? instance?.path, USUAL_CONFIG);
  const overrides = [
    ...(instance?.overrides ?? []),
    ...credentialDefaults("sensor"),
    ...overridesOf([
      ...interfaceFlags(options.interface),
      ["--mode", "mode", options.mode],
      ["--peer", "inline.peer", options.peer],
      ["--file", "file", options.file],
      ["--aggregator", "aggregator.url", options.aggregator],
      ["--token-file", "aggregator.token_file", options.tokenFile],
      ["--interval", "interval", options.interval],
      ["--bind", "bind", options.bind],
      ["--force", "force", options.force],
      ["--control", "control.socket", options.control],
      ["--log-level", "log.level", options.logLevel],
    ]),
    ...settings(options.set),
  ];
  if (
    path === undefined &&
    instance === undefined &&
    options.interface === undefined &&
    options.file === undefined &&
    !options.set
  ) {
    throw usage(
      "there is no interface to capture from",
      "give --interface NAME, or a configuration with --config",
    );
  }
  const load = () => loadConfig(path, sensorConfigSchema, overrides);
  const config = load();
  if (options.release) return await release(config);
  const logger = openLog({ level: config.log.level, fields: { sensor: config.sensor } });
  const { runSensor } = await import("../sensor/run.js");
  return await runSensor(config, { logger, load, configFile: path });
}

/** One name is `interface`, whatever the mode; several, or a pattern, are `interfaces` of mode host. */
function interfaceFlags(names: string[] | undefined): [string, string, unknown][] {
  if (names?.length === 1 && isExactName(names[0]!)) return [["--interface", "interface", names[0]]];
  return [["--interface", "interfaces", names]];
}

/** Takes off the interfaces what mode inline keeps there with on_exit = open. */
async function release(config: SensorConfig): Promise<ExitCode> {
  const { releaseBridge } = await import("../sensor/inline-bridge.js");
  const removed = releaseBridge(config, [config.inline.pins, UNIT_PINS]);
  const wire = [config.interface, config.inline.peer].filter((name) => name !== undefined).join(" and ");
  say(
    removed.length === 0
      ? `nothing was bridging ${wire}\n`
      : `${wire}: no longer bridged, promiscuous mode is off\n${removed.map((path) => `  ${path}\n`).join("")}`,
  );
  return EXIT.ok;
}
