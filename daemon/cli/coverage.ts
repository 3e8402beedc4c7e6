/** Which sealed intervals are in a sum already: an interval that comes a second time must not count twice. */
import type { Manifest } from "../../lib/manifest.js";
import { joinRanges } from "../../lib/sum-manifests.js";

export type Overlap = "none" | "partial" | "whole";

/** Ranges are kept joined; the list is tidied when it has grown to this many entries since the last time. */
const UNTIDY_MAX = 1024;

interface Ranges {
  /** Joined and sorted. */
  tidy: [number, number][];
  /** Disjoint from tidy and from one another, in order of arrival. */
  fresh: [number, number][];
}

/** Remembers intervals by (sensor, run, sequence). */
export class Coverage {
  readonly #runs = new Map<string, Ranges>();

  /** How much of an archive's intervals is known; remembers them all when the answer is "none". */
  claim(manifest: Manifest): Overlap {
    const parts = manifest.parts ?? [
      {
        sensor: manifest.sensor,
        run: manifest.run,
        ranges: [[manifest.sequence, manifest.sequence] as [number, number]],
      },
    ];
    let known = 0;
    let total = 0;
    for (const { sensor, run, ranges } of parts) {
      const held = this.#runs.get(`${sensor}/${run}`);
      for (const [low, high] of ranges) {
        total += high - low + 1;
        if (held !== undefined) known += overlap(held, low, high);
      }
    }
    if (known > 0) return known >= total ? "whole" : "partial";
    for (const { sensor, run, ranges } of parts) this.#remember(`${sensor}/${run}`, ranges);
    return "none";
  }

  #remember(key: string, ranges: [number, number][]): void {
    const held = this.#runs.get(key) ?? { tidy: [], fresh: [] };
    held.fresh.push(...ranges);
    if (held.fresh.length > UNTIDY_MAX || follows(held)) {
      held.tidy = joinRanges([...held.tidy, ...held.fresh]);
      held.fresh = [];
    }
    this.#runs.set(key, held);
  }
}

/** The usual case: sequences come in order, and one range is all there is. */
function follows({ tidy, fresh }: Ranges): boolean {
  return tidy.length <= 1 && fresh.length === 1;
}

function overlap({ tidy, fresh }: Ranges, low: number, high: number): number {
  let [left, right] = [0, tidy.length];
  while (left < right) {
    const middle = (left + right) >>> 1;
    if (tidy[middle]![1] < low) left = middle + 1;
    else right = middle;
  }
  let common = 0;
  for (let at = left; at < tidy.length && tidy[at]![0] <= high; at++) common += shared(tidy[at]!, low, high);
  for (const range of fresh) common += shared(range, low, high);
  return common;
}

function shared([from, to]: [number, number], low: number, high: number): number {
  return Math.max(0, Math.min(to, high) - Math.max(from, low) + 1);
}
