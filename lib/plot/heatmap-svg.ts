/** Drawing of the heatmap: blocks of one density are one path, so that a full picture stays small. */
import type { HeatmapPlot, Side } from "./heatmap.js";
import { bottomAxis, emptyPage, type Frame, HEAD_HEIGHT, leftAxis, page } from "./page.js";
import { countText, logScale, type Scale, siText, type Tick } from "./scale.js";
import { element, px, text } from "./svg.js";
import { HEAT_STEPS, type Theme } from "./theme.js";

const FRAME: Frame = { left: 150, top: HEAD_HEIGHT + 14, width: 560, height: 560 };
const WIDTH = 960;
const HEIGHT = 720;
const LEGEND = { left: FRAME.left + FRAME.width + 40, top: FRAME.top + 40, box: 22 };

export function heatmapSvg(plot: HeatmapPlot, { title, theme }: { title: string; theme: Theme }): string {
  const { links, sources, destinations } = plot;
  if (links === 0) return emptyPage({ title, facts: "", theme }, "no links: the matrix is empty");
  const facts =
    `${countText(links)} links from ${countText(sources)} sources to ${countText(destinations)} destinations, ` +
    `${percent(links / (sources * destinations))} of the pairs`;
  const x = sideScale(plot, plot.columns, [FRAME.left, FRAME.left + FRAME.width]);
  const y = sideScale(plot, plot.rows, [FRAME.top, FRAME.top + FRAME.height]);
  const densities = densitiesOf(plot);
  const steps = stepsOf(densities);
  const labels = plot.axes === "rank" ? RANK_LABELS : addressLabels(plot);
  const drawn =
    plot.axes === "address" ? slanted(bottomAxis(FRAME, x, ""), labels.x) : bottomAxis(FRAME, x, labels.x);
  return page({ width: WIDTH, height: HEIGHT + (plot.axes === "address" ? 24 : 0), title, facts, theme }, [
    ...drawn,
    ...leftAxis(FRAME, y, labels.y, plot.axes === "rank" ? 60 : 128),
    ...blockPaths(plot, densities, steps, x, y),
    ...legend(steps, plot.axes === "address"),
  ]);
}

const RANK_LABELS = {
  x: "destination, by rank of fan-in (1 = most sources)",
  y: "source, by rank of fan-out (1 = most destinations)",
};

const addressLabels = ({ rows, columns }: HeatmapPlot): { x: string; y: string } => ({
  x: `destination address from ${columns.first}, blocks of /${columns.prefix}`,
  y: `source address from ${rows.first}, blocks of /${rows.prefix}`,
});

function sideScale({ axes }: HeatmapPlot, side: Side, range: [number, number]): Scale {
  const last = side.edges.at(-1)!;
  if (axes === "rank") return logScale([1, last], range);
  const at = (value: number): number => range[0] + (value / last) * (range[1] - range[0]);
  return Object.assign(at, { ticks: side.labels as Tick[] });
}

/** Addresses are long: their labels below a horizontal axis lean. */
function slanted(axis: string[], label: string): string[] {
  const leaning = axis.map((piece) =>
    piece.replace(
      /^<text x="([\d.]+)" y="([\d.]+)" class="note" text-anchor="middle"/,
      '<text x="$1" y="$2" class="note" text-anchor="end" transform="rotate(-35 $1 $2)"',
    ),
  );
  const middle = FRAME.left + FRAME.width / 2;
  return [...leaning, text(middle, FRAME.top + FRAME.height + 84, label, { class: "ink", anchor: "middle" })];
}

/** Share of the pairs (rank) or links (address) of each block. */
function densitiesOf({ axes, rows, columns, blocks }: HeatmapPlot): Float64Array {
  const width = columns.edges.length - 1;
  if (axes === "address") return Float64Array.from(blocks);
  return Float64Array.from(blocks, (links, at) => {
    const [row, column] = [Math.floor(at / width), at % width];
    const pairs =
      (rows.edges[row + 1]! - rows.edges[row]!) * (columns.edges[column + 1]! - columns.edges[column]!);
    return links / pairs;
  });
}

