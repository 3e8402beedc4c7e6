/** How accurate a sampled interval is: one figure, over its busiest links. */
import type { Matrix } from "graphblas-wasm";
import type { Manifest } from "./manifest.js";
import { accuracyOf, type Bound, type Part, Sampling } from "./sampling.js";
import type { Traffic } from "./traffic.js";

/** Links that the figure is taken over. */
export const ACCURACY_LINKS = 100;

/** The accuracy of the ACCURACY_LINKS links with most packets of each family; 1 for what was not sampled. */
export function trafficAccuracy(
  traffic: Traffic,
  manifest: Pick<Manifest, "shed" | "drops" | "sampling">,
): number {
  const sampling = Sampling.of(manifest);
  if (sampling === undefined) return 1;
  const factor = 1 / manifest.sampling;
  const links: [number, Bound][] = [];
  const add = (packets: Matrix, partOf: (row: bigint, column: bigint) => Part): void => {
    const { rows, cols, values } = packets.top(ACCURACY_LINKS, "value");
    for (const [at, row] of rows.entries()) {
      const kept = Number(values[at]);
      links.push([kept * factor, sampling.sampled(kept, kept * factor, partOf(row, cols[at]!))]);
    }
  };
  if (traffic.v4 !== undefined) add(traffic.v4.packets, part4);
  if (traffic.v6 !== undefined) add(traffic.v6.packets, () => ({ family: 6 }));
  return accuracyOf(links, sampling.unseen);
}

/** Which frames can belong to an IPv4 link: row and column are its addresses as numbers. */
export const part4 = (row: bigint, column: bigint): Part => ({
  family: 4,
  source: Number(row >> 24n),
  destination: Number(column >> 24n),
});
