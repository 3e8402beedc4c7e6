/** `sparsewire matrix plot`: a matrix, or the intervals of one, as a picture. */
import { basename, extname } from "node:path";
import { type Command, Option } from "commander";
import { EXIT } from "../../lib/errors.js";
import { linksOf } from "../../lib/links.js";
import { degreePlot, degreeSvg } from "../../lib/plot/degree.js";
import { HEATMAP_AXES, type HeatmapAxes, heatmapPlot } from "../../lib/plot/heatmap.js";
import { heatmapSvg } from "../../lib/plot/heatmap-svg.js";
import { THEMES, type Theme } from "../../lib/plot/theme.js";
import { timelineSvg } from "../../lib/plot/timeline.js";
import { duration, examples, familyOption, type Result, usage } from "./command.js";
import { readIntervals } from "./intervals.js";
import { type SourceOptions, withSources, withSum } from "./matrix-common.js";
import { emit } from "./output.js";
import { pngOf } from "./png.js";
import { warnSampled } from "./sampled-text.js";

const KINDS = ["heatmap", "degree", "timeline"] as const;

interface Options extends SourceOptions {
  kind: (typeof KINDS)[number];
  axes: HeatmapAxes;
  interval: bigint;
  theme: Theme;
  title?: string;
  family: "4" | "6";
  output?: string;
  json?: boolean;
}

const SECOND = 1_000_000_000n;

export function registerPlot(parent: Command, result: Result): void {
  const command = parent
    .command("plot")
    .description("draw the sum of the sources, or their intervals, as SVG or PNG")
    .addOption(new Option("--kind <kind>", "what to draw").choices([...KINDS]).default("heatmap"))
    .addOption(
      new Option("--axes <axes>", "heatmap: ranks of sources and destinations, or the address space")
        .choices([...HEATMAP_AXES])
        .default("rank"),
    )
    .addOption(
      new Option("--interval <duration>", "timeline: cut captures into intervals of this length")
        .argParser(duration)
        .default(SECOND, "1s"),
    )
    .addOption(familyOption())
    .addOption(
      new Option("--theme <theme>", "auto follows the reader's colour scheme (PNG: light)")
        .choices([...THEMES])
        .default("auto"),
    )
    .option("--title <text>", "title of the picture")
    .option("-o, --output <file>", "an .svg or .png file, instead of SVG on stdout")
    .option("--json", "the figures behind the picture instead, also errors as JSON")
    .action((paths: string[], options: Options) => plot(paths, options, result));
  withSources(command);
  examples(command, [
    ["sparsewire matrix plot trace.pcap -o links.svg", "the matrix: which sources reach which destinations"],
    ["sparsewire matrix plot day --kind degree -o degree.png", "how packets and peers are distributed"],
    ["sparsewire matrix plot day --kind timeline -o day.svg", "quantities over the intervals of a folder"],
    ["sparsewire matrix plot trace.pcap --axes address", "where in the address space"],
  ]);
}

async function plot(paths: string[], options: Options, result: Result): Promise<void> {
  const isPng = !options.json && formatOf(options.output) === "png";
  // Nobody's colour scheme is known when pixels are made.
  const theme = isPng && options.theme === "auto" ? "light" : options.theme;
  const drawn =
    options.kind === "timeline"
      ? await timeline(paths, { ...options, theme }, result)
      : await matrix(paths, { ...options, theme }, result);
  await emit(options.output, [isPng ? await pngOf(drawn) : drawn]);
}

/** Typed arrays become lists; times, which are beyond 2^53, strings of ns. */
const figures = (plotted: unknown): string =>
  `${JSON.stringify(plotted, (_key, value: unknown) =>
    typeof value === "bigint"
      ? String(value)
      : ArrayBuffer.isView(value)
        ? Array.from(value as Uint32Array)
        : value,
  )}\n`;

function formatOf(path: string | undefined): "svg" | "png" {
  if (path === undefined || path === "-" || path.startsWith("/dev/")) return "svg";
  const extension = extname(path).toLowerCase();
  if (extension === ".svg" || extension === ".png") return extension.slice(1) as "svg" | "png";
  throw usage(`${path} is not named like a picture`, "end its name in .svg or .png");
}

/** The picture of a sum, or its figures. */
async function matrix(paths: string[], options: Options, result: Result): Promise<string> {
  const { kind, axes, theme, json } = options;
  const family = options.family === "4" ? 4 : 6;
  let drawn = "";
  await withSum(paths, options, result, async ({ traffic, byteOrder, manifest }) => {
    warnSampled(manifest, "the picture shows what was counted");
    const links = linksOf(traffic, family, byteOrder);
    const subject = subjectOf(paths, options);
    if (kind === "degree") {
      const plotted = degreePlot(links);
      const title = options.title ?? `Degree distributions of ${subject}`;
      drawn = json ? figures(plotted) : degreeSvg(plotted, { title, theme });
    } else {
      const plotted = heatmapPlot(links, family, axes);
      const title = options.title ?? `Links of ${subject}`;
      drawn = json ? figures(plotted) : heatmapSvg(plotted, { title, theme });
    }
  });
  return drawn;
}

async function timeline(paths: string[], options: Options, result: Result): Promise<string> {
  if (options.live)
    throw usage("--live is one interval, which makes no timeline", "give a folder of archives");
  const { points, damaged } = await readIntervals(paths, {
    family: options.family === "4" ? 4 : 6,
    intervalNs: options.interval,
    force: options.force ?? false,
  });
  if (damaged) result.code = EXIT.badInput;
  if (options.json) return figures({ points });
  const title = options.title ?? `Traffic of ${subjectOf(paths, options)}`;
  return timelineSvg(points, { title, theme: options.theme });
}

const NAME_CHARS_MAX = 48;

function subjectOf(paths: string[], { live, family }: Options): string {
  const names = [
    ...paths.map((path) => (path === "-" ? "stdin" : basename(path))),
    ...(live ? ["the sensor"] : []),
  ];
  const first = names[0]!.length > NAME_CHARS_MAX ? `${names[0]!.slice(0, NAME_CHARS_MAX)}…` : names[0]!;
  return `${first}${names.length > 1 ? ` and ${names.length - 1} more` : ""}, IPv${family}`;
}
