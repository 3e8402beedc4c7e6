/** The busiest links, sources and destinations of a traffic. */
import type { Matrix, Vector } from "graphblas-wasm";
import { type ByteOrder, type Family, indexToAddress4, indexToText4, ipv6TextOfBytes } from "./address.js";
import { readDict } from "./dict.js";
import type { Part, Sampling } from "./sampling.js";
import type { PlanePair, Planes, Traffic } from "./traffic.js";

export const TOP_ORDERS = ["packets", "bytes", "fan-out", "fan-in"] as const;
export type TopOrder = (typeof TOP_ORDERS)[number];
export const TOP_N_MAX = 10_000;

/** What was offered, of which a sample was counted: low <= truth <= high (lib/sampling.ts says how surely). */
export interface Estimated {
  packets: number;
  packets_low: number;
  packets_high: number;
  bytes: number;
  bytes_low: number;
  bytes_high: number;
}

export interface TopLink {
  src: string;
  dst: string;
  packets: number;
  bytes: number;
  /** Where some of the traffic was sampled; what is ordered by, then. */
  estimated?: Estimated;
}

/** fan: how many destinations a source has (fan-out), or how many sources a destination has (fan-in). */
export interface TopAddress {
  address: string;
  packets: number;
  bytes: number;
  fan: number;
  estimated?: Estimated;
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
  /** Bounds of estimates; without it a sampled traffic is treated as what was counted of it. */
  sampling?: Sampling | undefined;
}

/** The n largest of each kind; of equals the one with the smaller index first. */
export function topOf(traffic: Traffic, options: TopOptions): Top {
  const { by, n, family } = options;
  const top: Top = { by, family, links: [], sources: [], destinations: [] };
  const planes = family === 4 ? traffic.v4 : traffic.v6;
  if (planes === undefined) return top;
  const text = textOf(traffic, options);
  const estimate = estimator(options);
  if (by === "packets" || by === "bytes") top.links = topLinks(planes, by, n, text, estimate);
  if (by !== "fan-in") top.sources = topAddresses(planes, "reduceRows", by, n, text, estimate);
  if (by !== "fan-out") top.destinations = topAddresses(planes, "reduceColumns", by, n, text, estimate);
  return top;
}

interface Counted {
  packets: number;
  bytes: number;
}
/** Of a source both ends but the destination are known, and so on: undefined is any. */
type Estimate = (
  counted: Counted,
  estimate: Counted,
  source: bigint | undefined,
  destination: bigint | undefined,
) => Estimated;

function estimator({ sampling, family, byteOrder = "big" }: TopOptions): Estimate | undefined {
  if (sampling === undefined) return undefined;
  const first = (index: bigint | undefined): number | undefined =>
    index === undefined ? undefined : indexToAddress4(Number(index), byteOrder) >>> 24;
  return (counted, estimate, source, destination) => {
    const part: Part = { family };
    if (family === 4 && source !== undefined) part.source = first(source)!;
    if (family === 4 && destination !== undefined) part.destination = first(destination)!;
    const packets = sampling.packets(counted.packets, estimate.packets, part);
    const bytes = sampling.bytes(counted.bytes, estimate.bytes, part);
    return {
      packets: estimate.packets,
      packets_low: packets.low,
      packets_high: packets.high,
      bytes: estimate.bytes,
      bytes_low: bytes.low,
      bytes_high: bytes.high,
    };
  };
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

function topLinks(
  planes: Planes,
  by: "packets" | "bytes",
  n: number,
  text: Text,
  estimate: Estimate | undefined,
): TopLink[] {
  const offered: PlanePair = estimate === undefined ? planes : (planes.estimate ?? planes);
  const { rows, cols } = offered[by].top(n, "value");
  return Array.from(rows, (row, at) => {
    const column = cols[at]!;
    const values = ({ packets, bytes }: PlanePair): Counted => ({
      packets: entryOf(packets, row, column),
      bytes: entryOf(bytes, row, column),
    });
    const counted = values(planes);
    const link: TopLink = { src: text(row), dst: text(column), ...counted };
    if (estimate !== undefined) link.estimated = estimate(counted, values(offered), row, column);
    return link;
  });
}

function entryOf(matrix: Matrix, row: bigint, column: bigint): number {
  using entry = matrix.extractRange(row, row + 1n, column, column + 1n);
  return Number(entry.reduce("plus"));
}

function topAddresses(
  planes: Planes,
  reduce: "reduceRows" | "reduceColumns",
  by: TopOrder,
  n: number,
  text: Text,
  estimate: Estimate | undefined,
): TopAddress[] {
  const sums = (matrix: Matrix, op: "plus" | "count"): Vector => matrix[reduce](op);
  using packets = sums(planes.packets, "plus");
  using bytes = sums(planes.bytes, "plus");
  using fan = sums(planes.packets, "count");
  const pair = estimate === undefined ? undefined : (planes.estimate ?? planes);
  using packetsOffered = sums(pair?.packets ?? planes.packets, "plus");
  using bytesOffered = sums(pair?.bytes ?? planes.bytes, "plus");
  const order = by === "packets" ? packetsOffered : by === "bytes" ? bytesOffered : fan;
  const largest = order.top(n).indices;
  const vectors = [packets, bytes, fan, packetsOffered, bytesOffered];
  const [p, b, f, po, bo] = vectors.map((vector) => vector.extractTuples());
  return Array.from(largest, (index) => {
    // The vectors have one pattern: that of the addresses with traffic.
    const at = position(p!.I, index);
    const counted = { packets: Number(p!.X[at]), bytes: Number(b!.X[at]) };
    const offered = { packets: Number(po!.X[at]), bytes: Number(bo!.X[at]) };
    const [source, destination] = reduce === "reduceRows" ? [index, undefined] : [undefined, index];
    return {
      address: text(index),
      ...counted,
      fan: Number(f!.X[at]),
      ...(estimate && { estimated: estimate(counted, offered, source, destination) }),
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
