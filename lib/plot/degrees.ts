/** What one pass over the links tells of them: packets of each link, fan-out of each source, fan-in of each destination. */
import type { LinkList } from "../links.js";
import type { Histogram } from "./power-law.js";

export interface Degrees {
  /** One of each link, in the links' order. */
  packets: Float64Array;
  /** Ordinals of the sources, ascending, and how many destinations each has. */
  sources: Uint32Array;
  fanOut: Uint32Array;
  /** Ordinals of the destinations, ascending, and how many sources each has. */
  destinations: Uint32Array;
  fanIn: Uint32Array;
}

/** Memory: 16 bytes a link. */
export function degreesOf(links: LinkList): Degrees {
  const packets = new Float64Array(links.length);
  const src = new Uint32Array(links.length);
  const dst = new Uint32Array(links.length);
  let base = 0;
  for (const batch of links.batches()) {
    src.set(batch.src.subarray(0, batch.length), base);
    dst.set(batch.dst.subarray(0, batch.length), base);
    for (let at = 0; at < batch.length; at++) packets[base + at] = Number(batch.packets(at));
    base += batch.length;
  }
  const rows = runsOf(src);
  const columns = runsOf(dst.sort());
  return {
    packets,
    sources: rows.values,
    fanOut: rows.counts,
    destinations: columns.values,
    fanIn: columns.counts,
  };
}

/** Distinct values of a sorted array, and how often each comes. */
function runsOf<T extends Uint32Array | Float64Array>(sorted: T): { values: T; counts: Uint32Array } {
  const counts = new Uint32Array(sorted.length);
  const values = sorted.slice() as T;
  let runs = 0;
  for (let at = 0; at < sorted.length; at++) {
    if (at === 0 || sorted[at] !== sorted[at - 1]) values[runs++] = sorted[at]!;
    counts[runs - 1]!++;
  }
  return { values: values.slice(0, runs) as T, counts: counts.slice(0, runs) };
}

/** How often each value comes. */
export function histogramOf(numbers: Float64Array | Uint32Array): Histogram {
  const { values, counts } = runsOf(Float64Array.from(numbers).sort());
  return { values, counts: Float64Array.from(counts) };
}
