/** The gauges of dependability, the same in a sensor and an aggregator. */
import { Gauge, type Registry } from "prom-client";
import { WINDOWS } from "../../lib/dependability/buckets.js";
import type { Ratios, WindowRatios } from "../../lib/dependability/ratios.js";

const GAUGES: [suffix: string, figure: keyof Ratios, help: string][] = [
  [
    "service_availability_ratio",
    "availability",
    "Share of the time in which capture was complete: no drop, no sampling, no outage",
  ],
  [
    "service_reliability_ratio",
    "reliability",
    "Share of the due intervals that were delivered intact and on time",
  ],
  ["service_dependability_ratio", "dependability", "Availability times reliability"],
  [
    "service_performability_ratio",
    "performability",
    "Dependability times relative throughput (frames counted / frames offered)",
  ],
  ["service_covered_seconds", "covered_s", "Seconds of the window that are accounted for"],
];

/** One scrape asks for five gauges: they are computed once. */
const FRESH_MS = 100;

/** Adds them; `read` answers undefined where nothing is measured. A ratio of nothing is left out. */
export function addDependability(registry: Registry, read: () => WindowRatios | undefined): void {
  let windows: WindowRatios | undefined;
  let readAt = -FRESH_MS;
  for (const [suffix, figure, help] of GAUGES) {
    new Gauge({
      name: `sparsewire_${suffix}`,
      help,
      labelNames: ["window"],
      registers: [registry],
      collect() {
        this.reset();
        if (performance.now() - readAt >= FRESH_MS) {
          windows = read();
          readAt = performance.now();
        }
        if (windows === undefined) return;
        for (const { name } of WINDOWS) {
          const value = windows[name][figure];
          if (value !== null) this.set({ window: name }, value);
        }
      },
    });
  }
}
