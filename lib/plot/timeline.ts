/** Plot "timeline": the network quantities of one interval after another. */
import { bottomAxis, emptyPage, type Frame, HEAD_HEIGHT, leftAxis, page } from "./page.js";
import { countText, linearScale, type Scale, timeScale } from "./scale.js";
import { element, polyline, text } from "./svg.js";
import type { Theme } from "./theme.js";

/** One interval; start and end are ns since 1970 UTC. */
export interface TimelinePoint {
  start: bigint;
  end: bigint;
  packets: number;
  bytes: number;
  /** Packets offered to the interface that are not among `packets`. */
  lost: number;
  links: number;
  sources: number;
  destinations: number;
  max_fan_out: number;
  max_fan_in: number;
}

type Series = Exclude<keyof TimelinePoint, "start" | "end">;

interface Panel {
  head: string;
  unit: string;
  series: { key: Series; label: string }[];
}

const PANELS: Panel[] = [
  { head: "Packets", unit: "packets", series: [{ key: "packets", label: "packets" }] },
  { head: "Bytes", unit: "bytes", series: [{ key: "bytes", label: "bytes" }] },
  {
    head: "Links and their ends",
    unit: "how many",
    series: [
      { key: "links", label: "links" },
      { key: "sources", label: "sources" },
      { key: "destinations", label: "destinations" },
    ],
  },
  {
    head: "Largest fan-out and fan-in",
    unit: "how many",
    series: [
      { key: "max_fan_out", label: "destinations of one source" },
      { key: "max_fan_in", label: "sources of one destination" },
    ],
  },
];

const WIDTH = 960;
const FRAME = { left: 90, width: 830, height: 118, pitch: 178, top: HEAD_HEIGHT + 40 };
/** More intervals than this are drawn as bands from least to most. */
const STEPS_MAX = 800;

/** `points` in order of start. */
export function timelineSvg(
  points: readonly TimelinePoint[],
  { title, theme }: { title: string; theme: Theme },
): string {
  if (points.length === 0) return emptyPage({ title, facts: "", theme }, "no interval has a packet");
  const [first, last] = [points[0]!, points.at(-1)!];
  const facts = `${countText(points.length)} interval${points.length === 1 ? "" : "s"}${lengthText(points)}, ${utc(first.start)} to ${utc(last.end)} UTC`;
  const x = timeScale(
    [milliseconds(first.start), milliseconds(last.end)],
    [FRAME.left, FRAME.left + FRAME.width],
  );
  const panels = PANELS.flatMap((panel, k) =>
    drawPanel(panel, points, { ...FRAME, top: FRAME.top + k * FRAME.pitch }, x, k),
  );
  const height = FRAME.top + PANELS.length * FRAME.pitch + 4;
  return page({ width: WIDTH, height, title, facts, theme }, panels);
}

function drawPanel(
  panel: Panel,
  points: readonly TimelinePoint[],
  frame: Frame,
  x: Scale,
  place: number,
): string[] {
  const lost = place === 0 && points.some((point) => point.lost > 0);
  const series = lost ? [...panel.series, { key: "lost" as const, label: "lost" }] : panel.series;
  let most = 0;
  for (const point of points) for (const { key } of series) most = Math.max(most, point[key]);
  const y = linearScale([0, most], [frame.top + frame.height, frame.top], 4);
  const paths = series.map(({ key }, k) => {
    const d = points.length > STEPS_MAX ? bandPath(points, key, x, y) : stepPath(points, key, x, y);
    return element("path", { class: `line ${key === "lost" ? "lost" : `s${k}`}`, d });
  });
  return [
    text(frame.left, frame.top - 12, panel.head, { class: "head" }),
    ...legend(series, frame),
    ...leftAxis(frame, y, `${panel.unit}`, 58),
    ...bottomAxis(frame, x, place === PANELS.length - 1 ? "time (UTC)" : ""),
    ...paths,
  ];
}

/** Right-aligned above the frame; a series alone needs none. */
function legend(series: readonly { key: Series; label: string }[], frame: Frame): string[] {
  if (series.length === 1) return [];
  const widths = series.map(({ label }) => 44 + label.length * 7);
  let left = frame.left + frame.width - widths.reduce((sum, width) => sum + width, 0);
  return series.flatMap(({ key, label }, k) => {
    const at = left;
    left += widths[k]!;
    return [
      element("path", {
        class: `line ${key === "lost" ? "lost" : `s${k}`}`,
        d: `M${at} ${frame.top - 16}h20`,
      }),
      text(at + 26, frame.top - 12, label, { class: "note" }),
    ];
  });
}

/** Level from start to end of each interval; the pen is lifted where an interval is missing. */
function stepPath(points: readonly TimelinePoint[], key: Series, x: Scale, y: Scale): string {
  const path: ([number, number] | undefined)[] = [];
  points.forEach((point, at) => {
    if (at > 0 && point.start > points[at - 1]!.end) path.push(undefined);
    path.push([x(milliseconds(point.start)), y(point[key])], [x(milliseconds(point.end)), y(point[key])]);
  });
  return polyline(path);
}

/** Least to most of each group of intervals, side by side. */
function bandPath(points: readonly TimelinePoint[], key: Series, x: Scale, y: Scale): string {
  const size = Math.ceil(points.length / STEPS_MAX);
  const path: [number, number][] = [];
  for (let at = 0; at < points.length; at += size) {
    const group = points.slice(at, at + size);
    const values = group.map((point) => point[key]);
    const middle = x((milliseconds(group[0]!.start) + milliseconds(group.at(-1)!.end)) / 2);
    path.push([middle, y(Math.min(...values))], [middle, y(Math.max(...values))]);
  }
  return polyline(path);
}

const milliseconds = (ns: bigint): number => Number(ns) / 1e6;

const utc = (ns: bigint): string => new Date(milliseconds(ns)).toISOString().replace("T", " ").slice(0, 19);

function lengthText(points: readonly TimelinePoint[]): string {
  const lengths = new Set(points.map(({ start, end }) => end - start));
  if (lengths.size !== 1) return " of different lengths";
  const seconds = Number([...lengths][0]!) / 1e9;
  return ` of ${seconds >= 1 || seconds === 0 ? `${seconds} s` : `${Number((seconds * 1000).toPrecision(4))} ms`}`;
}
