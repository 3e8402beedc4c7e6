/**
 * The watch over a running daemon: asks every part for a sign of progress and passes the answer on to the service
 * manager. It beats only while no part is stalled; it runs on the main thread's event loop, so a hung one ends it too.
 */
import { ProgressWatch, type Sign, stallText } from "../lib/progress.js";
import type { Logger } from "./log.js";
import type { ServiceManager } from "./sd-notify.js";

/** What is taken for the watchdog's time when nobody watches: stalls are logged all the same. */
const WATCHDOG_MS = 30_000;
const CHECK_MS_MAX = 1000;
/** How often the line of status is renewed where there is no watchdog. */
const STATUS_MS = 10_000;
/** READY does not wait longer than this for a first interval that may be an hour long. */
const READY_MS = 30_000;

export interface WatchOptions {
  manager: ServiceManager;
  logger: Logger;
  /** Asked at every check; `watchdogMs` is the time in which the service manager wants to hear of us. */
  signs(watchdogMs: number): Sign[];
  status(): string;
  isReady(): boolean;
  now?: () => number;
}

export class Watch {
  readonly #options: WatchOptions;
  readonly #watchdogMs: number;
  readonly #progress: ProgressWatch;
  readonly #now: () => number;
  readonly #timer: NodeJS.Timeout;
  readonly #startedMs: number;
  #isReadyTold = false;
  #isStopped = false;
  #wasStalled = false;
  #toldMs: number;

  /** Begins at once. */
  constructor(options: WatchOptions) {
    this.#options = options;
    this.#now = options.now ?? (() => performance.now());
    this.#watchdogMs = options.manager.watchdogMs ?? WATCHDOG_MS;
    const everyMs = Math.min(CHECK_MS_MAX, this.#watchdogMs / 8);
    this.#progress = new ProgressWatch(4 * everyMs);
    this.#startedMs = this.#now();
    this.#toldMs = this.#startedMs;
    this.#timer = setInterval(() => this.check(), everyMs);
    this.#timer.unref();
  }

  /** One look; the timer calls it. */
  check(): void {
    const { manager, signs, status, isReady, logger } = this.#options;
    const now = this.#now();
    const stalls = this.#progress.check(now, signs(this.#watchdogMs));
    const isStalled = stalls.length > 0;
    if (isStalled && !this.#wasStalled) {
      logger.error({ stalls }, `no progress: ${stallText(stalls)}`);
      manager.status(`no progress: ${stallText(stalls)}`);
    } else if (!isStalled && this.#wasStalled) logger.info("everything moves again");
    this.#wasStalled = isStalled;
    if (isStalled) return;
    if (!this.#isReadyTold && (isReady() || now - this.#startedMs >= READY_MS)) {
      this.#isReadyTold = true;
      manager.ready(status());
    }
    const every = manager.watchdogMs === undefined ? STATUS_MS : manager.watchdogMs / 2;
    // Timers come late, never early: the beat that is nearest below the half is the right one.
    if (now - this.#toldMs < every - Math.min(CHECK_MS_MAX, this.#watchdogMs / 8) / 2) return;
    this.#toldMs = now;
    if (manager.watchdogMs === undefined) manager.status(status());
    else manager.beat(status());
  }

  /** Around a reload: tells that it begins, and that it is over, whatever came of it. */
  async reload<T>(action: () => T | Promise<T>): Promise<T> {
    // Whoever is still starting is not reloading: the manager would take the end of it for being ready.
    if (!this.#isReadyTold) return await action();
    const { manager, status } = this.#options;
    manager.reloading();
    try {
      return await action();
    } finally {
      manager.ready(status());
    }
  }

  /** The end begins: no beats any more, the manager's own time-out counts from here. */
  stop(): void {
    if (this.#isStopped) return;
    this.#isStopped = true;
    clearInterval(this.#timer);
    this.#options.manager.stopping();
  }
}
