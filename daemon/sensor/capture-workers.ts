/**
 * The capture threads of a live source, whatever the frames come through: one per sandbox, started together, agreeing
 * by the seal line where intervals end. An interval is sealed when it is sealed in every sandbox.
 */
import type { Worker } from "node:worker_threads";
import { SEAL_CAUSES, type SealCause } from "../../lib/abi.js";
import { captureThread } from "../capture/capture-thread.js";
import {
  type LiveWorkerData,
  type LiveWorkerMessage,
  PARKING,
  type Resume,
  VITALS,
} from "../capture/live-protocol.js";
import { SealLine } from "../capture/seal-line.js";
import type { SensorConfig } from "./config.js";
import type { SourceEvents, WorkerVitals } from "./source.js";

/** How long a worker may take to drain its rings, seal and return. */
const STOP_MS = 10_000;

/** How long it may take to see that it is to park. */
const PARK_MS = 5000;

/** What one thread captures: its sandbox, and what it needs to know beside it. */
export type CaptureTask = Omit<
  LiveWorkerData,
  keyof WorkerDefaults | "sealLine" | "vitals" | "index" | "workers"
> &
  Partial<WorkerDefaults>;
/** What follows from the configuration unless a task says otherwise. */
type WorkerDefaults = Pick<LiveWorkerData, "nice" | "sleepMsMin" | "sleepMsMax" | "windowPackets">;

type Sealed = Extract<LiveWorkerMessage, { type: "sealed" }>;

export class CaptureWorkers {
  readonly #config: SensorConfig;
  readonly #line = new SealLine();
  readonly #workers: Worker[] = [];
  readonly #vitals: Float64Array[] = [];
  /** Intervals that some sandboxes have sealed and others not yet. */
  readonly #waiting = new Map<number, Sealed[]>();
  #ended = 0;
  #isStopping = false;

  constructor(config: SensorConfig) {
    this.#config = config;
  }

  /** Seals asked for so far. */
  get sequence(): number {
    return this.#line.sequence;
  }

  ask(sequence: number, cause: SealCause): boolean {
    return this.#line.ask(sequence, cause);
  }

  /** Before a change of the sampling rate: nobody has come to the new one. */
  clearReached(): void {
    this.#line.clearReached();
  }

  vitals(): WorkerVitals[] {
    return this.#vitals.map((vitals) => ({
      cpuNs: vitals[VITALS.cpuNs]!,
      wakeups: vitals[VITALS.wakeups]!,
      heartbeat: vitals[VITALS.heartbeat]!,
      pauseMs: vitals[VITALS.pauseMs]!,
    }));
  }

  /** Starts a thread per task; resolves when all of them run. Rejects with what stopped one from starting. */
  async start(tasks: readonly CaptureTask[], events: SourceEvents): Promise<void> {
    this.#line.openWindow(this.#config.window_packets);
    const starts = tasks.map((task, index) => this.#startWorker(task, index, tasks.length, events));
    // All must be up or dead before anybody ends one: a thread that is only just loading the addon cannot be ended.
    const failed = (await Promise.allSettled(starts)).find(({ status }) => status === "rejected");
    if (failed !== undefined) throw (failed as PromiseRejectedResult).reason;
  }

  /**
   * Has every thread keep off its rings, which are empty, while `change` puts others in their place; it answers, thread by
   * thread, the descriptors to wake. Rejects, with the threads parked, when one does not park in time or `change` throws.
   */
  async parked(change: () => number[][]): Promise<void> {
    for (const vitals of this.#vitals) vitals[VITALS.parking] = PARKING.asked;
    const isParked = (): boolean => this.#vitals.every((vitals) => vitals[VITALS.parking] === PARKING.parked);
    for (const deadline = Date.now() + PARK_MS; !isParked(); ) {
      if (Date.now() > deadline) throw new Error("a capture worker does not let go of its rings");
      await new Promise((resolve) => setTimeout(resolve, 1));
    }
    for (const [index, wakeFds] of change().entries())
      this.#workers[index]!.postMessage({ type: "resume", wakeFds } satisfies Resume);
  }

  /** Lets every thread drain what it has, seal and return. */
  async drain(): Promise<void> {
    this.#isStopping = true;
    let sequence = this.#line.sequence;
    while (!this.#line.ask(sequence, "stop")) sequence = this.#line.sequence;
    this.#line.stop();
    const ends = this.#workers.map((worker) => new Promise((resolve) => worker.once("exit", resolve)));
    const timer = new Promise((resolve) => setTimeout(resolve, STOP_MS).unref());
    await Promise.race([Promise.all(ends), timer]);
  }

  /** Ends every thread that still runs. */
  async terminate(): Promise<void> {
    this.#isStopping = true;
    await Promise.all(this.#workers.map((worker) => worker.terminate()));
  }

  async #startWorker(task: CaptureTask, index: number, count: number, events: SourceEvents): Promise<void> {
    const { wake, window_packets } = this.#config;
    const vitals = new Float64Array(new SharedArrayBuffer(8 * VITALS.words));
    this.#vitals[index] = vitals;
    const data: LiveWorkerData = {
      nice: wake.nice,
      sleepMsMin: wake.sleep_min,
      sleepMsMax: wake.sleep_max,
      windowPackets: window_packets,
      ...task,
      sealLine: this.#line.buffer,
      vitals: vitals.buffer as SharedArrayBuffer,
      index,
      workers: count,
    };
    const worker = captureThread(data);
    this.#workers[index] = worker;
    await new Promise<void>((resolve, reject) => {
      worker.once("error", reject);
      worker.on("message", (message: LiveWorkerMessage) => {
        if (message.type === "ready") {
          worker.off("error", reject);
          worker.on("error", (error) =>
            events.failed(error instanceof Error ? error : new Error(String(error))),
          );
          resolve();
        } else if (message.type === "sealed") this.#gather(message, count, events);
        else if (++this.#ended === count) events.ended();
      });
      worker.once("exit", (code) => {
        if (code === 0 || this.#isStopping) return;
        const error = new Error(`capture worker ${index} ended with code ${code}`);
        reject(error);
        events.failed(error);
      });
    });
  }

  #gather(message: Sealed, count: number, events: SourceEvents): void {
    const parts = [...(this.#waiting.get(message.sequence) ?? []), message];
    this.#waiting.set(message.sequence, parts);
    if (parts.length < count) return;
    this.#waiting.delete(message.sequence);
    events.sealed({
      sequence: message.sequence,
      cause: SEAL_CAUSES[message.cause] ?? "none",
      slots: parts.map(({ worker, slot }) => ({ memory: worker, slot })),
      sealMs: Math.max(...parts.map(({ sealMs }) => sealMs)),
    });
  }
}
