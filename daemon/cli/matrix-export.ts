/** `sparsewire matrix export`: every link of a sum. */
import { type Command, Option } from "commander";
import { EXPORT_FORMATS, type ExportFormat, exportLinks } from "../../lib/export.js";
import { examples, familyOption, type Result, withOutput } from "./command.js";
import { type SourceOptions, withSources, withSum } from "./matrix-common.js";
import { emit } from "./output.js";

interface Options extends SourceOptions {
  format: ExportFormat;
  family: "4" | "6";
  plane: "packets" | "bytes";
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
    .action(async (paths: string[], options: Options) => {
      const family = options.family === "4" ? 4 : 6;
      const format = options.json ? "json" : options.format;
      const { plane } = options;
      await withSum(paths, options, result, async ({ traffic, byteOrder, manifest }) => {
        const pieces = exportLinks(traffic, { format, family, byteOrder, plane, interval: manifest });
        await emit(options.output, pieces);
      });
    });
  withOutput(withSources(command));
  examples(command, [
    ["sparsewire matrix export trace.pcap", "src,dst,packets,bytes of a capture"],
    ["sparsewire matrix export store/raw/2026/01/31 -o day.csv", "a day of an aggregator's store"],
    ["sparsewire matrix export --live --format json", "the last second, as JSON"],
    ["sparsewire matrix export a.tar --format grb -o a.grb", "for python-graphblas"],
    ["sparsewire matrix export day --format parquet -o day.parquet", "for DuckDB, pandas, Spark"],
    ["sparsewire matrix export a.tar --format npz -o a.npz", "for NumPy: Binsparse, DCSR"],
  ]);
}
