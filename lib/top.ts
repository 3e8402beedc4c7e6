/** The busiest links, sources and destinations of a traffic. */
import type { Matrix, Vector } from "graphblas-wasm";
import { type ByteOrder, type Family, indexToText4, ipv6TextOfBytes } from "./address.js";
import { readDict } from "./dict.js";
import type { Planes, Traffic } from "./traffic.js";

export const TOP_ORDERS = ["packets", "bytes", "fan-out", "fan-in"] as const;
export type TopOrder = (typeof TOP_ORDERS)[number];
export const TOP_N_MAX = 10_000;

export interface TopLink {
  src: string;
  dst: string;
  packets: number;
  bytes: number;
}

/** fan: how many destinations a source has (fan-out), or how many sources a destination has (fan-in). */
export interface TopAddress {
  address: string;
  packets: number;
  bytes: number;
  fan: number;
}

export interface Top {
  by: TopOrder;
  family: Family;
  /** Ordered by packets or bytes; empty for fan-out and fan-in, which no link has. */
  links: TopLink[];
  /** Empty for fan-in. */
  sources: TopAddress[];
  /** Empty for fan-out. */
  destinations: TopAddress[];
}

export interface TopOptions {
  by: TopOrder;
  /** 1 to TOP_N_MAX. */
  n: number;
  family: Family;
  byteOrder?: ByteOrder;
}

/** The n largest of each kind; of equals the one with the smaller index first. */
export function topOf(traffic: Traffic, options: TopOptions): Top {
  const { by, n, family } = options;
  const top: Top = { by, family, links: [], sources: [], destinations: [] };
  const planes = family === 4 ? traffic.v4 : traffic.v6;
  if (planes === undefined) return top;
  const text = textOf(traffic, options);
  if (by === "packets" || by === "bytes") top.links = topLinks(planes, by, n, text);
  if (by !== "fan-in") top.sources = topAddresses(planes, "reduceRows", by, n, text);
  if (by !== "fan-out") top.destinations = topAddresses(planes, "reduceColumns", by, n, text);
  return top;
}

type Text = (index: bigint) => string;

function textOf(traffic: Traffic, options: TopOptions): Text {
  if (options.family === 4) return (index) => indexToText4(index, options.byteOrder ?? "big");
  const dict = readDict(traffic.v6!.dict);
  return (index) => {
    const address = dict.lookup(index);
    return address === undefined ? `unknown(${index})` : ipv6TextOfBytes(address);
  };
}

function topLinks(planes: Planes, by: "packets" | "bytes", n: number, text: Text): TopLink[] {
  const other = by === "packets" ? planes.bytes : planes.packets;
  const { rows, cols, values } = planes[by].top(n, "value");
  return Array.from(rows, (row, at) => {
    const column = cols[at]!;
    using entry = other.extractRange(row, row + 1n, column, column + 1n);
    const value = Number(values[at]);
    const beside = Number(entry.reduce("plus"));
    return {
      src: text(row),
      dst: text(column),
      packets: by === "packets" ? value : beside,
      bytes: by === "packets" ? beside : value,
    };
  });
}

function topAddresses(
  planes: Planes,
  reduce: "reduceRows" | "reduceColumns",
  by: TopOrder,
  n: number,
  text: Text,
): TopAddress[] {
  const sums = (matrix: Matrix, op: "plus" | "count"): Vector => matrix[reduce](op);
  using packets = sums(planes.packets, "plus");
  using bytes = sums(planes.bytes, "plus");
  using fan = sums(planes.packets, "count");
  const order = by === "packets" ? packets : by === "bytes" ? bytes : fan;
  const largest = order.top(n).indices;
  const [p, b, f] = [packets, bytes, fan].map((vector) => vector.extractTuples());
  return Array.from(largest, (index) => {
    // The three vectors have one pattern: that of the addresses with traffic.
    const at = position(p!.I, index);
    return {
      address: text(index),
      packets: Number(p!.X[at]),
      bytes: Number(b!.X[at]),
      fan: Number(f!.X[at]),
    };
  });
}

/** Where a value stands in a sorted array that holds it. */
function position(sorted: BigUint64Array, value: bigint): number {
  let [low, high] = [0, sorted.length];
  while (low < high) {
    const middle = (low + high) >>> 1;
    if (sorted[middle]! < value) low = middle + 1;
    else high = middle;
  }
  return low;
}
