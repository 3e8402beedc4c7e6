/** `sparsewire aggregator`: runs an aggregator in the foreground. */
import type { Command } from "commander";
import { credentialDefaults } from "../config/credential.js";
import { loadConfig } from "../config/load.js";
import { LOG_LEVELS, openLog } from "../log.js";
import { examples, integer, type Result, settingOption } from "./command.js";
import { collect, configPath, overridesOf, settings } from "./flags.js";
import { onHangup } from "./reload.js";

const USUAL_CONFIG = "/etc/sparsewire/aggregator.toml";

interface Options {
  config?: string;
  address?: string;
  port?: number;
  store?: string;
  logLevel?: string;
  set?: string[];
}

export function registerAggregator(parent: Command, _result: Result): void {
  const command = parent
    .command("aggregator")
    .description("run an aggregator: takes in what sensors ship, sums it, answers over HTTP")
    .option("--config <file>", `configuration (default: ${USUAL_CONFIG}, if it exists)`)
    .option("--address <address>", "address to listen on; beyond loopback only with TLS and a token")
    .option("--port <port>", "TCP port", integer(0, 65535))
    .option("--store <dir>", "folder of the archives")
    .addOption(settingOption("--log-level <level>", "least serious lines to log", LOG_LEVELS))
    .option("--set <key=value>", "override any other key of the configuration; may be repeated", collect)
    .action(run);
  examples(command, [
    ["sparsewire aggregator --store ./store", "on 127.0.0.1:8470"],
    ["curl localhost:8470/api/v1/sensors", "who ships here"],
    ["kill -HUP PID", "reads the configuration again; a broken one is refused"],
  ]);
}

async function run(options: Options): Promise<void> {
  const { aggregatorConfigSchema } = await import("../aggregator/config.js");
  const path = configPath(options.config, USUAL_CONFIG);
  const overrides = [
    ...credentialDefaults("aggregator"),
    ...overridesOf([
      ["--address", "listen.address", options.address],
      ["--port", "listen.port", options.port],
      ["--store", "store.path", options.store],
      ["--log-level", "log.level", options.logLevel],
    ]),
    ...settings(options.set),
  ];
  const load = () => loadConfig(path, aggregatorConfigSchema, overrides);
  const config = load();
  const logger = openLog({ level: config.log.level });
  const [{ startAggregator }, { aggregatorPrivileges }, { confinedText, Privileges }] = await Promise.all([
    import("../aggregator/run.js"),
    import("../aggregator/privileges.js"),
    import("../privileges/confine.js"),
  ]);
  const stopped = stopSignal();
  const privileges = new Privileges(config.privileges, aggregatorPrivileges(config, path));
  const aggregator = await startAggregator(config, { logger, privileges });
  const [{ Watch }, { ServiceManager }] = await Promise.all([
    import("../watch.js"),
    import("../sd-notify.js"),
  ]);
  try {
    privileges.confine();
    logger.info(`everything is open; from here on: ${confinedText(privileges.status())}`);
  } catch (error) {
    await aggregator.close();
    throw error;
  }
  const watch = new Watch({
    manager: new ServiceManager(process.env, logger),
    logger,
    signs: () => aggregator.signs(),
    status: () => aggregator.statusLine(),
    isReady: () => true,
  });
  const settled = onHangup(
    load,
    async (next) => {
      const answer = await aggregator.reload(next);
      logger.level = next.log.level;
      return answer;
    },
    logger,
    (reload) => watch.reload(reload),
    (error) => privileges.hint(error),
  );
  await stopped;
  settled();
  watch.stop();
  await aggregator.close();
}

/** Resolves at the first SIGTERM or SIGINT; a second one ends the process at once. */
function stopSignal(): Promise<void> {
  return new Promise((resolve) => {
    for (const signal of ["SIGTERM", "SIGINT"] as const) process.once(signal, () => resolve());
  });
}
