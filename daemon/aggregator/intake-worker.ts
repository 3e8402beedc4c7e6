/**
 * The intake thread, seen from the main one. Archives wait for it by sensor, and the sensors take turns: whoever sends many
 * waits for their own. How many wait is bounded by limits.max_uploads.
 */
import { Worker } from "node:worker_threads";
import type { Manifest } from "../../lib/manifest.js";
import type { IntakeAnswer, IntakeJob, IntakeSettings } from "./intake-messages.js";
import { heapMegabytes } from "./matrix-worker.js";
import { comeBack, Refusal } from "./refusal.js";

/**
 * No check takes so long: its work is bounded by the archive's bytes and limits.archive_links_max. If one does, the thread
 * is stuck, and others must not wait for it.
 */
const CHECK_MS_MAX = 30_000;

interface Waiting {
  job: IntakeJob;
  resolve(manifest: Manifest): void;
  reject(error: Error): void;
}

export class IntakeWorker {
  readonly #settings: IntakeSettings;
  readonly #onDeath: (why: string) => void;
  /** By sensor, in the order of their turns. */
  readonly #queues = new Map<string, Waiting[]>();
  #current: Waiting | undefined;
  #timer: NodeJS.Timeout | undefined;
  #worker: Worker | undefined;
  #nextId = 0;
  #closed = false;

  /** `onDeath` is told when the thread ended without being asked to. */
  constructor(settings: IntakeSettings, onDeath: (why: string) => void) {
    this.#settings = settings;
    this.#onDeath = onDeath;
  }

  /** The manifest of a file that is sound. Rejects with the Refusal to answer, or an error of the file system. */
  check(given: Omit<IntakeJob, "id">): Promise<Manifest> {
    return new Promise((resolve, reject) => {
      if (this.#closed) return reject(comeBack("the aggregator is stopping"));
      const waiting = { job: { ...given, id: this.#nextId++ }, resolve, reject };
      const { sensor } = given.identity;
      const queue = this.#queues.get(sensor);
      if (queue === undefined) this.#queues.set(sensor, [waiting]);
      else queue.push(waiting);
      this.#next();
    });
  }

  /** Ends the thread; what waits is asked to come back. */
  async close(): Promise<void> {
    this.#closed = true;
    const waiting = [...(this.#current ? [this.#current] : []), ...[...this.#queues.values()].flat()];
    this.#queues.clear();
    this.#end();
    for (const { reject } of waiting) reject(comeBack("the aggregator is stopping"));
    await this.#worker?.terminate();
  }

  #next(): void {
    if (this.#current !== undefined || this.#closed) return;
    const [first] = this.#queues;
    if (first === undefined) return;
    const [sensor, queue] = first;
    this.#queues.delete(sensor);
    this.#current = queue.shift()!;
    if (queue.length > 0) this.#queues.set(sensor, queue);
    this.#worker ??= this.#spawn();
    this.#timer = setTimeout(() => this.#stuck(), CHECK_MS_MAX);
    this.#worker.postMessage(this.#current.job);
  }

  #spawn(): Worker {
    const worker = new Worker(new URL("./intake-thread.js", import.meta.url), {
      workerData: this.#settings,
      resourceLimits: { maxOldGenerationSizeMb: heapMegabytes(this.#settings.memoryBytes) },
    });
    worker.on("message", (answer: IntakeAnswer) => this.#answered(answer));
    worker.on("error", (error) => this.#died(worker, error instanceof Error ? error.message : String(error)));
    worker.on("exit", (code) => this.#died(worker, `exit ${code}`));
    worker.unref();
    return worker;
  }

  #answered(answer: IntakeAnswer): void {
    if (this.#current?.job.id !== answer.id) return;
    const { resolve, reject } = this.#end()!;
    if (answer.type === "sound") resolve(answer.manifest);
    else if (answer.type === "refused") reject(new Refusal(answer.message, answer.options));
    else reject(Object.assign(new Error(answer.message), { code: answer.code, syscall: "read" }));
    this.#next();
  }

  /** Nobody is checked now; whoever was. */
  #end(): Waiting | undefined {
    clearTimeout(this.#timer);
    const current = this.#current;
    this.#current = undefined;
    return current;
  }

  #stuck(): void {
    const worker = this.#worker;
    if (worker === undefined) return;
    this.#died(worker, `a check took longer than ${CHECK_MS_MAX} ms`);
    void worker.terminate();
  }

  /** Nothing is proven against the archive: it may come back. */
  #died(worker: Worker, why: string): void {
    if (this.#worker !== worker || this.#closed) return;
    this.#worker = undefined;
    this.#onDeath(why);
    this.#end()?.reject(comeBack("the check of the archive ended early", "unavailable", 10));
    this.#next();
  }
}
