/** Settings of extensions: from a configuration's [[extension]], or for a file that a command names. */
import { basename } from "node:path";
import { TAPS_MAX } from "../../lib/abi-held.js";
import { EXIT, SparsewireError } from "../../lib/errors.js";
import { extensionName } from "../../lib/manifest.js";
import type { SensorConfig } from "../sensor/config.js";
import { extension as schema } from "../sensor/config-modes.js";
import type { ExtensionConfig } from "./extension-host.js";

export function extensionConfig(config: SensorConfig["extension"][number]): ExtensionConfig {
  return {
    name: config.name,
    file: config.file,
    memoryMax: config.memory_max,
    batchTimeoutMs: config.batch_timeout,
    rowsMax: config.rows_max,
    labelsBytesMax: config.labels_bytes_max,
    eventsMax: config.events_max,
    restartMs: config.restart,
  };
}

/** Files with the settings a configuration would give them; each is named after its file. Throws EXTENSION_NAME. */
export function extensionsOf(files: readonly string[]): ExtensionConfig[] {
  const configs = files.map((file) => {
    const name = basename(file)
      .replace(/\.wasm$/, "")
      .toLowerCase()
      .replaceAll(/[^a-z0-9-]/g, "-");
    if (!extensionName.safeParse(name).success) {
      throw new SparsewireError("EXTENSION_NAME", `${file}: its name cannot be an extension's`, {
        exit: EXIT.usage,
        mend: "rename the file: 1 to 32 of a-z 0-9 - before .wasm",
      });
    }
    return extensionConfig(schema.parse({ name, file }));
  });
  if (configs.length > TAPS_MAX || new Set(configs.map(({ name }) => name)).size < configs.length) {
    throw new SparsewireError("EXTENSION_NAME", "two extensions have one name, or there are too many", {
      exit: EXIT.usage,
      mend: `give at most ${TAPS_MAX}, with different names`,
    });
  }
  return configs;
}
