/** Sums over ranges of time for whoever asks: planned, made by a matrix worker, planned anew when files have changed. */
import { setTimeout as sleep } from "node:timers/promises";
import { type Place, Slots, SlotsError } from "../http/slots.js";
import type { AggregatorConfig } from "./config.js";
import type { SumFacts, Wanted } from "./matrix-messages.js";
import { type Answer, type MatrixWorker, TaskError } from "./matrix-worker.js";
import type { Metrics } from "./metrics.js";
import { type PlanOptions, planSum } from "./plan.js";
import { comeBack, notFound, Refusal, slotRefusal } from "./refusal.js";
import type { Store } from "./store.js";

export type Range = Pick<PlanOptions, "from" | "to" | "sensor">;

/** A range whose files keep changing (a late bulk of a sensor is being rolled up) is planned this often. */
const STALE_PLANS_MAX = 8;

/** Who asks, and whether it still waits for the answer. */
export interface Asker {
  peer: string;
  gone: AbortSignal;
}

/** Facts and pieces of a sum, and the place that goes with its delivery: it is the receiver's to leave. */
export interface PlacedAnswer extends Answer {
  place: Place;
}

type Limits = AggregatorConfig["limits"];

export class Queries {
  readonly #slots: Slots;
  #limits: Limits;
  readonly #store: Store;
  readonly #worker: MatrixWorker;
  readonly #metrics: Metrics;

  constructor(store: Store, worker: MatrixWorker, metrics: Metrics, limits: Limits) {
    this.#store = store;
    this.#worker = worker;
    this.#metrics = metrics;
    this.#limits = limits;
    this.#slots = new Slots(slotBounds(limits));
  }

  get limits(): Limits {
    return this.#limits;
  }

  set limits(limits: Limits) {
    this.#limits = limits;
    this.#slots.bounds = slotBounds(limits);
  }

  get inFlight(): number {
    return this.#slots.held;
  }

  /** One value of the sum over a range. */
  async value<T>(range: Range, wanted: Wanted, asker: Asker): Promise<{ facts: SumFacts; value: T }> {
    const place = await this.#enter(wanted.kind, asker);
    try {
      const signal = this.#signal(asker, place);
      return await this.#attempt(range, wanted, signal, (task) => this.#worker.run(task, signal));
    } finally {
      place.leave();
    }
  }

  /** The sum over a range in pieces. The query ends when they are no longer taken. */
  async stream(range: Range, wanted: Wanted, asker: Asker): Promise<PlacedAnswer> {
    const place = await this.#enter(wanted.kind, asker);
    try {
      const signal = this.#signal(asker, place);
      const answer = await this.#attempt(range, wanted, signal, (task) => this.#worker.stream(task, signal));
      return { ...answer, pieces: untilEnd(answer.pieces, this.#store), place };
    } catch (error) {
      place.leave();
      throw error;
    }
  }

  #signal({ gone }: Asker, { ended }: Place): AbortSignal {
    return AbortSignal.any([gone, ended, AbortSignal.timeout(this.#limits.query_timeout)]);
  }

  async #enter(kind: string, asker: Asker): Promise<Place> {
    const stop = this.#metrics.querySeconds.startTimer({ kind });
    try {
      const place = await this.#slots.enter(asker);
      place.onLeave(stop);
      return place;
    } catch (error) {
      throw error instanceof SlotsError ? slotRefusal(error, "queries") : error;
    }
  }

  async #attempt<T>(
    range: Range,
    wanted: Wanted,
    signal: AbortSignal,
    work: (task: { files: ReturnType<typeof planSum>; wanted: Wanted }) => Promise<T>,
  ): Promise<T> {
    for (let stale = 0; ; ) {
      const files = planSum(this.#store, { ...range, maxFiles: this.#limits.max_query_archives });
      try {
        return await work({ files, wanted });
      } catch (error) {
        if (!(error instanceof TaskError)) throw error;
        if (error.fault === "bad") {
          await error.setAside(this.#store);
          continue;
        }
        if (error.fault !== "stale" || ++stale === STALE_PLANS_MAX) throw refusalOf(error, signal);
        await sleep(5 * 2 ** stale);
      }
    }
  }
}

/** A place whose reader is waited for goes to others; how slow one may be at all is the connection's bound. */
const slotBounds = ({ max_queries, queue_timeout }: Limits): Slots["bounds"] => ({
  max: max_queries,
  patienceMs: queue_timeout,
  rateMin: 0,
});

/** An answer that fails in the middle is cut; the file to blame is not there when it is asked for again. */
async function* untilEnd(pieces: AsyncGenerator<Uint8Array>, store: Store): AsyncGenerator<Uint8Array> {
  try {
    yield* pieces;
  } catch (error) {
    if (error instanceof TaskError && error.fault === "bad") await error.setAside(store);
    throw error;
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
      if (signal.reason instanceof SlotsError) return slotRefusal(signal.reason, "queries");
      return signal.reason instanceof DOMException && signal.reason.name === "TimeoutError"
        ? new Refusal("the answer took longer than limits.query_timeout", {
            status: 503,
            cause: "timeout",
            code: "QUERY_TIMEOUT",
            mend: "ask for a shorter range",
          })
        : comeBack(error.message);
    default:
      return comeBack(error.message);
  }
}
