/** The lines of `sparsewire status` about the service's dependability. */
import { WINDOWS } from "../../lib/dependability/buckets.js";
import type { Ratios } from "../../lib/dependability/ratios.js";
import type { DependabilityStatus } from "../dependability/sensor-dependability.js";

const ROWS: [figure: Exclude<keyof Ratios, "covered_s">, what: string][] = [
  ["availability", "available"],
  ["reliability", "reliable"],
  ["dependability", "dependable"],
  ["performability", "performing"],
];

/** "available  1h 100%, 1d 99.98%, 30d 99.90%"; nothing before anything was due. */
export function dependabilityLines({ windows }: DependabilityStatus): [string, string][] {
  return ROWS.flatMap(([figure, what]): [string, string][] => {
    const shares = WINDOWS.flatMap(({ name }) => {
      const share = windows[name][figure];
      return share === null ? [] : [`${name} ${percent(share)}`];
    });
    return shares.length === 0 ? [] : [[what, shares.join(", ")]];
  });
}

/** Four digits, and never 100% for what is less: 0.99999 is "99.99%". */
export function percent(share: number): string {
  if (share === 1) return "100%";
  return `${(Math.floor(share * 10_000) / 100).toFixed(2)}%`;
}
