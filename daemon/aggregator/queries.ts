/** Sums over ranges of time for whoever asks: planned, made by a matrix worker, planned anew when files have changed. */
import { setTimeout as sleep } from "node:timers/promises";
import type { AggregatorConfig } from "./config.js";
import type { SumFacts, Wanted } from "./matrix-messages.js";
import { type Answer, type MatrixWorker, TaskError } from "./matrix-worker.js";
import type { Metrics } from "./metrics.js";
import { type PlanOptions, planSum } from "./plan.js";
import { comeBack, notFound, Refusal } from "./refusal.js";
import type { Store } from "./store.js";

export type Range = Pick<PlanOptions, "from" | "to" | "sensor">;

/** A range whose files keep changing (a late bulk of a sensor is being rolled up) is planned this often. */
const STALE_PLANS_MAX = 8;

export class Queries {
  limits: AggregatorConfig["limits"];
  inFlight = 0;
  readonly #store: Store;
  readonly #worker: MatrixWorker;
  readonly #metrics: Metrics;

  constructor(store: Store, worker: MatrixWorker, metrics: Metrics, limits: AggregatorConfig["limits"]) {
    this.#store = store;
    this.#worker = worker;
    this.#metrics = metrics;
    this.limits = limits;
  }

  /** One value of the sum over a range. */
  async value<T>(range: Range, wanted: Wanted, gone: AbortSignal): Promise<{ facts: SumFacts; value: T }> {
    const leave = this.#enter(wanted.kind);
    try {
      const signal = AbortSignal.any([gone, AbortSignal.timeout(this.limits.query_timeout)]);
      return await this.#attempt(range, wanted, signal, (task) => this.#worker.run(task, signal));
    } finally {
      leave();
    }
  }

  /** The sum over a range in pieces. The query ends when the pieces do, or are no longer taken. */
  async stream(range: Range, wanted: Wanted, gone: AbortSignal): Promise<Answer> {
    const leave = this.#enter(wanted.kind);
    try {
      const signal = AbortSignal.any([gone, AbortSignal.timeout(this.limits.query_timeout)]);
      const answer = await this.#attempt(range, wanted, signal, (task) => this.#worker.stream(task, signal));
      return { facts: answer.facts, pieces: untilEnd(answer.pieces, leave) };
    } catch (error) {
      leave();
      throw error;
    }
  }

  #enter(kind: string): () => void {
    if (this.inFlight >= this.limits.max_queries) throw comeBack("too many queries at once", "too_many");
    this.inFlight++;
    const stop = this.#metrics.querySeconds.startTimer({ kind });
    let hasLeft = false;
    return () => {
      if (hasLeft) return;
      hasLeft = true;
      this.inFlight--;
      stop();
    };
  }

  async #attempt<T>(
    range: Range,
    wanted: Wanted,
    signal: AbortSignal,
    work: (task: { files: ReturnType<typeof planSum>; wanted: Wanted }) => Promise<T>,
  ): Promise<T> {
    for (let stale = 0; ; ) {
      const files = planSum(this.#store, { ...range, maxFiles: this.limits.max_query_archives });
      try {
        return await work({ files, wanted });
      } catch (error) {
        if (!(error instanceof TaskError)) throw error;
        if (error.fault === "bad") {
          await this.#store.reject(error.path, error.message);
          continue;
        }
        if (error.fault !== "stale" || ++stale === STALE_PLANS_MAX) throw refusalOf(error, signal);
        await sleep(5 * 2 ** stale);
      }
    }
  }
}

async function* untilEnd(pieces: AsyncGenerator<Uint8Array>, leave: () => void): AsyncGenerator<Uint8Array> {
  try {
    yield* pieces;
  } finally {
    leave();
  }
}

function refusalOf(error: TaskError, signal: AbortSignal): Error {
  switch (error.fault) {
    case "empty":
      return notFound(error.message, "ask for another range or family");
    case "memory":
      return new Refusal("the sum over this range is larger than limits.memory_bytes", {
        status: 413,
        cause: "too_large",
        code: "SUM_TOO_LARGE",
        mend: "ask for a shorter range or one sensor, or raise limits.memory_bytes",
      });
    case "stale":
      return comeBack("the archives of this range are changing right now");
    case "cancelled":
      return signal.reason instanceof DOMException && signal.reason.name === "TimeoutError"
        ? new Refusal("the answer took longer than limits.query_timeout", {
            status: 503,
            cause: "timeout",
            code: "QUERY_TIMEOUT",
            mend: "ask for a shorter range",
          })
        : comeBack(error.message);
    default:
      return error;
  }
}
