/** From a sealed interval to the aggregator, in the worker: a sensor's own outbox, spool, shipper and transport. */
import type { Logger } from "pino";
import type { Manifest } from "../../lib/manifest.js";
import type { LostIntervals } from "../sensor/lost.js";
import { Outbox, type OutboxItem } from "../sensor/outbox.js";
import { RunState } from "../sensor/run-state.js";
import { Shipper } from "../sensor/shipper.js";
import { Spool } from "../sensor/spool.js";
import { openTransport } from "../sensor/targets.js";
import type { DeliveryFigures, DeliveryOptions } from "./protocol.js";

export class Delivery {
  readonly #outbox: Outbox;
  readonly #spool: Spool;
  readonly #shipper: Shipper;
  readonly #state: RunState;
  readonly #lost: LostIntervals;

  /** Opens spool and transport (SPOOL_UNUSABLE, TOKEN_FILE) and ships what an earlier run left. */
  constructor(
    options: DeliveryOptions,
    run: string,
    lost: LostIntervals,
    logger: Logger,
    changed: () => void,
  ) {
    const transport = openTransport(transportOptions(options))!;
    this.#lost = lost;
    this.#spool = new Spool(options.spoolPath, options.spoolBytesMax, (line) => logger.warn(line));
    this.#shipper = new Shipper(this.#spool, transport, {
      lost,
      logger,
      retryMsMax: options.retryMsMax,
      hooks: { shipped: changed },
    });
    this.#outbox = new Outbox(this.#spool, lost, logger, ({ sequence }) => {
      this.#state.spooled(sequence);
      this.#shipper.nudge();
    });
    this.#state = new RunState(options.spoolPath, run, (line) => logger.warn(line));
    for (const before of this.previous) {
      if (before.ended === "crash")
        lost.count("crash", `run ${before.run} did not close; what it had open is gone`);
    }
    this.#shipper.start();
  }

  /** The runs before this one, for the manifest. */
  get previous(): NonNullable<Manifest["previous"]> {
    return this.#state.previous;
  }

  put(item: OutboxItem): void {
    this.#outbox.put(item);
  }

  /** Spools everything and ships what it can; what is left after `milliseconds` stays in the spool for the next run. */
  async close(milliseconds: number): Promise<void> {
    const deadline = Date.now() + milliseconds;
    await this.#outbox.close(milliseconds / 2);
    await this.#shipper.stop(Math.max(0, deadline - Date.now()));
    this.#state.end();
  }

  figures(): DeliveryFigures {
    return {
      ...this.#shipper.figures,
      waiting: this.#spool.depth + this.#outbox.depth,
      lost: { ...this.#lost.byCause },
    };
  }
}

/** The sensor's configuration of its aggregator, for these options. */
export const transportOptions = (options: DeliveryOptions): Parameters<typeof openTransport>[0] => ({
  url: options.url,
  token_file: options.tokenFile,
  ca_file: options.caFile,
  timeout: options.timeoutMs,
  retry_max: options.retryMsMax,
});
