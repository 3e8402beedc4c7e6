/** `sparsewire sensor`: from a configuration to a running sensor and back, with its signals. */
import { EXIT, type ExitCode, errorLine } from "../../lib/errors.js";
import { diffConfig } from "../config/schema.js";
import type { Logger } from "../log.js";
import { confinedText, Privileges } from "../privileges/confine.js";
import { ServiceManager } from "../sd-notify.js";
import { Watch } from "../watch.js";
import { type SensorConfig, sensorConfigSchema } from "./config.js";
import { openSource } from "./open-source.js";
import { sensorPrivileges } from "./privileges.js";
import { SensorReport } from "./report.js";
import { pauseBeforeRestart } from "./restart-pause.js";
import { Sensor } from "./sensor.js";
import { sensorSigns, sensorStatusLine } from "./signs.js";

/** What answers requests. Loading it takes as long as all the rest, so that is done while frames are taken already. */
const loadDoors = async () => ({ ...(await import("./servers.js")), ...(await import("./metrics.js")) });
type Doors = Awaited<ReturnType<typeof loadDoors>>;

export interface SensorOptions {
  logger: Logger;
  /** Reads the configuration anew (SIGHUP); throws when it is not sound. */
  load?: () => SensorConfig;
  /** Where the configuration is read from: it stays readable. */
  configFile?: string | undefined;
  /** Called once everything runs (the demo and tests wait for it). */
  onStarted?: (report: SensorReport) => void;
}

/**
 * Runs a sensor until SIGTERM or SIGINT, or until its file is read. Returns the exit code; throws SparsewireError when it
 * cannot start or its capture fails.
 */
export async function runSensor(config: SensorConfig, options: SensorOptions): Promise<ExitCode> {
  const { logger } = options;
  const manager = new ServiceManager(process.env, logger);
  let doors: Doors | undefined;
  const sensor = await startSensor(config, logger, async () => {
    doors = await loadDoors();
  }).catch(async (error) => {
    await pauseBeforeRestart(error, { manager, interfaces: neededInterfaces(config) });
    throw error;
  });
  const { source } = sensor;
  const privileges = privilegesOf(sensor, options);
  const report = new SensorReport(sensor, privileges);
  let servers: Awaited<ReturnType<Doors["openServers"]>>;
  try {
    const { openServers, sensorMetrics } = doors!;
    servers = await openServers(sensor, report, sensorMetrics(sensor, report), config);
  } catch (error) {
    await sensor.stop();
    throw error;
  }
  report.metricsUrl = servers.metricsUrl;
  try {
    privileges.confine();
    logger.info(`everything is open; from here on: ${confinedText(privileges.status())}`);
  } catch (error) {
    await sensor.stop();
    await servers.close();
    throw error;
  }
  logger.info(
    {
      interface: source.name,
      effective: source.effective,
      anonymization: sensor.anonymization,
      run: sensor.run,
      metrics: servers.metricsUrl,
    },
    `capturing ${source.name}`,
  );
  const watch = new Watch({
    manager,
    logger,
    signs: (watchdogMs) => sensorSigns(sensor, watchdogMs),
    status: () => sensorStatusLine(sensor),
    isReady: () => sensor.isReady,
  });
  const signals = watchSignals(sensor, watch, privileges, options);
  options.onStarted?.(report);
  try {
    const damage = await sensor.finished;
    if (damage === undefined) return EXIT.ok;
    logger.warn(`${config.file}: ${damage}; what precedes the damage was counted`);
    return EXIT.badInput;
  } finally {
    signals.dispose();
    watch.stop();
    await sensor.stop().catch(() => undefined);
    await servers.close();
    const { sealed } = sensor;
    logger.info({ intervals: sealed, lost: sensor.lost.byCause, spool: sensor.spool?.depth ?? 0 }, "stopped");
  }
}

async function startSensor(
  config: SensorConfig,
  logger: Logger,
  meanwhile: () => Promise<void>,
): Promise<Sensor> {
  const sensor = new Sensor(config, openSource(config, logger), logger);
  await sensor.start(meanwhile);
  return sensor;
}

/** Mode host waits for its interfaces by itself, and a file needs none. */
function neededInterfaces({ mode, interface: name, inline }: SensorConfig): string[] {
  if (mode !== "mirror" && mode !== "inline") return [];
  return [name, mode === "inline" ? inline.peer : undefined].filter((each) => each !== undefined);
}

/** What the running sensor is left with. */
function privilegesOf({ config }: Sensor, { configFile }: SensorOptions): Privileges {
  const isRoot = process.geteuid!() === 0 && config.privileges.user === undefined;
  return new Privileges(config.privileges, sensorPrivileges(config, { configFile, isRoot }));
}

function watchSignals(
  sensor: Sensor,
  watch: Watch,
  privileges: Privileges,
  { logger, load }: SensorOptions,
): { dispose(): void } {
  let isStopping = false;
  const stop = (signal: NodeJS.Signals): void => {
    if (isStopping) return;
    isStopping = true;
    logger.info({ signal }, "stopping: sealing and shipping the last interval");
    watch.stop();
    sensor.stop().catch((error) => logger.error(errorLine(error)));
  };
  const reload = (): void => {
    if (load === undefined) {
      logger.warn("SIGHUP: there is no configuration file to read again");
      return;
    }
    try {
      const config = load();
      const { restart } = diffConfig(sensorConfigSchema, sensor.config, config);
      sensor.reload(config);
      logger.level = config.log.level;
      if (restart.length > 0)
        logger.warn({ keys: restart }, `these keys need a restart: ${restart.join(", ")}`);
      logger.info("configuration reloaded");
    } catch (error) {
      logger.error(`the old configuration stays: ${errorLine(error)}${privileges.hint(error)}`);
    }
  };
  const hangUp = (): void => void watch.reload(reload);
  process.on("SIGTERM", stop).on("SIGINT", stop).on("SIGHUP", hangUp);
  return {
    dispose() {
      process.off("SIGTERM", stop).off("SIGINT", stop).off("SIGHUP", hangUp);
    },
  };
}
