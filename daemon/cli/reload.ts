/** SIGHUP: read the configuration again, all or nothing, and say which keys wait for a restart. */

import { errorLine } from "../../lib/errors.js";
import { faultLine } from "../config/faults.js";
import { ConfigError } from "../config/load.js";
import type { Logger } from "../log.js";

/**
 * On every SIGHUP loads a configuration and hands it to `apply`, which answers the keys that need a restart. A
 * configuration with a fault changes nothing: the old one stays, and each fault is logged. `around` is told of each reload
 * and runs it; `hint` may add to the line of an error. Returns the undo.
 */
export function onHangup<C>(
  load: () => C,
  apply: (config: C) => Promise<{ restart: string[] }> | { restart: string[] },
  logger: Logger,
  around: (reload: () => Promise<void>) => Promise<void> = (reload) => reload(),
  hint: (error: unknown) => string = () => "",
): () => void {
  let queue = Promise.resolve();
  const once = async () => {
    try {
      const { restart } = await apply(load());
      logger.info(
        { restart },
        restart.length === 0 ? "configuration reloaded" : "reloaded; some keys need a restart",
      );
    } catch (error) {
      const faults =
        error instanceof ConfigError ? error.faults.map((fault) => faultLine(error.file, fault)) : [];
      logger.error(
        { faults },
        `reload refused, the old configuration stays: ${errorLine(error)}${hint(error)}`,
      );
    }
  };
  const handler = () => {
    queue = queue.then(() => around(once));
  };
  process.on("SIGHUP", handler);
  return () => process.off("SIGHUP", handler);
}
