/** The live view as lines of text: pure, so that every size of terminal can be tested without one. */
import { printable } from "../../lib/printable.js";
import type { TopAddress } from "../../lib/top.js";
import { grouped, short } from "./table.js";
import type { Sort, TopModel } from "./top-model.js";

export interface ViewOptions {
  columns: number;
  rows: number;
  color: boolean;
  sort: Sort;
  paused: boolean;
  /** "12:03:05". */
  clock: string;
  /** Shown in place of the key help: why there are no fresh figures. */
  trouble?: string;
  /** A snapshot for a pipe has no keys to tell of. */
  keys: boolean;
  /** Lines below the head, as they are. */
  notes?: readonly string[];
}

/** Below this the view does not shrink further; the terminal cuts it. */
const COLUMNS_MIN = 40;
const RATE_WIDTH = 8;
const END_RATE_WIDTH = 7;
const FAN_WIDTH = 8;
const END_FAN_COLUMNS_MIN = 29;
/** From so many rows on, sources and destinations are shown below the links. */
const ENDS_ROWS_MIN = 22;
const ENDS_MAX = 6;

const STYLES = {
  bold: "1",
  dim: "2",
  red: "31",
  green: "32",
  yellow: "33",
  cyan: "36",
  inverse: "7",
} as const;
type Paint = (text: string, style: keyof typeof STYLES) => string;

/** At most `rows` lines, none wider than `columns`. */
export function renderTop(model: TopModel, options: ViewOptions): string[] {
  const columns = Math.max(options.columns, COLUMNS_MIN);
  const paint: Paint = (text, style) => (options.color ? `\x1b[${STYLES[style]}m${text}\x1b[0m` : text);
  const lines = headLines(model, options, columns, paint);
  for (const note of options.notes ?? []) lines.push(paint(cut(note, columns), "dim"));
  const foot = options.keys || options.trouble !== undefined ? 1 : 0;
  const space = Math.max(1, options.rows - lines.length - foot);
  const ends = options.rows >= ENDS_ROWS_MIN ? endLines(model, options, columns, paint) : [];
  const linkRows = Math.max(1, space - ends.length);
  const body = linkLines(model, options, columns, linkRows, paint);
  lines.push(
    ...body,
    ...Array.from({ length: options.keys ? linkRows - body.length : 0 }, () => ""),
    ...ends,
  );
  const kept = lines.slice(0, Math.max(0, options.rows - foot));
  if (foot === 1) kept.push(footLine(options, columns, paint));
  return kept;
}

function headLines(model: TopModel, options: ViewOptions, columns: number, paint: Paint): string[] {
  const name = "sparsewire top";
  const right = options.paused ? `PAUSED  ${options.clock}` : options.clock;
  const title = cut(`${name}  ${model.title}`, columns - right.length - 2).padEnd(columns - right.length);
  const rates =
    `${short(model.packetsPerSecond)} packets/s  ${short(model.bytesPerSecond * 8)}bit/s  ` +
    [
      counted(model.links, "link"),
      counted(model.sources, "source"),
      counted(model.destinations, "destination"),
    ].join("  ");
  const drops =
    model.drops === 0 ? "no drops" : `${grouped(model.drops)} dropped (${model.dropCauses.join(", ")})`;
  const parts = [model.sampled, drops, model.intervals === "" ? "" : `intervals: ${model.intervals}`];
  const state = cut(parts.filter((part) => part !== "").join("  "), columns);
  return [
    paint(title.slice(0, name.length), "bold") +
      title.slice(name.length) +
      (options.paused ? paint(right, "yellow") : right),
    paint(cut(rates, columns), "cyan"),
    paint(state, model.drops === 0 ? "green" : "red"),
  ];
}

function linkLines(
  model: TopModel,
  options: ViewOptions,
  columns: number,
  rows: number,
  paint: Paint,
): string[] {
  const address = Math.floor((columns - 2 * (RATE_WIDTH + 1) - 2) / 2);
  const head = row(["SOURCE", "DESTINATION"], [address, address], mark(options.sort), columns);
  const lines = [paint(head.padEnd(columns), "inverse")];
  for (const link of model.topLinks.slice(0, rows - 1)) {
    lines.push(
      row([link.src, link.dst], [address, address], [short(link.packets), short(link.bytes)], columns),
    );
  }
  if (model.topLinks.length === 0 && rows > 1) lines.push("no packets in this interval");
  return lines;
}

/** Column heads; the one that sorts is marked. */
function mark(sort: Sort): string[] {
  return sort === "packets" ? ["*PKTS/S", "BYTES/S"] : ["PKTS/S", "*BYTES/S"];
}

function endLines(model: TopModel, options: ViewOptions, columns: number, paint: Paint): string[] {
  const half = Math.floor((columns - 2) / 2);
  const count = Math.min(ENDS_MAX, Math.floor(options.rows / 5));
  const rate = options.sort === "packets" ? "PKTS/S" : "BYTES/S";
  const lines = [
    paint(
      `${end("SOURCES", rate, "FAN-OUT", half)}  ${end("DESTINATIONS", rate, "FAN-IN", half)}`.padEnd(
        columns,
      ),
      "inverse",
    ),
  ];
  const cell = (entry: TopAddress | undefined): string =>
    entry === undefined
      ? " ".repeat(half)
      : end(entry.address, short(entry[options.sort]), short(entry.fan), half);
  for (let at = 0; at < count; at++) {
    const [source, destination] = [model.topSources[at], model.topDestinations[at]];
    if (source === undefined && destination === undefined) break;
    lines.push(`${cell(source)}  ${cell(destination)}`.trimEnd());
  }
  return lines.length > 1 ? lines : [];
}

/** An address, its rate, and (where there is room) how many peers it has. */
function end(address: string, rate: string, fan: string, width: number): string {
  const figures =
    rate.padStart(END_RATE_WIDTH) + (width < END_FAN_COLUMNS_MIN ? "" : fan.padStart(FAN_WIDTH));
  const text = width - figures.length;
  return cut(address, text).padEnd(text) + figures;
}

function row(addresses: string[], widths: number[], figures: string[], columns: number): string {
  const left = addresses.map((text, at) => cut(text, widths[at]!).padEnd(widths[at]!)).join("  ");
  return `${left}${figures.map((figure) => ` ${figure.padStart(RATE_WIDTH)}`).join("")}`.slice(0, columns);
}

function footLine(options: ViewOptions, columns: number, paint: Paint): string {
  if (options.trouble !== undefined) return paint(cut(options.trouble, columns), "red");
  const other = options.sort === "packets" ? "bytes" : "packets";
  return paint(cut(`q quit   s sort by ${other}   p ${options.paused ? "go on" : "pause"}`, columns), "dim");
}

function counted(count: number, noun: string): string {
  return `${grouped(count)} ${noun}${count === 1 ? "" : "s"}`;
}

function cut(given: string, width: number): string {
  const text = printable(given);
  return text.length <= width ? text : `${text.slice(0, Math.max(0, width - 1))}…`;
}
