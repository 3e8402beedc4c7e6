/** `sparsewire matrix quantities`: the network quantities of a sum, whole or between address ranges. */
import { readFileSync } from "node:fs";
import type { Command } from "commander";
import { EXIT, SparsewireError } from "../../lib/errors.js";
import { parseRanges, type RangeQuantities, rangeQuantities } from "../../lib/ranges.js";
import { type Quantities, quantitiesOf } from "../../lib/traffic.js";
import { examples, type Result, withOutput } from "./command.js";
import { type SourceOptions, withSources, withSum } from "./matrix-common.js";
import { emit } from "./output.js";
import { attempt } from "./sources.js";
import type { Summed } from "./sum.js";
import { table } from "./table.js";

interface Options extends SourceOptions {
  ranges?: string;
  output?: string;
  json?: boolean;
}

const RANGES_FILE_BYTES_MAX = 1 << 20;

export function registerQuantities(parent: Command, result: Result): void {
  const command = parent
    .command("quantities")
    .description("network quantities: packets, links, sources, destinations, and the largest of each kind")
    .option(
      "--ranges <file>",
      "for every source range x destination range; FILE has one CIDR block a line, # comments",
    )
    .action(async (paths: string[], options: Options) => {
      const blocks = options.ranges === undefined ? undefined : parseRanges(readRanges(options.ranges));
      await withSum(paths, options, result, async (summed) => {
        if (blocks === undefined) await emit(options.output, [whole(summed, options.json)]);
        else await emit(options.output, between(summed, blocks, options.json));
      });
    });
  withOutput(withSources(command));
  examples(command, [
    ["sparsewire matrix quantities trace.pcap", "of a capture"],
    ["sparsewire matrix quantities --live --json", "of the running sensor's last interval"],
    ["sparsewire matrix quantities a.tar --ranges sites.txt", "between the address ranges of sites.txt"],
  ]);
}

function readRanges(path: string): string {
  const bytes = attempt(path, () => readFileSync(path));
  if (bytes.length <= RANGES_FILE_BYTES_MAX) return bytes.toString("utf8");
  throw new SparsewireError("BAD_RANGES", `${path} is larger than 1 MiB`, {
    exit: EXIT.badInput,
    mend: "split it",
  });
}

/** All four matrices side by side. */
function whole({ traffic }: Summed, json = false): string {
  const quantities = quantitiesOf(traffic);
  if (json) return `${JSON.stringify(quantities, null, 1)}\n`;
  const columns = Object.entries(quantities);
  if (columns.length === 0) return "no links\n";
  const names = Object.keys(columns[0]![1]) as (keyof Quantities)[];
  const rows = names.map((name) => [name, ...columns.map(([, values]) => values[name])]);
  return table(["quantity", ...columns.map(([matrix]) => matrix)], rows);
}

function* between(
  { grb, traffic, byteOrder }: Summed,
  blocks: ReturnType<typeof parseRanges>,
  json = false,
): Generator<string> {
  const all = function* (): Generator<RangeQuantities> {
    for (const family of [4, 6] as const) yield* rangeQuantities(grb, traffic, blocks, { family, byteOrder });
  };
  if (json) {
    let before = "[\n";
    for (const row of all()) {
      yield before + JSON.stringify(row);
      before = ",\n";
    }
    yield before === "[\n" ? "[]\n" : "\n]\n";
    return;
  }
  const rows = [...all()].map((row) => [
    row.src_range,
    row.dst_range,
    row.packets.n_packets,
    row.n_bytes,
    ...DETAILS.map((name) => row.packets[name]),
  ]);
  yield table(["src_range", "dst_range", "n_packets", "n_bytes", ...DETAILS], rows);
}

const DETAILS = [
  "n_links",
  "n_sources",
  "n_destinations",
  "max_packets",
  "max_source_packets",
  "max_fan_out",
  "max_destination_packets",
  "max_fan_in",
] as const;
