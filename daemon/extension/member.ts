/** One extension as the main thread sees it: its thread, what that posts, and whether it has been stuck. */
import { Worker } from "node:worker_threads";
import { cpuNsOfThread } from "xdp-node";
import { EXIT, SparsewireError } from "../../lib/errors.js";
import type { ExtensionDescription } from "../../lib/extension-abi.js";
import { WORKER_LIMITS } from "./footprint.js";
import { HeldView } from "./held-view.js";
import { isStarved, Lateness } from "./lateness.js";
import {
  CALLS,
  type ExtensionMessage,
  type ExtensionWorkerData,
  type SealedExtension,
  type Suspension,
  VITALS,
} from "./protocol.js";
import { runDelayNs } from "./run-delay.js";

/** The whole of loading, compiling and starting: of the processor; by the clock it may be long on a busy host. */
const START_CPU_MS = 5000;
const START_MS = 30_000;
const START_LOOK_MS = 100;
const STOP_MS = 1000;
/** A call that neither ends nor uses the processor (it waits for an atomic) is given up after so long. */
const IDLE_MS_MAX = 2000;

export interface MemberEvents {
  suspended(member: ExtensionMember, suspension: Suspension, detail: string): void;
  event(member: ExtensionMember, level: number, text: string): void;
  /** An interval goes without its part. Told once, until it is in time again. */
  late(member: ExtensionMember, detail: string): void;
}

export class ExtensionMember {
  readonly name: string;
  status: "starting" | "running" | "suspended" = "starting";
  reason: string | undefined;
  suspension: Suspension | undefined;
  description: ExtensionDescription | undefined;
  /** The first seal that it can have seen all frames of. */
  firstSeal = Number.POSITIVE_INFINITY;
  /** What the manifests so far have said of it. */
  readonly told = { frames: 0, missed: 0, rows: 0, rows_lost: 0, labels_lost: 0, shed: 0, events: 0 };
  readonly #data: ExtensionWorkerData;
  readonly #events: MemberEvents;
  readonly #vitals: Float64Array;
  readonly #calls: Int32Array;
  readonly #results = new Map<number, SealedExtension>();
  readonly #waiters = new Set<() => void>();
  #lateness = new Lateness();
  /** The last seal that was asked for: what comes for it, or for one before it, comes too late. */
  #asked = 0;
  #worker: Worker | undefined;
  #seen = { call: 0, cpuNs: 0, at: 0 };
  #isEnding = false;

