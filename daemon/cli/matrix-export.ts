/** `sparsewire matrix export`: every link of a sum. */
import { type Command, Option } from "commander";
import { EXPORT_FORMATS, type ExportFormat, exportLinks } from "../../lib/export.js";
import { exportExtension, extensionOf } from "../../lib/extension-export.js";
import { droppedOf, Sampling } from "../../lib/sampling.js";
import { examples, familyOption, type Result, usage, withOutput } from "./command.js";
import { exportRanges } from "./export-ranges.js";
import { type SourceOptions, withSources, withSum } from "./matrix-common.js";
import { emit, say } from "./output.js";
import { readRanges } from "./ranges-file.js";
import { warnSampled } from "./sampled-text.js";

interface Options extends SourceOptions {
  format: ExportFormat;
  family: "4" | "6";
  plane: "packets" | "bytes";
  ranges?: string;
  estimate?: boolean;
  extension?: string;
  output?: string;
  json?: boolean;
}

export function registerExport(parent: Command, result: Result): void {
  const command = parent
    .command("export")
    .description("print the sum of the sources, link by link, ordered by numeric source then destination")
    .addOption(
      new Option("--format <format>", "csv and tsv have a header")
        .choices([...EXPORT_FORMATS])
        .default("csv"),
    )
    .addOption(familyOption())
    .addOption(
      new Option("--plane <plane>", "values of mtx, d4m, npz and grb, which carry one")
        .choices(["packets", "bytes"])
        .default("packets"),
    )
    .option(
      "--estimate",
      "what was offered where traffic was sampled: three columns more (csv, tsv, json), or estimates as values",
    )
    .option(
      "--ranges <file>",
      "a file for every source range x destination range with links, S_D.FORMAT, into the folder -o",
    )
    .option("--extension <name>", "the matrix of an extension: row,column,value (csv, tsv, json, mtx, grb)")
    .action(async (paths: string[], options: Options) => {
      const family = options.family === "4" ? 4 : 6;
      const format = options.json ? "json" : options.format;
      const { plane, output } = options;
      const ranges = options.ranges === undefined ? undefined : readRanges(options.ranges);
      if (ranges !== undefined && output === undefined)
        throw usage("--ranges writes files", "give -o a folder");
      await withSum(paths, options, result, async (summed) => {
        const { traffic, byteOrder, manifest: interval } = summed;
        if (options.extension !== undefined) {
          await emit(output, exportExtension(extensionOf(traffic, options.extension), format));
          return;
        }
        const estimate = options.estimate
          ? {
              sampling: Sampling.of(interval),
              dropped: interval === undefined ? 0 : droppedOf(interval.drops),
            }
          : undefined;
        if (estimate === undefined) {
          warnSampled(interval, "packets and bytes are what was counted; --estimate gives what was offered");
        }
        const how = { format, family, byteOrder, plane, interval, estimate } as const;
        if (ranges === undefined) await emit(output, exportLinks(traffic, how));
        else say(await exportRanges(summed, ranges, output!, how));
      });
    });
  withOutput(withSources(command));
  examples(command, [
    ["sparsewire matrix export trace.pcap", "src,dst,packets,bytes of a capture"],
    ["sparsewire matrix export store/raw/2026/01/31 -o day.csv", "a day of an aggregator's store"],
    ["sparsewire matrix export --live --format json", "the last second, as JSON"],
    ["sparsewire matrix export day --estimate", "with estimates and their errors, if load was shed"],
    ["sparsewire matrix export a.tar --format grb -o a.grb", "for python-graphblas"],
    ["sparsewire matrix export a.tar --ranges sites.txt -o parts", "its sub-matrices between ranges"],
    ["sparsewire matrix export day --extension dns-count", "who asked for which name how often"],
    ["sparsewire matrix export day --format parquet -o day.parquet", "for DuckDB, pandas, Spark"],
    ["sparsewire matrix export a.tar --format npz -o a.npz", "for NumPy: Binsparse, DCSR"],
  ]);
}
