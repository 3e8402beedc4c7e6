/** The clockwork beside the HTTP server: rolls up every second, lets retention look every ten. One step at a time. */
import type { Logger } from "../log.js";
import type { Retention } from "./retention.js";
import type { Rollups } from "./rollups.js";

const STEP_MS = 1_000;
const RETENTION_EVERY_MS = 10_000;

export class Maintenance {
  readonly #rollups: Rollups;
  readonly #retention: Retention;
  readonly #logger: Logger;
  #timer: NodeJS.Timeout | undefined;
  #step: Promise<void> = Promise.resolve();
  /** Monotonic ms of the last look of retention. */
  #retained = Number.NEGATIVE_INFINITY;
  /** Steps that have ended: what shows that this goes on. */
  turns = 0;

  constructor(rollups: Rollups, retention: Retention, logger: Logger) {
    this.#rollups = rollups;
    this.#retention = retention;
    this.#logger = logger;
  }

  start(): void {
    this.#timer = setTimeout(() => {
      this.#step = this.#work().finally(() => {
        this.turns++;
        if (this.#timer !== undefined) this.start();
      });
    }, STEP_MS);
  }

  /** No further step begins. */
  pause(): void {
    clearTimeout(this.#timer);
    this.#timer = undefined;
  }

  /** Resolves when the step under way has ended. */
  async stop(): Promise<void> {
    this.pause();
    await this.#step;
  }

  async #work(): Promise<void> {
    try {
      await this.#rollups.work();
      const now = performance.now();
      if (now - this.#retained < RETENTION_EVERY_MS && !this.#retention.isFull) return;
      this.#retained = now;
      await this.#retention.work();
    } catch (error) {
      this.#logger.error({ err: error }, "maintenance of the store failed; it is tried again");
    }
  }
}