interface Steps {
  /** Logarithm of the least density, and of the factor between steps. */
  low: number;
  width: number;
  count: number;
}

/** Equal ratios from the least density to the largest. */
function stepsOf(densities: Float64Array): Steps {
  const present = densities.filter((density) => density > 0);
  const low = Math.log10(
    present.reduce((least, density) => Math.min(least, density), Number.POSITIVE_INFINITY),
  );
  const high = Math.log10(present.reduce((most, density) => Math.max(most, density), 0));
  if (high - low < 1e-9) return { low, width: 1, count: 1 };
  return { low, width: (high - low) / HEAT_STEPS, count: HEAT_STEPS };
}

const stepOf = ({ low, width, count }: Steps, density: number): number =>
  Math.min(count - 1, Math.max(0, Math.floor((Math.log10(density) - low) / width + 1e-9)));

/** The colour of a step: the strongest when there is but one. */
const colourOf = ({ count }: Steps, step: number): string => `h${count === 1 ? HEAT_STEPS - 1 : step}`;

function blockPaths(plot: HeatmapPlot, densities: Float64Array, steps: Steps, x: Scale, y: Scale): string[] {
  const { rows, columns } = plot;
  const paths = new Array<string>(steps.count).fill("");
  const width = columns.edges.length - 1;
  for (let row = 0; row < rows.edges.length - 1; row++) {
    const [top, bottom] = [y(rows.edges[row]!), y(rows.edges[row + 1]!)];
    for (let column = 0; column < width; column++) {
      const density = densities[row * width + column]!;
      if (density === 0) continue;
      const step = stepOf(steps, density);
      const start = column;
      // Neighbours of one colour are one rectangle.
      while (column + 1 < width) {
        const next = densities[row * width + column + 1]!;
        if (next === 0 || stepOf(steps, next) !== step) break;
        column++;
      }
      const [left, right] = [x(columns.edges[start]!), x(columns.edges[column + 1]!)];
      paths[step] += `M${px(left)} ${px(top)}H${px(right)}V${px(bottom)}H${px(left)}z`;
    }
  }
  return paths
    .map((d, step) => [d, step] as const)
    .filter(([d]) => d !== "")
    .map(([d, step]) =>
      element("path", { class: colourOf(steps, step), d, "shape-rendering": "crispEdges" }),
    );
}

/** Densest first, as a column of boxes. Whole numbers are told as such. */
function legend(steps: Steps, isWhole: boolean): string[] {
  const { left, top, box } = LEGEND;
  const title = isWhole ? ["links", "in a block"] : ["share of pairs", "that are links"];
  const parts = title.map((content, k) => text(left, top - 18 + k * 16, content, { class: "head" }));
  let y = top + 12;
  for (let step = steps.count - 1; step >= 0; step--) {
    const label = stepText(steps, step, isWhole);
    if (label === undefined) continue;
    parts.push(element("rect", { class: colourOf(steps, step), x: left, y, width: 30, height: box }));
    parts.push(text(left + 40, y + 15, label, { class: "note" }));
    y += box;
  }
  return parts;
}

/** The densities of a step; undefined where no whole number is one of them. */
function stepText({ low, width, count }: Steps, step: number, isWhole: boolean): string | undefined {
  const [from, to] = [10 ** (low + step * width), 10 ** (low + (step + 1) * width)];
  if (count === 1) return short(from);
  if (!isWhole) return `${short(from)} – ${short(to)}`;
  const first = Math.ceil(from - 1e-9);
  const last = step === count - 1 ? Math.round(to) : Math.ceil(to - 1e-9) - 1;
  if (last < first) return undefined;
  return first === last ? siText(first) : `${siText(first)} – ${siText(last)}`;
}

/** Two digits: 0.39, 4.1e-5. */
const short = (value: number): string =>
  value < 1e-3 ? value.toExponential(1) : siText(Number(value.toPrecision(2)));

const percent = (share: number): string => `${Number((100 * share).toPrecision(2))}%`;
