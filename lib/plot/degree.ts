/** Plot "degree": how packets, fan-out and fan-in are distributed, and the power law nearest to each. */
import type { LinkList } from "../links.js";
import { degreesOf, histogramOf } from "./degrees.js";
import { bottomAxis, emptyPage, type Frame, HEAD_HEIGHT, leftAxis, MARGIN, page } from "./page.js";
import { expectedCount, fitPowerLaw, type Histogram, type PowerLaw } from "./power-law.js";
import { countText, logScale, type Scale, siText } from "./scale.js";
import { element, polyline, px, text } from "./svg.js";
import type { Theme } from "./theme.js";

export interface Distribution {
  name: "packets" | "fan_out" | "fan_in";
  histogram: Histogram;
  fit: PowerLaw | undefined;
}

export interface DegreePlot {
  /** Counts of packets sum to the number of links; fan_out's to the sources; fan_in's to the destinations. */
  distributions: Distribution[];
}

export function degreePlot(links: LinkList): DegreePlot {
  const { packets, fanOut, fanIn } = degreesOf(links);
  const all = { packets, fan_out: fanOut, fan_in: fanIn };
  const distributions = Object.entries(all).map(([name, numbers]) => {
    const histogram = histogramOf(numbers);
    return { name: name as Distribution["name"], histogram, fit: fitPowerLaw(histogram) };
  });
  return { distributions };
}

const WIDTH = 1080;
const HEIGHT = 430;
const PANEL = { top: HEAD_HEIGHT + 46, height: 230, width: 282, pitch: 340 };
const LABELS = {
  packets: { head: "Packets per link", unit: "packets", of: "links" },
  fan_out: { head: "Fan-out per source", unit: "destinations of a source", of: "sources" },
  fan_in: { head: "Fan-in per destination", unit: "sources of a destination", of: "destinations" },
};

/** Three panels side by side with one vertical scale. */
export function degreeSvg(plot: DegreePlot, { title, theme }: { title: string; theme: Theme }): string {
  const [links, sources, destinations] = plot.distributions.map(({ histogram }) => total(histogram));
  const facts =
    `${countText(links!)} links from ${countText(sources!)} sources to ${countText(destinations!)} destinations; ` +
    "fit: power law by maximum likelihood";
  if (links === 0) return emptyPage({ title, facts: "", theme }, "no links: nothing has a degree");
  const binned = plot.distributions.map(({ histogram }) => doublingBins(histogram));
  const least = Math.min(...binned.flat().map(({ density }) => density), 1);
  const most = Math.max(...plot.distributions.map(({ histogram }) => largest(histogram)));
  const y = logScale(
    [10 ** Math.floor(Math.log10(least)), 10 ** Math.ceil(Math.log10(most + 1))],
    [PANEL.top + PANEL.height, PANEL.top],
  );
  const panels = plot.distributions.flatMap((distribution, k) => {
    const frame = { ...PANEL, left: 84 + k * PANEL.pitch };
    return panel(distribution, binned[k]!, frame, y, k);
  });
  return page({ width: WIDTH, height: HEIGHT, title, facts, theme }, [...panels, ...legend()]);
}

function panel(
  { name, histogram, fit }: Distribution,
  bins: Bin[],
  frame: Frame,
  y: Scale,
  k: number,
): string[] {
  const { head, unit, of } = LABELS[name];
  const high = histogram.values.at(-1)!;
  // The last bin may be centred beyond the largest value.
  const x = logScale(
    [0.8, Math.max(10, 1.15 * Math.max(high, bins.at(-1)!.centre))],
    [frame.left, frame.left + frame.width],
  );
  const dots = new Set<string>();
  histogram.values.forEach((value, at) => {
    dots.add(`M${px(x(value))} ${px(y(histogram.counts[at]!))}`);
  });
  const markers = bins.map(({ centre, density }) => {
    return `M${px(x(centre) - 4)} ${px(y(density))}l4-4l4 4l-4 4z`;
  });
  const law =
    fit === undefined
      ? "too few values for a fit"
      : `α = ${fit.alpha.toFixed(2)} ± ${fit.error.toFixed(2)} from ${siText(fit.xmin)} on (${fit.tail < 1e5 ? countText(fit.tail) : siText(fit.tail)} ${of})`;
  return [
    text(frame.left, frame.top - 26, head, { class: "head" }),
    text(frame.left, frame.top - 9, law, { class: "note" }),
    ...leftAxis(frame, y, k === 0 ? "how many have the value" : ""),
    ...bottomAxis(frame, x, unit),
    // Round line ends of no length: the shortest dots there are.
    element("path", {
      class: `dots d${k}`,
      d: [...dots].map((dot) => `${dot}h0`).join(""),
    }),
    ...(fit === undefined ? [] : [element("path", { class: "fit ink", d: lawPath(fit, high, x, y, frame) })]),
    element("path", { class: `s${k}`, d: markers.join("") }),
  ];
}

/** Straight in this picture, but for the smallest values; it ends where the frame does. */
function lawPath(fit: PowerLaw, high: number, x: Scale, y: Scale, frame: Frame): string {
  const points: [number, number][] = [];
  for (let k = 0; k <= 32; k++) {
    const value = fit.xmin * (high / fit.xmin) ** (k / 32);
    const at = y(expectedCount(fit, value));
    if (at <= frame.top + frame.height && at >= frame.top) points.push([x(value), at]);
  }
  return polyline(points);
}

function legend(): string[] {
  const y = HEIGHT - 22;
  return [
    element("path", { class: "dots dn", d: `M${MARGIN + 64} ${y - 4}h0` }),
    text(MARGIN + 74, y, "exact value", { class: "note" }),
    element("path", { class: "note", d: `M${MARGIN + 166} ${y - 4}l4-4l4 4l-4 4z` }),
    text(MARGIN + 182, y, "mean over a doubling bin (1, 2–3, 4–7, ...)", { class: "note" }),
    element("path", { class: "fit ink", d: `M${MARGIN + 456} ${y - 4}h30` }),
    text(MARGIN + 494, y, "power law, exponent −α", { class: "note" }),
  ];
}

interface Bin {
  centre: number;
  /** Observations per whole number in the bin. */
  density: number;
}

/** [1, 2), [2, 4), [4, 8), ...: what noise there is in the tail averages out. Empty bins are left out. */
function doublingBins({ values, counts }: Histogram): Bin[] {
  const sums = new Map<number, number>();
  values.forEach((value, at) => {
    const bin = Math.floor(Math.log2(value));
    sums.set(bin, (sums.get(bin) ?? 0) + counts[at]!);
  });
  return [...sums].map(([bin, sum]) => {
    const low = 2 ** bin;
    return { centre: Math.sqrt(low * (2 * low - 1)), density: sum / low };
  });
}

const total = ({ counts }: Histogram): number => counts.reduce((sum, count) => sum + count, 0);

const largest = ({ counts }: Histogram): number => counts.reduce((most, count) => Math.max(most, count), 0);
