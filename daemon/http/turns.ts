/** Work of many small steps on the main thread, with pauses for everybody else. */
import { setImmediate as nextTurn } from "node:timers/promises";

/** Longest stretch without a pause, ms. */
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
