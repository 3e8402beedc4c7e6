/** The Graph Challenge's table of results: a row of tab-separated values with the names its reference analysis gives. */
import type { RangeQuantities } from "./range-pairs.js";
import type { Quantities, QuantityName } from "./traffic.js";

/** In the order of the reference analysis. */
export const CHALLENGE_COLUMNS: readonly QuantityName[] = [
  "n_links",
  "n_packets",
  "n_sources",
  "n_destinations",
  "max_packets",
  "max_source_packets",
  "max_destination_packets",
  "max_fan_out",
  "max_fan_in",
];

/**
 * Two lines: the names of the columns behind an empty cell, then the label and the values. Sub-matrices are columns
 * sub-QUANTITY-S_D, where S and D count the ranges from 1 and the last of them is everything else. `pairs`: all pairs of
 * them, sources first.
 */
export function challengeTable(
  label: string,
  whole: Quantities,
  pairs: readonly RangeQuantities[] = [],
): string {
  const side = Math.sqrt(pairs.length);
  const cells: [name: string, value: number][] = CHALLENGE_COLUMNS.map((name) => [name, whole[name]]);
  pairs.forEach(({ packets }, at) => {
    const pair = `${Math.floor(at / side) + 1}_${(at % side) + 1}`;
    for (const name of CHALLENGE_COLUMNS) cells.push([`sub-${name}-${pair}`, packets[name]]);
  });
  const line = (first: string, rest: (string | number)[]): string => `${[first, ...rest].join("\t")}\n`;
  return (
    line(
      "",
      cells.map(([name]) => name),
    ) +
    line(
      label,
      cells.map(([, value]) => value),
    )
  );
}
