/**
 * The shipper: takes the spool's oldest interval, delivers it, deletes it when it is acknowledged, and goes on. An
 * aggregator that is away costs a pause that grows up to a limit, never an interval.
 */
import type { Logger } from "pino";
import { parseArchiveName } from "../../lib/archive.js";
import { BackOff } from "../../lib/back-off.js";
import type { LostIntervals } from "./lost.js";
import type { Spool } from "./spool.js";
import type { Transport } from "./transport.js";

export interface ShipperFigures {
  acknowledged: number;
  duplicates: number;
  bytes: number;
  retries: Record<string, number>;
  lastError: string | null;
  lastAcknowledgedMs: number | null;
}

export interface ShipperHooks {
  /** Seconds from taking it up to the acknowledgement, of one interval. */
  shipped(seconds: number): void;
  /** The same, told by which interval it was. */
  delivered?(identity: { run: string; sequence: number }): void;
}

export class Shipper {
  readonly figures: ShipperFigures = {
    acknowledged: 0,
    duplicates: 0,
    bytes: 0,
    retries: {},
    lastError: null,
    lastAcknowledgedMs: null,
  };
  /** Steps of the loop so far; the next is due within patienceMs. A peer that is away does not stop them. */
  turns = 0;
  patienceMs = 0;
  readonly #spool: Spool;
  readonly #lost: LostIntervals;
  readonly #logger: Logger;
  readonly #hooks: ShipperHooks;
  #transport: Transport;
  #backOff: BackOff;
  #stop = new AbortController();
  #wake: (() => void) | undefined;
  #loop: Promise<void> | undefined;

  constructor(
    spool: Spool,
    transport: Transport,
    options: { lost: LostIntervals; logger: Logger; retryMsMax: number; hooks: ShipperHooks },
  ) {
    this.#spool = spool;
    this.#transport = transport;
    this.#lost = options.lost;
    this.#logger = options.logger;
    this.#hooks = options.hooks;
    this.#backOff = new BackOff(250, options.retryMsMax);
  }

  start(): void {
    this.#loop = this.#run();
  }

  /** Something new is in the spool. */
  nudge(): void {
    if (!this.#backOff.isWaiting) this.#wake?.();
  }

  /** Another target from the next delivery on. */
  retarget(transport: Transport, retryMsMax: number): void {
    this.#transport.close();
    this.#transport = transport;
    this.#backOff = new BackOff(250, retryMsMax);
    this.#wake?.();
  }

  get target(): string {
    return this.#transport.target;
  }

  /** Ships on until the spool is empty or `milliseconds` are over; what is left stays in the spool. */
  async stop(milliseconds: number): Promise<void> {
    const deadline = Date.now() + milliseconds;
    while (this.#spool.depth > 0 && Date.now() < deadline && !this.#backOff.isWaiting) {
      await new Promise((resolve) => setTimeout(resolve, 10));
    }
    this.#stop.abort();
    this.#wake?.();
    await this.#loop;
    this.#transport.close();
  }

  async #run(): Promise<void> {
    while (!this.#stop.signal.aborted) {
      const name = this.#spool.oldest();
      this.#turn(this.#transport.timeoutMs);
      const pause = name === undefined ? 60_000 : await this.#ship(name);
      this.#turn(pause);
      if (pause > 0) await this.#sleep(pause);
    }
  }

  #turn(patienceMs: number): void {
    this.turns++;
    this.patienceMs = patienceMs;
  }

  /** One delivery; returns how long to pause before the next. */
  async #ship(name: string): Promise<number> {
    const started = performance.now();
    let archive: Uint8Array;
    try {
      archive = await this.#spool.hold(name);
    } catch (error) {
      this.#spool.release();
      await this.#lose(name, "spool_unreadable", (error as Error).message);
      return 0;
    }
    try {
      const identity = parseArchiveName(name)!;
      const delivery = await this.#transport.send(identity, archive, this.#stop.signal);
      if (this.#stop.signal.aborted && delivery.result === "retry") return 0;
      if (delivery.result === "acknowledged") {
        await this.#spool.remove(name);
        this.#hooks.delivered?.(identity);
        this.#acknowledged(archive.length, delivery.duplicate, (performance.now() - started) / 1000);
        return 0;
      }
      this.figures.lastError = delivery.message;
      if (delivery.result === "refused") {
        await this.#lose(name, `refused_${delivery.cause}`, delivery.message);
        return 0;
      }
      return this.#retryLater(delivery.cause, delivery.message, delivery.afterMs);
    } finally {
      this.#spool.release();
    }
  }

  #acknowledged(bytes: number, isDuplicate: boolean, seconds: number): void {
    if (this.#backOff.failures > 0) {
      this.#logger.info({ spool: this.#spool.depth }, `shipping to ${this.target} again`);
    }
    this.#backOff.reset();
    this.figures.acknowledged++;
    if (isDuplicate) this.figures.duplicates++;
    this.figures.bytes += bytes;
    this.figures.lastError = null;
    this.figures.lastAcknowledgedMs = Date.now();
    this.#hooks.shipped(seconds);
  }

  #retryLater(cause: string, message: string, afterMs = 0): number {
    this.figures.retries[cause] = (this.figures.retries[cause] ?? 0) + 1;
    const pause = Math.max(afterMs, this.#backOff.next());
    // Once when it begins; the counter tells how often it went on.
    if (this.#backOff.failures === 1) {
      this.#logger.warn({ cause }, `cannot ship to ${this.target}: ${message}; intervals wait in the spool`);
    }
    return pause;
  }

  async #lose(name: string, cause: string, message: string): Promise<void> {
    await this.#spool.remove(name);
    this.#lost.count(cause, `${name}: ${message}`);
  }

  #sleep(milliseconds: number): Promise<void> {
    return new Promise((resolve) => {
      const timer = setTimeout(done, milliseconds);
      const wake = (): void => {
        clearTimeout(timer);
        done();
      };
      this.#wake = wake;
      const self = this;
      function done(): void {
        if (self.#wake === wake) self.#wake = undefined;
        self.#backOff.rested();
        resolve();
      }
      if (this.#stop.signal.aborted) wake();
    });
  }
}
