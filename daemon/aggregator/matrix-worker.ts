/** The main thread's end of a matrix worker: started when first needed, started again after it died. */
import { Worker } from "node:worker_threads";
import type { FromWorker, SumFacts, Task, ToWorker, WorkerSettings } from "./matrix-messages.js";

type Failure = Extract<FromWorker, { type: "failed" }>;

/** A task that failed; `fault` says whose fault it was. */
export class TaskError extends Error {
  constructor(
    readonly fault: Failure["fault"],
    message: string,
    readonly path = "",
    /** More files that are bad. */
    readonly others: Failure["others"] = [],
  ) {
    super(message);
    this.name = "TaskError";
  }

  /** Sets the files aside that are to blame: fault bad. */
  async setAside(store: { reject(path: string, why: string): Promise<void> }): Promise<void> {
    for (const { path, why } of [{ path: this.path, why: this.message }, ...this.others])
      await store.reject(path, why);
  }
}

/** Node's error of a thread whose heap is full. */
const OUT_OF_HEAP = "ERR_WORKER_OUT_OF_MEMORY";
/** Manifests and labels are objects of JavaScript, beside the matrices: half as much again. */
export const heapMegabytes = (memoryBytes: number): number => Math.max(256, Math.ceil(memoryBytes / 2 ** 21));

export interface WorkerEvents {
  /** The thread ended without being asked to. */
  onDeath(why: string): void;
  /** A sum has counters or values that have stopped at their end. */
  onSaturated(names: readonly string[]): void;
}

export interface Answer {
  facts: SumFacts;
  /** Ends early (and the worker's task with it) when it is not read to the end. */
  pieces: AsyncGenerator<Uint8Array>;
}

interface Pending {
  onFacts(facts: SumFacts): void;
  onPiece(bytes: Uint8Array): void;
  onDone(value: unknown): void;
  onFailed(error: TaskError): void;
}

export class MatrixWorker {
  readonly #settings: WorkerSettings;
  readonly #events: WorkerEvents;
  readonly #pending = new Map<number, Pending>();
  #worker: Worker | undefined;
  #nextId = 0;
  #closed = false;

  constructor(settings: WorkerSettings, events: WorkerEvents) {
    this.#settings = settings;
    this.#events = events;
  }

  /** A task that ends with one value. Rejects with TaskError. */
  run<T>(task: Task, signal?: AbortSignal): Promise<T> {
    return new Promise((resolve, reject) => {
      this.#start(
        task,
        {
          onFacts: () => undefined,
          onPiece: () => undefined,
          onDone: (value) => resolve(value as T),
          onFailed: reject,
        },
        signal,
      );
    });
  }

  /** A task that answers in pieces; resolves when the sum is made. Rejects with TaskError. */
  stream(task: Task, signal?: AbortSignal): Promise<Answer> {
    const queue: Uint8Array[] = [];
    let end: { error?: TaskError } | undefined;
    let wake = (): void => undefined;
    return new Promise((resolve, reject) => {
      const finish = (error?: TaskError): void => {
        end = error === undefined ? {} : { error };
        wake();
        if (error !== undefined) reject(error);
      };
      const id = this.#start(
        task,
        {
          onFacts: (facts) => resolve({ facts, pieces: pieces() }),
          onPiece: (bytes) => {
            queue.push(bytes);
            wake();
          },
          onDone: () => finish(),
          onFailed: finish,
        },
        signal,
      );
      const say = (type: "more" | "cancel"): void => this.#post({ type, id });
      async function* pieces(): AsyncGenerator<Uint8Array> {
        try {
          for (;;) {
            const piece = queue.shift();
            if (piece !== undefined) {
              say("more");
              yield piece;
            } else if (end !== undefined) {
              if (end.error !== undefined) throw end.error;
              return;
            } else {
              await new Promise<void>((resume) => {
                wake = resume;
              });
            }
          }
        } finally {
          if (end === undefined) say("cancel");
        }
      }
    });
  }

  /** Ends the thread; tasks that are not done fail. */
  async close(): Promise<void> {
    this.#closed = true;
    await this.#worker?.terminate();
    this.#failAll("cancelled", "the aggregator is stopping");
  }

  #start(task: Task, pending: Pending, signal?: AbortSignal): number {
    const id = this.#nextId++;
    if (this.#closed) {
      pending.onFailed(new TaskError("cancelled", "the aggregator is stopping"));
      return id;
    }
    this.#pending.set(id, pending);
    this.#worker ??= this.#spawn();
    this.#post({ type: "task", id, task });
    if (signal?.aborted) this.#post({ type: "cancel", id });
    signal?.addEventListener("abort", () => this.#post({ type: "cancel", id }), { once: true });
    return id;
  }

  #post(message: ToWorker): void {
    this.#worker?.postMessage(message);
  }

  #spawn(): Worker {
    const worker = new Worker(new URL("./matrix-thread.js", import.meta.url), {
      workerData: this.#settings,
      resourceLimits: { maxOldGenerationSizeMb: heapMegabytes(this.#settings.memoryBytes) },
    });
    const died = (why: string, fault: Failure["fault"]): void => {
      if (this.#worker !== worker || this.#closed) return;
      this.#worker = undefined;
      this.#events.onDeath(why);
      this.#failAll(fault, `the matrix worker ended: ${why}`);
    };
    worker.on("message", (message: FromWorker) => this.#receive(message));
    worker.on("error", (error: Error & { code?: unknown }) =>
      died(String(error?.message ?? error), error?.code === OUT_OF_HEAP ? "memory" : "internal"),
    );
    worker.on("exit", (code) => died(`exit ${code}`, "internal"));
    worker.unref();
    return worker;
  }

  #receive(message: FromWorker): void {
    const pending = this.#pending.get(message.id);
    if (pending === undefined) return;
    if (message.type === "saturated") this.#events.onSaturated(message.names);
    else if (message.type === "facts") pending.onFacts(message.facts);
    else if (message.type === "piece") pending.onPiece(message.bytes);
    else {
      this.#pending.delete(message.id);
      if (message.type === "done") pending.onDone(message.value);
      else pending.onFailed(new TaskError(message.fault, message.message, message.path, message.others));
    }
  }

  #failAll(fault: Failure["fault"], why: string): void {
    const pending = [...this.#pending.values()];
    this.#pending.clear();
    for (const { onFailed } of pending) onFailed(new TaskError(fault, why));
  }
}
