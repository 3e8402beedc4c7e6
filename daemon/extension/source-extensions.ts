/** The extensions of a sensor's configuration, as its source starts them. */
import { warn } from "../cli/command.js";
import type { Logger } from "../log.js";
import type { SensorConfig } from "../sensor/config.js";
import { ExtensionHost } from "./extension-host.js";
import { extensionConfig } from "./settings.js";

/** Undefined where none are configured. Throws BAD_EXTENSION or CANNOT_READ. */
export function extensionsOfSensor(config: SensorConfig, logger?: Logger): ExtensionHost | undefined {
  if (config.extension.length === 0) return undefined;
  const { key_file, credential, truncate4, truncate6 } = config.anonymize;
  const { verdict } = config.inline;
  return new ExtensionHost(config.extension.map(extensionConfig), {
    mode: config.mode,
    isLossless: config.mode === "pcap",
    ...(config.mode === "inline" && verdict !== undefined ? { verdict } : {}),
    isAnonymizing: key_file !== undefined || credential !== undefined || truncate4 < 32 || truncate6 < 128,
    goesOnWithout: true,
    log: (level, fields, message) => (logger === undefined ? warn(message) : logger[level](fields, message)),
  });
}
