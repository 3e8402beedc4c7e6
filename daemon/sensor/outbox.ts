/**
 * Between the seal and the spool: archives in memory while they are being written, in order. A disk that is full or
 * failing is retried at least every second; what outgrows the bound meanwhile is lost oldest first, counted.
 */
import type { Logger } from "pino";
import { BackOff } from "../../lib/back-off.js";
import { errnoOf } from "../errno.js";
import type { LostIntervals } from "./lost.js";
import type { Spool } from "./spool.js";

/** Archives that may wait for a disk, bytes. */
const WAITING_BYTES_MAX = 64 << 20;
const RETRY_MS = { min: 100, max: 1000 } as const;

export interface OutboxItem {
  name: string;
  sequence: number;
  archive: Uint8Array;
}

export class Outbox {
  readonly #spool: Spool;
  readonly #lost: LostIntervals;
  readonly #logger: Logger;
  readonly #onSpooled: (item: OutboxItem) => void;
  readonly #waiting: OutboxItem[] = [];
  /** Writes that have ended, well or not: what shows that this goes on. */
  turns = 0;
  #waitingBytes = 0;
  #isWriting = false;
  #isFailing = false;
  #isClosed = false;
  readonly #backOff = new BackOff(RETRY_MS.min, RETRY_MS.max);
  #retry: NodeJS.Timeout | undefined;
  #idle: (() => void)[] = [];

  constructor(spool: Spool, lost: LostIntervals, logger: Logger, onSpooled: (item: OutboxItem) => void) {
    this.#spool = spool;
    this.#lost = lost;
    this.#logger = logger;
    this.#onSpooled = onSpooled;
  }

  get depth(): number {
    return this.#waiting.length;
  }

  /** Whether the last write failed. */
  get isFailing(): boolean {
    return this.#isFailing;
  }

  put(item: OutboxItem): void {
    this.#waiting.push(item);
    this.#waitingBytes += item.archive.length;
    while (this.#waitingBytes > WAITING_BYTES_MAX && this.#waiting.length > 1) {
      // The first is being written right now, unless the disk fails.
      const [victim] = this.#waiting.splice(this.#isWriting ? 1 : 0, 1);
      this.#waitingBytes -= victim!.archive.length;
      this.#lose(victim!, "the spool's disk does not take it");
    }
    void this.#write();
  }

  /** Waits until everything is spooled, at most `milliseconds`; what is left then is lost, counted. */
  async close(milliseconds: number): Promise<void> {
    if (this.#waiting.length > 0) {
      const all = new Promise<void>((resolve) => this.#idle.push(resolve));
      await Promise.race([all, new Promise((resolve) => setTimeout(resolve, milliseconds))]);
    }
    this.#isClosed = true;
    clearTimeout(this.#retry);
    for (const item of this.#waiting.splice(0)) this.#lose(item, "stopped while the disk did not take it");
  }

  /** What lies in the spool already, and only its folder could not be synced, is not lost. */
  #lose({ name }: OutboxItem, why: string): void {
    if (!this.#spool.has(name)) this.#lost.count("spool_disk", `${name}: ${why}`);
  }

  async #write(): Promise<void> {
    if (this.#isWriting || this.#retry !== undefined) return;
    this.#isWriting = true;
    try {
      for (let item = this.#waiting[0]; item !== undefined; item = this.#waiting[0]) {
        await this.#spool.put(item.name, item.archive, (name) =>
          this.#lost.count("spool_full", `${name}: dropped, the spool is full (spool.max_bytes)`),
        );
        this.turns++;
        this.#waiting.shift();
        this.#waitingBytes -= item.archive.length;
        if (this.#isFailing) this.#logger.info({ spool: this.#spool.path }, "the spool can be written again");
        this.#isFailing = false;
        this.#backOff.reset();
        this.#onSpooled(item);
      }
      for (const resolve of this.#idle.splice(0)) resolve();
    } catch (error) {
      this.#failed(error);
    } finally {
      this.#isWriting = false;
    }
  }

  #failed(error: unknown): void {
    if (!this.#isFailing) {
      const code = errnoOf(error);
      const mend = code === "ENOSPC" || code === "EDQUOT" ? "; free space, or lower spool.max_bytes" : "";
      this.#logger.error(
        { code, spool: this.#spool.path },
        `the spool cannot be written (${code}); intervals wait in memory${mend}`,
      );
    }
    this.turns++;
    this.#isFailing = true;
    if (this.#isClosed) return;
    this.#retry = setTimeout(() => {
      this.#retry = undefined;
      void this.#write();
    }, this.#backOff.next());
  }
}
