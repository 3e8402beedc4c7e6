/** Matrix workers with one queue of jobs: one for a live sensor, one a core for files. Results come in job order. */
import { Worker } from "node:worker_threads";
import type { MatrixJob, MatrixResult, MatrixWorkerData } from "./matrix-worker.js";

export type ArchiveResult = Extract<MatrixResult, { type: "archive" }>;
export type JobOutcome = ArchiveResult | Extract<MatrixResult, { type: "failed" }>;

interface Member {
  worker: Worker;
  /** Resolves when the worker is up, or has ended. */
  started: Promise<void>;
  isBusy: boolean;
  cpuNs: number;
  memoryBytes: number;
}

export class MatrixPool {
  readonly #members: Member[] = [];
  readonly #queue: Omit<MatrixJob, "job">[] = [];
  readonly #outcomes = new Map<number, JobOutcome>();
  readonly #onOutcome: (outcome: JobOutcome) => void;
  #given = 0;
  #taken = 0;
  /** When jobs without an outcome were submitted, oldest first; and when the first worker was up. */
  readonly #submitted: number[] = [];
  #upSince: number | undefined;
  #idle: (() => void)[] = [];

  readonly #data: MatrixWorkerData;
  readonly #size: number;
  readonly #onFailure: (error: Error) => void;

  /**
   * A pool of up to `size` workers. The first starts at once, others when a job has to wait. `onOutcome` gets each
   * outcome in the order of submission; `onFailure`: a worker died.
   */
  constructor(
    data: MatrixWorkerData,
    size: number,
    onOutcome: (outcome: JobOutcome) => void,
    onFailure: (error: Error) => void,
  ) {
    this.#data = data;
    this.#size = size;
    this.#onOutcome = onOutcome;
    this.#onFailure = onFailure;
    this.#grow();
  }

  /** Queues a job; its outcome arrives by the callback, in the order of submission. */
  submit(job: Omit<MatrixJob, "job">): void {
    this.#queue.push(job);
    this.#submitted.push(performance.now());
    this.#feed();
  }

  /** Jobs that have no outcome yet. */
  get pending(): number {
    return this.#given + this.#queue.length - this.#taken;
  }

  /** For how long the oldest job has waited for its outcome, ms; the start of the first worker does not count. */
  get oldestMs(): number {
    const oldest = this.#submitted[0];
    if (oldest === undefined || this.#upSince === undefined) return 0;
    return performance.now() - Math.max(oldest, this.#upSince);
  }

  /** Outcomes delivered so far. */
  get delivered(): number {
    return this.#taken;
  }

  /** CPU time of the workers so far, ns, and memory of their matrices, bytes. */
  figures(): { cpuNs: number; memoryBytes: number } {
    return {
      cpuNs: this.#members.reduce((sum, { cpuNs }) => sum + cpuNs, 0),
      memoryBytes: this.#members.reduce((sum, { memoryBytes }) => sum + memoryBytes, 0),
    };
  }

  /** Resolves when every job has its outcome. */
  async drained(): Promise<void> {
    if (this.pending > 0) await new Promise<void>((resolve) => this.#idle.push(resolve));
  }

  /** Ends the workers; one that is just starting is up first, because an addon cannot be ended while it loads. */
  async close(): Promise<void> {
    await Promise.all(
      this.#members.map(async ({ worker, started }) => {
        await started;
        await worker.terminate();
      }),
    );
  }

  #grow(): void {
    const worker = new Worker(new URL("./matrix-worker.js", import.meta.url), {
      workerData: this.#data,
      name: "matrix",
    });
    const started = new Promise<void>((resolve) => {
      worker.once("message", () => resolve());
      worker.once("exit", () => resolve());
    });
    const member: Member = { worker, started, isBusy: true, cpuNs: 0, memoryBytes: 0 };
    this.#members.push(member);
    worker.on("error", (error) => this.#onFailure(error instanceof Error ? error : new Error(String(error))));
    worker.on("message", (message: MatrixResult) => {
      member.isBusy = false;
      this.#upSince ??= performance.now();
      if (message.type === "archive") {
        member.cpuNs = message.cpuNs;
        member.memoryBytes = message.memoryBytes;
      }
      if (message.type !== "ready") this.#outcomes.set(message.job, message);
      this.#deliver();
      this.#feed();
    });
  }

  #feed(): void {
    for (const member of this.#members) {
      if (member.isBusy) continue;
      const job = this.#queue.shift();
      if (job === undefined) return;
      member.isBusy = true;
      member.worker.postMessage({ ...job, job: this.#given++ } satisfies MatrixJob);
    }
    const starting = this.#members.filter(({ cpuNs }) => cpuNs === 0).length;
    if (this.#queue.length > 0 && this.#members.length < this.#size && starting < 2) this.#grow();
  }

  #deliver(): void {
    for (;;) {
      const outcome = this.#outcomes.get(this.#taken);
      if (outcome === undefined) break;
      this.#outcomes.delete(this.#taken++);
      this.#submitted.shift();
      this.#onOutcome(outcome);
    }
    if (this.pending > 0) return;
    for (const resolve of this.#idle.splice(0)) resolve();
  }
}
