/** `sparsewire matrix top`: the busiest links, sources and destinations of a sum. */
import type { Command } from "commander";
import { extensionHeader, extensionOf, topExtension } from "../../lib/extension-export.js";
import type { ExtensionMatrix } from "../../lib/extension-matrix.js";
import { Sampling } from "../../lib/sampling.js";
import { TOP_N_MAX, TOP_ORDERS, type Top, type TopOrder, topOf } from "../../lib/top.js";
import { examples, familyOption, integer, listOf, type Result, withOutput } from "./command.js";
import { type SourceOptions, withSources, withSum } from "./matrix-common.js";
import { emit } from "./output.js";
import { figureHead, figures, sampledNote } from "./sampled-text.js";
import { table } from "./table.js";

interface Options extends SourceOptions {
  by: TopOrder[];
  n: number;
  family: "4" | "6";
  extension?: string;
  output?: string;
  json?: boolean;
}

export function registerMatrixTop(parent: Command, result: Result): void {
  const command = parent
    .command("top")
    .description("the top links, sources and destinations")
    .option("--by <orders>", `one or more of ${TOP_ORDERS.join(",")}`, listOf(TOP_ORDERS), ["packets"])
    .option("-n <count>", "how many of each", integer(1, TOP_N_MAX), 20)
    .addOption(familyOption())
    .option("--extension <name>", "the largest entries of an extension's matrix")
    .action(async (paths: string[], options: Options) => {
      const family = options.family === "4" ? 4 : 6;
      await withSum(paths, options, result, async ({ traffic, byteOrder, manifest }) => {
        if (options.extension !== undefined) {
          const found = extensionOf(traffic, options.extension);
          await emit(options.output, [topText(found, options.n, options.json === true)]);
          return;
        }
        const sampling = Sampling.of(manifest);
        const tops = options.by.map((by) =>
          topOf(traffic, { by, n: options.n, family, byteOrder, sampling }),
        );
        await emit(options.output, [
          options.json
            ? `${JSON.stringify(tops, null, 1)}\n`
            : sampledNote(manifest) + tops.map(text).join("\n"),
        ]);
      });
    });
  withOutput(withSources(command));
  examples(command, [
    ["sparsewire matrix top trace.pcap", "the 20 links with most packets, and their ends"],
    ["sparsewire matrix top --live --by bytes -n 5", "the last second's largest talkers"],
    ["sparsewire matrix top store/raw --by fan-out", "who contacts most others: scanners show here"],
  ]);
}

function topText(extension: ExtensionMatrix, n: number, isJson: boolean): string {
  const rows = topExtension(extension, n);
  if (!isJson) return table([...extensionHeader(extension)], rows);
  const [row, column, value] = extensionHeader(extension);
  const entries = rows.map(([r, c, v]) => ({ [row]: r, [column]: c, [value]: v }));
  return `${JSON.stringify(entries, null, 1)}\n`;
}

function text(top: Top): string {
  const sections: string[] = [];
  if (top.links.length > 0) {
    const rows = top.links.map((link) => [link.src, link.dst, ...figures(link)]);
    const head = ["source", "destination", ...figureHead(top.links)];
    sections.push(`links by ${top.by}\n${table(head, rows)}`);
  }
  for (const [kind, list, fan] of [
    ["source", top.sources, "fan-out"],
    ["destination", top.destinations, "fan-in"],
  ] as const) {
    if (list.length === 0) continue;
    const rows = list.map((entry) => [entry.address, ...figures(entry), entry.fan]);
    sections.push(`${kind}s by ${top.by}\n${table([kind, ...figureHead(list), fan], rows)}`);
  }
  return sections.length === 0 ? `no IPv${top.family} links\n` : sections.join("\n");
}
