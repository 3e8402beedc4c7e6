/**
 * A start that fails under a service manager ends after a pause: the manager starts a sensor again after a tenth of a second,
 * so that a killed one is back soon, and a start costs half a second of CPU. Without a pause an interface that is away for
 * hours would take most of a CPU from its host.
 */
import { setTimeout as sleep } from "node:timers/promises";
import { interfaceIndex } from "xdp-node";
import { EXIT, errorLine, exitCodeOf } from "../../lib/errors.js";
import type { ServiceManager } from "../sd-notify.js";

/** Short enough for a killed sensor whose first start fails to be back in time. */
const PAUSE_MS = 3000;
/** While an interface is away: looking for it costs nothing. */
const AWAY_MS_MAX = 60_000;
const LOOK_MS = 250;
/** What the units do not start again for (RestartPreventExitStatus=). */
const FINAL: readonly number[] = [EXIT.usage, EXIT.notPermitted, EXIT.unsupported];

export interface PauseOptions {
  manager: ServiceManager;
  /** Without which it cannot start. */
  interfaces: readonly string[];
  pauseMs?: number;
  awayMsMax?: number;
}

/** Waits after `error` ended a start; returns at once where nobody starts it again. */
export async function pauseBeforeRestart(error: unknown, options: PauseOptions): Promise<void> {
  const { manager, interfaces, pauseMs = PAUSE_MS, awayMsMax = AWAY_MS_MAX } = options;
  if (!manager.isThere || FINAL.includes(exitCodeOf(error))) return;
  manager.status(`cannot start: ${errorLine(error)}`);
  if (interfaces.every(isThere)) return await sleep(pauseMs);
  for (let passed = 0; passed < awayMsMax && !interfaces.every(isThere); passed += LOOK_MS)
    await sleep(LOOK_MS);
}

function isThere(name: string): boolean {
  try {
    return interfaceIndex(name) > 0;
  } catch {
    return false;
  }
}
