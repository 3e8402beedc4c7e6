/** `sparsewire matrix quantities`: the network quantities of a sum, whole, between address ranges, or over time. */
import { basename } from "node:path";
import { type Command, InvalidArgumentError } from "commander";
import { cidrText, type Family } from "../../lib/address.js";
import { WINDOW_PACKETS } from "../../lib/challenge.js";
import { challengeTable } from "../../lib/challenge-table.js";
import { EXIT } from "../../lib/errors.js";
import { type RangeQuantities, rangeQuantities } from "../../lib/range-pairs.js";
import type { AddressRange } from "../../lib/ranges.js";
import { NOTHING, type Quantities, quantitiesOf } from "../../lib/traffic.js";
import type { TemporalRow } from "../challenge/temporal.js";
import { examples, type Result, usage, withOutput } from "./command.js";
import { type SourceOptions, withSources, withSum } from "./matrix-common.js";
import { emit } from "./output.js";
import { readRanges } from "./ranges-file.js";
import { warnSampled } from "./sampled-text.js";
import type { Summed } from "./sum.js";
import { table } from "./table.js";

interface Options extends SourceOptions {
  ranges?: string;
  temporal?: boolean;
  window: number;
  maxWindow: number;
  tsv?: boolean;
  output?: string;
  json?: boolean;
}

export function registerQuantities(parent: Command, result: Result): void {
  const command = parent
    .command("quantities")
    .description("network quantities: packets, links, sources, destinations, and the largest of each kind")
    .option(
      "--ranges <file>",
      "for every source range x destination range, and everything else; FILE has a CIDR block and a name a line",
    )
    .option("--temporal", "of IPv4 packets over windows of --window packets, of two of them, of four ...")
    .option("--window <n>", "packets of the smallest windows", windowPackets, WINDOW_PACKETS)
    .option("--max-window <n>", "packets of the largest windows, also as 2^30", windowPackets, 2 ** 30)
    .option("--tsv", "the Graph Challenge's table: of IPv4 packets, one row, a column a quantity")
    .action(async (paths: string[], options: Options) => {
      if (options.tsv && options.json)
        throw usage("--tsv and --json exclude one another", "give one of them");
      if (options.temporal) return temporal(paths, options, result);
      const ranges = options.ranges === undefined ? undefined : readRanges(options.ranges);
      await withSum(paths, options, result, async (summed) => {
        warnSampled(summed.manifest, "these are the quantities of what was counted, not of what was offered");
        const label = basename(paths[0] ?? "live").replace(/\.[^.]*$/, "");
        if (options.tsv) await emit(options.output, [challenge(summed, ranges, label)]);
        else if (ranges === undefined) await emit(options.output, [whole(summed, options.json)]);
        else await emit(options.output, between(summed, ranges, options.json));
      });
    });
  withOutput(withSources(command));
  examples(command, [
    ["sparsewire matrix quantities trace.pcap", "of a capture"],
    ["sparsewire matrix quantities --live --json", "of the running sensor's last interval"],
    ["sparsewire matrix quantities a.tar --ranges sites.txt", "between the address ranges of sites.txt"],
    ["sparsewire matrix quantities tars --byte-order little --tsv", "a folder of Graph Challenge tars"],
    ["sparsewire matrix quantities tars --temporal", "over windows of 2^17, 2^18 ... packets"],
  ]);
}

/** Parser of a number of packets: 131072 or 2^17. */
function windowPackets(text: string): number {
  const power = /^2\^(\d{1,2})$/.exec(text);
  const packets =
    power === null ? Number(/^\d{1,10}$/.test(text) ? text : Number.NaN) : 2 ** Number(power[1]);
  if (packets >= 1 && packets <= 2 ** 30) return packets;
  throw new InvalidArgumentError("It must be a number of packets from 1 to 2^30, such as 131072 or 2^17.");
}

async function temporal(paths: string[], options: Options, result: Result): Promise<void> {
  const { window, maxWindow } = options;
  if (options.live || options.ranges !== undefined) {
    throw usage("--temporal goes with neither --live nor --ranges", "leave them out");
  }
  if (paths.length === 0) throw usage("nothing to read", "name archives, folders or capture files");
  if (maxWindow < window || !Number.isInteger(Math.log2(maxWindow / window))) {
    throw usage("--max-window must be --window doubled some times", "give 2^30 for windows of 2^17");
  }
  const [{ load }, { TemporalQuantities }, { eachWindow }] = await Promise.all([
    import("graphblas-wasm"),
    import("../challenge/temporal.js"),
    import("./windows.js"),
  ]);
  using grb = await load();
  const found: TemporalRow[] = [];
  using levels = new TemporalQuantities(window, maxWindow, (row) => found.push(row));
  const damaged = await eachWindow(grb, paths, window, (matrix) => levels.add(matrix));
  levels.finish();
  if (damaged) result.code = EXIT.badInput;
  found.sort((a, b) => a.window_packets - b.window_packets || a.window - b.window);
  await emit(options.output, [temporalText(found, options)]);
}

/** A row a window, windows of one size together, in order of time. */
function temporalText(found: TemporalRow[], { json, tsv }: Options): string {
  const rows = found.map(({ quantities, ...row }) => ({ ...row, ...quantities }));
  if (json) return `${JSON.stringify(rows, null, 1)}\n`;
  const names = ["window_packets", "window", "matrices", "partial", ...DETAILS_OF_WHOLE] as const;
  const lines = rows.map((row) => names.map((name) => (name === "partial" ? Number(row[name]) : row[name])));
  if (tsv) return [names, ...lines].map((line) => `${line.join("\t")}\n`).join("");
  return lines.length === 0 ? "no packets\n" : table([...names], lines);
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

/** The challenge's table, of the IPv4 packets. */
function challenge({ grb, traffic, byteOrder }: Summed, ranges: AddressRange[] = [], label: string): string {
  const all = quantitiesOf(traffic)["links4.packets"] ?? NOTHING;
  const pairs =
    ranges.length === 0 ? [] : [...rangeQuantities(grb, traffic, ranges, { family: 4, byteOrder })];
  return challengeTable(label, all, pairs);
}

function* between(
  { grb, traffic, byteOrder }: Summed,
  ranges: AddressRange[],
  json = false,
): Generator<string> {
  const all = function* (): Generator<RangeQuantities> {
    for (const family of familiesOf(traffic, ranges)) {
      yield* rangeQuantities(grb, traffic, ranges, { family, byteOrder });
    }
  };
  if (json) {
    yield `{"whole":${JSON.stringify(quantitiesOf(traffic))},\n"ranges":[`;
    yield ranges
      .map(({ name, blocks }) => JSON.stringify({ name, blocks: blocks.map(cidrText) }))
      .join(",\n");
    let before = '],\n"pairs":[\n';
    for (const row of all()) {
      yield before + JSON.stringify(row);
      before = ",\n";
    }
    yield "]}\n";
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

/** Families that the list names, or the traffic has: in each the pairs come to the whole. */
function familiesOf({ v4, v6 }: Summed["traffic"], ranges: AddressRange[]): Family[] {
  const named = (family: Family) =>
    ranges.some(({ blocks }) => blocks.some((block) => block.family === family));
  const isShown = { 4: v4 !== undefined || named(4), 6: v6 !== undefined || named(6) };
  return ([4, 6] as const).filter((family) => isShown[family]);
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
const DETAILS_OF_WHOLE = ["n_packets", ...DETAILS] as const;