  constructor(data: Omit<ExtensionWorkerData, "vitals" | "calls">, events: MemberEvents) {
    this.#vitals = new Float64Array(new SharedArrayBuffer(8 * VITALS.words));
    this.#calls = new Int32Array(new SharedArrayBuffer(4 * CALLS.words));
    this.name = data.settings.name;
    this.#events = events;
    this.#data = {
      ...data,
      vitals: this.#vitals.buffer as SharedArrayBuffer,
      calls: this.#calls.buffer as SharedArrayBuffer,
    };
  }

  vital(name: keyof typeof VITALS): number {
    return this.#vitals[VITALS[name]]!;
  }

  /** Starts its thread. Rejects with SparsewireError BAD_EXTENSION (badInput) when the extension does not come up. */
  async start(): Promise<void> {
    this.status = "starting";
    this.firstSeal = Number.POSITIVE_INFINITY;
    this.#isEnding = false;
    this.#results.clear();
    this.#lateness = new Lateness();
    Atomics.store(this.#calls, CALLS.stop, 0);
    Atomics.store(this.#calls, CALLS.call, 0);
    Atomics.store(this.#calls, CALLS.thread, 0);
    const worker = new Worker(new URL("./extension-worker.js", import.meta.url), {
      workerData: this.#data,
      name: `extension-${this.name}`,
      resourceLimits: WORKER_LIMITS,
    });
    this.#worker = worker;
    const loaded = new Promise<void>((resolve) => {
      worker.once("message", () => resolve());
      worker.once("exit", () => resolve());
    });
    let timer: NodeJS.Timeout | undefined;
    try {
      await new Promise<void>((resolve, reject) => {
        const began = performance.now();
        timer = setInterval(() => {
          if (this.#startCpuMs() > START_CPU_MS || performance.now() - began > START_MS)
            reject(this.#refusal("it did not start in time"));
        }, START_LOOK_MS);
        worker.on("error", (error) => reject(this.#refusal(String(error))));
        worker.on("exit", () => reject(this.#refusal("its thread ended")));
        worker.on("message", (message: ExtensionMessage) => this.#hear(message, resolve, reject));
      });
    } catch (error) {
      // An addon that is being loaded cannot be ended.
      await loaded;
      await this.#terminate();
      throw error;
    } finally {
      clearInterval(timer);
    }
    worker.on("error", (error) => this.#suspend("failed", String(error)));
    worker.on("exit", () => {
      if (!this.#isEnding) this.#suspend("failed", "its thread ended");
    });
  }

  /** What its thread has used of the processor; 0 while it has not told which it is, or has ended. */
  #startCpuMs(): number {
    const thread = Atomics.load(this.#calls, CALLS.thread);
    try {
      return thread === 0 ? 0 : cpuNsOfThread(thread) / 1e6;
    } catch {
      return 0;
    }
  }

  #hear(message: ExtensionMessage, resolve: () => void, reject: (error: Error) => void): void {
    if (message.type === "ready") {
      this.description = message.description;
      this.status = "running";
      this.reason = undefined;
      this.#seen = { call: 0, cpuNs: 0, at: 0 };
      resolve();
    } else if (message.type === "refused") reject(this.#refusal(message.what, message.mend));
    else if (message.type === "joined") this.firstSeal = message.seal + 1;
    else if (message.type === "sealed") {
      if (message.seal > this.#asked) this.#results.set(message.seal, message);
      this.#wake();
    } else if (message.type === "event") this.#events.event(this, message.level, message.text);
    else if (message.type === "suspended") {
      if (this.status === "starting") reject(this.#refusal(message.detail));
      else this.#suspend(message.suspension, message.detail);
    } else if (message.type === "ended") this.#isEnding = true;
  }

  #refusal(what: string, mend = "see sparsewire extension check"): SparsewireError {
    return new SparsewireError("BAD_EXTENSION", `extension ${this.name}: ${what}`, {
      exit: EXIT.badInput,
      mend,
    });
  }

  /** Ends it when a call has used up its time. Called every few tens of ms. */
  watch(): void {
    if (this.status !== "running") return;
    const call = Atomics.load(this.#calls, CALLS.call);
    if (call % 2 === 0) return;
    const now = performance.now();
    const cpuNs = cpuNsOfThread(Atomics.load(this.#calls, CALLS.thread));
    if (call !== this.#seen.call) {
      this.#seen = { call, cpuNs, at: now };
      return;
    }
    // Time of the processor counts: on a busy host an honest extension may have to wait for it.
    const usedMs = (cpuNs - this.#seen.cpuNs) / 1e6;
    if (usedMs >= this.#data.settings.batchTimeoutMs) {
      this.#suspend("timeout", `a call took more than ${this.#data.settings.batchTimeoutMs} ms`);
    } else if (now - this.#seen.at > IDLE_MS_MAX)
      this.#suspend("timeout", "a call waits for something that never comes");
  }

  /** It did not come up, or may not: everything else goes on without it. */
  refuse(suspension: Suspension, detail: string): void {
    this.#suspend(suspension, detail);
  }

  #suspend(suspension: Suspension, detail: string): void {
    if (this.status === "suspended") return;
    this.status = "suspended";
    this.suspension = suspension;
    this.reason = `${suspension}: ${detail}`.slice(0, 400);
    void this.#terminate().then(() => this.#wake());
    this.#events.suspended(this, suspension, detail);
  }

  async #terminate(): Promise<void> {
    this.#isEnding = true;
    await this.#worker?.terminate();
    // Only now: while its thread ran, its claim had to be kept.
    for (const { memory } of this.#data.rings) {
      const held = new HeldView(memory);
      held.tap(this.#data.index).leave();
      held.signal();
    }
  }

  #wake(): void {
    for (const waiter of this.#waiters) waiter();
    this.#waiters.clear();
  }

  /** What it made of the interval that seal number `seal` ended; undefined when it did not, or not within `ms`. */
  async result(seal: number, ms: number): Promise<SealedExtension | undefined> {
    const until = performance.now() + ms;
    const delayed = this.#runDelayMs();
    try {
      for (;;) {
        const found = this.#results.get(seal);
        if (found !== undefined) {
          this.#lateness.inTime();
          return found;
        }
        const left = until - performance.now();
        const isDue = this.status === "running" && seal >= this.firstSeal;
        if (left <= 0 && isDue) this.#wasLate(ms, this.#runDelayMs() - delayed);
        if (left <= 0 || this.status !== "running") return undefined;
        if (!isDue && this.firstSeal !== Number.POSITIVE_INFINITY) return undefined;
        await this.#changed(Math.min(left, 1000));
      }
    } finally {
      this.#asked = seal;
      for (const old of this.#results.keys()) if (old <= seal) this.#results.delete(old);
    }
  }

  #wasLate(ms: number, delayedMs: number): void {
    const next = this.#lateness.late(ms, delayedMs);
    const why = isStarved(ms, delayedMs) ? ": it has to wait for a processor" : "";
    const waited = `${ms} ms after the end of an interval its part is not there${why}`;
    if (next === "suspend") this.#suspend("late", `${waited}, again and again`);
    else if (next === "tell") this.#events.late(this, waited);
  }

  #runDelayMs(): number {
    return runDelayNs(Atomics.load(this.#calls, CALLS.thread)) / 1e6;
  }

  #changed(ms: number): Promise<void> {
    return new Promise((resolve) => {
      const done = (): void => {
        clearTimeout(timer);
        this.#waiters.delete(done);
        resolve();
      };
      const timer = setTimeout(done, ms);
      this.#waiters.add(done);
    });
  }

  async stop(): Promise<void> {
    if (this.#worker === undefined || this.#isEnding) return;
    this.#isEnding = true;
    const exit = new Promise((resolve) => this.#worker!.once("exit", resolve));
    Atomics.store(this.#calls, CALLS.stop, 1);
    Atomics.notify(this.#calls, CALLS.stop);
    await Promise.race([exit, new Promise((resolve) => setTimeout(resolve, STOP_MS).unref())]);
    await this.#terminate();
  }
}
