/** The four figures of a service's dependability, from sums over a window. */
import { FIGURES, noTotals, type Totals, WINDOWS, type WindowName } from "./buckets.js";

export interface Ratios {
  /** Share of the time in which capture was complete; null before anything was due. */
  availability: number | null;
  /** Share of the due intervals that were delivered intact and on time. */
  reliability: number | null;
  /** Availability times reliability. */
  dependability: number | null;
  /** Dependability times relative throughput: frames counted / frames offered. */
  performability: number | null;
  /** Seconds of the window that are accounted for: less than its length while the service is younger. */
  covered_s: number;
}

export type WindowRatios = Record<WindowName, Ratios>;

const share = (part: number, whole: number): number | null =>
  whole === 0 ? null : Math.min(1, part / whole);

export function ratiosOf(totals: Totals): Ratios {
  const availability = share(totals.complete_ms, totals.due_ms);
  const reliability = share(totals.delivered, totals.due);
  const dependability = availability === null || reliability === null ? null : availability * reliability;
  const throughput = share(totals.counted, totals.offered) ?? 1;
  const performability = dependability === null ? null : dependability * throughput;
  return {
    availability,
    reliability,
    dependability,
    performability,
    covered_s: Math.round(totals.due_ms / 1000),
  };
}

/** Ratios of each window, of several services together: time and intervals of all of them are added up. */
export function windowRatios(all: Iterable<Record<WindowName, Totals>>): WindowRatios {
  const sums = Object.fromEntries(WINDOWS.map(({ name }) => [name, noTotals()])) as Record<
    WindowName,
    Totals
  >;
  for (const one of all) {
    for (const { name } of WINDOWS) for (const figure of FIGURES) sums[name][figure] += one[name][figure];
  }
  return Object.fromEntries(WINDOWS.map(({ name }) => [name, ratiosOf(sums[name])])) as WindowRatios;
}
