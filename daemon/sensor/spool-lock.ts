/** One sensor per spool: two would ship and delete each other's intervals, and take each other for crashed. */
import { mkdirSync } from "node:fs";
import { SparsewireError } from "../../lib/errors.js";
import { lockFolder, weakLock } from "../lock.js";
import type { Logger } from "../log.js";

/**
 * Makes and locks the folder of a spool; returns what gives it back. A folder that cannot be made is left to the spool to
 * tell; a disk that has no room for the lock does not stop a sensor: it goes on without one.
 *
 * @throws SparsewireError SPOOL_LOCKED when another living process has it
 */
export function lockSpool(path: string, logger: Logger): () => void {
  try {
    mkdirSync(path, { recursive: true, mode: 0o750 });
  } catch {
    return () => undefined;
  }
  try {
    return lockFolder(
      path,
      (holder) =>
        new SparsewireError("SPOOL_LOCKED", `another sensor, ${holder}, has the spool ${path} already`, {
          mend: "stop it, or give this one a spool of its own: spool.path, or --instance",
        }),
      { weak: (why) => logger.warn(weakLock(path, why)) },
    );
  } catch (error) {
    if (error instanceof SparsewireError) throw error;
    const why = (error as NodeJS.ErrnoException).code ?? String(error);
    logger.warn(`the spool ${path} cannot be locked (${why}); see that no other sensor uses it`);
    return () => undefined;
  }
}
