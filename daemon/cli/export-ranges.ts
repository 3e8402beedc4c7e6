/** `sparsewire matrix export --ranges`: the sub-matrix of every pair of ranges that has links, a file each. */
import { mkdirSync } from "node:fs";
import { join } from "node:path";
import { type ExportOptions, exportLinks } from "../../lib/export.js";
import { rangePairs } from "../../lib/range-pairs.js";
import { type AddressRange, EVERYTHING_ELSE } from "../../lib/ranges.js";
import { makeTraffic } from "../../lib/traffic.js";
import { cannotWrite } from "./ingest-archives.js";
import { emit } from "./output.js";
import type { Summed } from "./sum.js";
import { table } from "./table.js";

/**
 * Writes S_D.FORMAT for every source range S and destination range D, counted from 1 as the Graph Challenge does; the last
 * number is everything else. Returns a table of what was written.
 *
 * @throws SparsewireError OUTPUT
 */
export async function exportRanges(
  { grb, traffic }: Summed,
  ranges: AddressRange[],
  folder: string,
  options: ExportOptions,
): Promise<string> {
  try {
    mkdirSync(folder, { recursive: true });
  } catch (error) {
    throw cannotWrite(folder, error);
  }
  const names = [...ranges.map(({ name }) => name), EVERYTHING_ELSE];
  const rows: (string | number)[][] = [];
  for (const pair of rangePairs(grb, traffic, ranges, options)) {
    const planes = pair.planes();
    const six = options.family === 6 ? { ...traffic.v6!, ...planes } : undefined;
    const part = makeTraffic(options.family === 4 ? planes : undefined, six);
    try {
      const file = `${pair.source + 1}_${pair.destination + 1}.${options.format}`;
      await emit(join(folder, file), exportLinks(part, options));
      const packets = Number(planes.packets.reduce("plus"));
      rows.push([
        file,
        names[pair.source]!,
        names[pair.destination]!,
        planes.packets.nvals,
        packets,
        pair.n_bytes,
      ]);
    } finally {
      part.dispose();
    }
  }
  if (rows.length === 0) return "no links\n";
  return table(["file", "src_range", "dst_range", "n_links", "n_packets", "n_bytes"], rows);
}
