/**
 * The shipper: takes the spool's oldest interval, delivers it, deletes it when it is acknowledged, and goes on. An
 * aggregator that is away costs a pause that grows up to a limit, never an interval. What is wrong with one interval
 * alone, here or there, keeps that one and lets the others go ahead.
 */
import type { Logger } from "pino";
import type { Verdict } from "../../lib/answer.js";
import { decodeArchive, parseArchiveName } from "../../lib/archive.js";
import { BackOff } from "../../lib/back-off.js";
import { SparsewireError } from "../../lib/errors.js";
import { errnoOf } from "../errno.js";
import { LineLimit } from "../log.js";
import { Deferred } from "./deferred.js";
import type { LostIntervals } from "./lost.js";
import type { Fate } from "./set-aside.js";
import type { Spool } from "./spool.js";
import type { Transport } from "./transport.js";

export interface ShipperFigures {
  acknowledged: number;
  duplicates: number;
  bytes: number;
  /** Attempts that have to be made again, by cause. */
  retries: Record<string, number>;
  /** Intervals that wait for a reason of their own, while others are delivered. */
  deferred: number;
  lastError: string | null;
  lastAcknowledgedMs: number | null;
}

const RETRY_MS_MIN = 250;
/** Causes that are counted one by one; others say much the same. */
const CAUSES_MAX = 64;

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
    deferred: 0,
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
  readonly #deferred = new Deferred();
  /** Acknowledged, and still on a disk that does not let go of them. */
  readonly #delivered = new Set<string>();
  /** Causes that have been told since the last acknowledgement. */
  readonly #told = new Set<string>();
  readonly #lines = new LineLimit();
  #transport: Transport;
  #backOff: BackOff;
  #retryMsMax: number;
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
    this.#retryMsMax = options.retryMsMax;
    this.#backOff = new BackOff(RETRY_MS_MIN, options.retryMsMax);
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
    this.#retryMsMax = retryMsMax;
    this.#backOff = new BackOff(RETRY_MS_MIN, retryMsMax);
    this.#deferred.clear();
    this.#wake?.();
  }

  get target(): string {
    return this.#transport.target;
  }

  /** Ships on until the spool is empty or `milliseconds` are over; what is left stays in the spool. */
  async stop(milliseconds: number): Promise<void> {
    const deadline = Date.now() + milliseconds;
    while (this.#next() !== undefined && Date.now() < deadline && !this.#backOff.isWaiting) {
      await new Promise((resolve) => setTimeout(resolve, 10));
    }
    this.#stop.abort();
    this.#wake?.();
    await this.#loop;
    this.#transport.close();
  }

  async #run(): Promise<void> {
    while (!this.#stop.signal.aborted) {
      const name = this.#next();
      this.#turn(this.#transport.timeoutMs);
      const pause = name === undefined ? this.#idle() : await this.#ship(name);
      this.#turn(pause);
      if (pause > 0) await this.#sleep(pause);
    }
  }

  #turn(patienceMs: number): void {
    this.turns++;
    this.patienceMs = patienceMs;
  }

  /** Nothing is due: how long until something is. Something new wakes it earlier. */
  #idle(): number {
    const names = new Set(this.#spool.names());
    this.#deferred.keepOnly(names);
    for (const name of this.#delivered) if (!names.has(name)) this.#delivered.delete(name);
    this.figures.deferred = this.#deferred.size;
    return this.#deferred.nextMs(60_000);
  }

  #next(): string | undefined {
    return this.#spool.oldest((name) => !this.#deferred.isWaiting(name));
  }

  /** One delivery; returns how long to pause before the next. */
  async #ship(name: string): Promise<number> {
    if (this.#delivered.has(name)) return this.#discard(name);
    const started = performance.now();
    try {
      const archive = await this.#spool.hold(name);
      const identity = parseArchiveName(name)!;
      const verdict = await this.#transport.send(identity, archive, this.#stop.signal);
      if (this.#stop.signal.aborted && verdict.result === "retry") return 0;
      if (verdict.result !== "acknowledged") return await this.#notTaken(name, archive, verdict);
      this.#delivered.add(name);
      const pause = await this.#discard(name);
      this.#hooks.delivered?.(identity);
      this.#acknowledged(archive.length, verdict.duplicate, (performance.now() - started) / 1000);
      return pause;
    } catch (error) {
      return await this.#unreadable(name, error as NodeJS.ErrnoException);
    } finally {
      this.#spool.release();
    }
  }

  /** Deletes what has been acknowledged; if the disk does not, it is not sent again, only deleted later. */
  async #discard(name: string): Promise<number> {
    try {
      await this.#spool.remove(name);
    } catch (error) {
      return this.#defer(name, "spool_delete", this.#local(name, "deleted", error));
    }
    this.#delivered.delete(name);
    this.#settled(name);
    return 0;
  }

  /** An error of reading proves nothing about the file: it waits. A file that somebody deleted is lost, by name. */
  async #unreadable(name: string, error: NodeJS.ErrnoException): Promise<number> {
    if (error.code === "ENOENT" && (await this.#spool.isGone(name).catch(() => false))) {
      await this.#spool.remove(name).catch(() => undefined);
      this.#settled(name);
      this.#lost.count("spool_deleted", `${name}: somebody deleted it`);
      return 0;
    }
    return this.#defer(name, "spool_read", this.#local(name, "read", error));
  }

  async #notTaken(
    name: string,
    archive: Uint8Array,
    verdict: Exclude<Verdict, { result: "acknowledged" }>,
  ): Promise<number> {
    const { cause, message } = verdict;
    const text = `cannot ship to ${this.target}: ${message}; intervals wait in the spool`;
    if (verdict.result === "retry") return this.#retryLater(cause, text, message, verdict.afterMs);
    if (verdict.result === "deferred") return this.#defer(name, cause, [text, message]);
    const fate: Fate = isDamaged(archive) ? "damaged" : "refused";
    try {
      const kept = await this.#spool.setAside(name, fate);
      this.#settled(name);
      this.figures.lastError = message;
      const lost = fate === "damaged" ? "spool_unreadable" : `refused_${cause}`;
      this.#lost.count(lost, `${message}; it is kept as ${kept}`);
      return 0;
    } catch (error) {
      return this.#defer(name, "spool_rename", this.#local(name, "set aside", error));
    }
  }

  #settled(name: string): void {
    this.#deferred.delete(name);
    this.figures.deferred = this.#deferred.size;
  }

  #acknowledged(bytes: number, isDuplicate: boolean, seconds: number): void {
    if (this.#backOff.failures > 0) {
      this.#logger.info({ spool: this.#spool.depth }, `shipping to ${this.target} again`);
    }
    this.#backOff.reset();
    this.#told.clear();
    this.figures.acknowledged++;
    if (isDuplicate) this.figures.duplicates++;
    this.figures.bytes += bytes;
    if (this.#deferred.size === 0) this.figures.lastError = null;
    this.figures.lastAcknowledgedMs = Date.now();
    this.#hooks.shipped(seconds);
  }

  /** What this machine could not do with an entry: for the log, and for the status. */
  #local(name: string, what: string, error: unknown): [string, string] {
    const code = errnoOf(error) ?? String(error);
    const text = `an interval in the spool cannot be ${what} (${code}); it waits: ${name}`;
    return [text, text];
  }

  #defer(name: string, cause: string, [text, message]: [string, string]): number {
    this.#deferred.put(name, this.#retryMsMax);
    this.figures.deferred = this.#deferred.size;
    return this.#retryLater(cause, text, message);
  }

  #retryLater(cause: string, text: string, message: string, afterMs = 0): number {
    const { retries } = this.figures;
    const label = cause in retries || Object.keys(retries).length < CAUSES_MAX ? cause : "other";
    retries[label] = (retries[label] ?? 0) + 1;
    this.figures.lastError = message;
    const pause = Math.max(Math.min(afterMs, this.#retryMsMax), this.#backOff.next());
    // Once when it begins; the counter tells how often it went on.
    if (!this.#told.has(label) && this.#lines.once(label)) this.#logger.warn({ cause: label }, text);
    this.#told.add(label);
    return pause;
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

/** Whether bytes that were read without an error are no sound archive: the file itself is to blame. */
function isDamaged(archive: Uint8Array): boolean {
  try {
    decodeArchive(archive, { verify: true });
    return false;
  } catch (error) {
    return error instanceof SparsewireError;
  }
}
