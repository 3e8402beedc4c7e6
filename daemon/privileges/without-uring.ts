/** How a daemon starts: anew, in its own place, where no io_uring can be made. Loaded before everything else. */
import { canMakeUring, restartWithoutUring } from "xdp-node/uring";

/** Set from the first start to the second, so that there is no third. */
const MARK = "SPARSEWIRE_WITHOUT_URING";

/**
 * Returns in a process that can make no ring; the first time, by becoming that process. Units, containers and kernels that
 * refuse io_uring anyhow cost no second start. Where it cannot be refused, the process goes on as it is:
 * `Privileges.confine` refuses to go on with a ring.
 */
export function startWithoutUring(): void {
  const isSecond = process.env[MARK] !== undefined;
  delete process.env[MARK];
  if (isSecond || !canMakeUring()) return;
  process.env[MARK] = "1";
  const channel = process.channel as { fd?: number } | undefined;
  // Node takes the parent's channel out of the environment when it has opened it.
  if (channel?.fd !== undefined) process.env.NODE_CHANNEL_FD = String(channel.fd);
  try {
    restartWithoutUring(process.execPath, [process.argv0, ...process.execArgv, ...process.argv.slice(1)]);
  } catch {
    delete process.env[MARK];
    delete process.env.NODE_CHANNEL_FD;
  }
}
