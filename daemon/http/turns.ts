/** The main thread's time, shared: reading requests take turns, so that between two of them uploads get on. */
import { setImmediate as nextTurn } from "node:timers/promises";

/** Longest stretch of one piece of work without a pause, ms. */
const STRETCH_MS = 5;

/** Maps each item, and lets others have the thread in between. */
export async function mapInTurns<T, R>(items: Iterable<T>, map: (item: T) => R): Promise<R[]> {
  const mapped: R[] = [];
  let since = performance.now();
  for (const item of items) {
    mapped.push(map(item));
    if (performance.now() - since < STRETCH_MS) continue;
    await nextTurn();
    since = performance.now();
  }
  return mapped;
}

interface Waiting {
  isGone(): boolean;
  resolve(isThere: boolean): void;
}

/** Lets so many go on in each turn of the event loop, in order of arrival. */
export class Turns {
  readonly #perTurn: number;
  #waiting: Waiting[] = [];
  #isScheduled = false;

  constructor(perTurn: number) {
    this.#perTurn = perTurn;
  }

  /** Resolves with true when it is the caller's turn; with false, and without taking a turn, when it has gone. */
  next(isGone: () => boolean = () => false): Promise<boolean> {
    return new Promise((resolve) => {
      this.#waiting.push({ isGone, resolve });
      this.#schedule();
    });
  }

  #schedule(): void {
    if (this.#isScheduled || this.#waiting.length === 0) return;
    this.#isScheduled = true;
    setImmediate(() => {
      this.#isScheduled = false;
      this.#release();
      this.#schedule();
    });
  }

  #release(): void {
    let [at, left] = [0, this.#perTurn];
    for (; at < this.#waiting.length && left > 0; at++) {
      const { isGone, resolve } = this.#waiting[at]!;
      const isThere = !isGone();
      if (isThere) left--;
      resolve(isThere);
    }
    this.#waiting = this.#waiting.slice(at);
  }
}
