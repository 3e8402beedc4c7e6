/**
 * Plot "heatmap": where in the matrix its links are. Two kinds of axes:
 *
 * - rank: sources by fan-out and destinations by fan-in, the largest first, both logarithmic; the colour is the density of a
 *   block, the share of its source-destination pairs that are links.
 * - address: the address space in numeric order, from the prefix that all sources (destinations) share, in 64 equal blocks a
 *   side; the colour is the number of links in a block.
 */
import { ipv4Text, ipv6Text } from "../address.js";
import type { LinkList } from "../links.js";
import { type Degrees, degreesOf } from "./degrees.js";

export const HEATMAP_AXES = ["rank", "address"] as const;
export type HeatmapAxes = (typeof HEATMAP_AXES)[number];

/** One side of the picture. */
export interface Side {
  /** Block k is [edges[k], edges[k + 1]): ranks from 1, or numbers of blocks of addresses. */
  edges: number[];
  /** address: what some of the edges stand for. */
  labels: { at: number; label: string }[];
  /** address: the prefix length of a block, and the first address of the first one. */
  prefix?: number;
  first?: string;
}

export interface HeatmapPlot {
  axes: HeatmapAxes;
  links: number;
  sources: number;
  destinations: number;
  rows: Side;
  columns: Side;
  /** Links of each block, row by row: rows x columns. They sum to `links`. */
  blocks: Uint32Array;
}

const ADDRESS_BLOCKS = 64;
const ADDRESS_BITS = 6;
const LABEL_CHARS_MAX = 16;

export function heatmapPlot(links: LinkList, family: 4 | 6, axes: HeatmapAxes): HeatmapPlot {
  const degrees = degreesOf(links);
  const make = axes === "rank" ? rankSide : addressSide(links, family);
  const rows = make(degrees.sources, degrees.fanOut);
  const columns = make(degrees.destinations, degrees.fanIn);
  const width = columns.side.edges.length - 1;
  const blocks = new Uint32Array(Math.max(0, rows.side.edges.length - 1) * Math.max(0, width));
  const columnOf = lookup(degrees.destinations, columns.block);
  const rowOf = lookup(degrees.sources, rows.block);
  for (const { src, dst, length } of links.batches()) {
    for (let at = 0; at < length; at++) blocks[rowOf(src[at]!) * width + columnOf(dst[at]!)]!++;
  }
  return {
    axes,
    links: links.length,
    sources: degrees.sources.length,
    destinations: degrees.destinations.length,
    rows: rows.side,
    columns: columns.side,
    blocks,
  };
}

/** A side, and the block of each address in the order of the ordinals. */
interface Placed {
  side: Side;
  block: Uint16Array;
}

function rankSide(ordinals: Degrees["sources"], fan: Degrees["fanOut"]): Placed {
  const { length } = ordinals;
  // Few addresses get finer blocks: three to a doubling.
  const steps = length <= 4096 ? 3 : 2;
  const edges = [1];
  for (let k = 1; edges.at(-1)! <= length; k++) {
    const edge = Math.min(Math.round(2 ** (k / steps)), length + 1);
    if (edge > edges.at(-1)!) edges.push(edge);
  }
  const byFan = Uint32Array.from(ordinals, (_, at) => at).sort((a, b) => fan[b]! - fan[a]! || a - b);
  const block = new Uint16Array(length);
  let at = 0;
  byFan.forEach((place, rank) => {
    while (rank + 1 >= edges[at + 1]!) at++;
    block[place] = at;
  });
  return { side: { edges, labels: [] }, block };
}

function addressSide(links: LinkList, family: 4 | 6): (ordinals: Uint32Array) => Placed {
  const bits = family === 4 ? 32 : 128;
  const textOf = (address: bigint): string => (family === 4 ? ipv4Text(Number(address)) : ipv6Text(address));
  return (ordinals) => {
    if (ordinals.length === 0) return { side: { edges: [], labels: [] }, block: new Uint16Array(0) };
    const [low, high] = [links.address(ordinals[0]!), links.address(ordinals.at(-1)!)];
    const differing = (low ^ high).toString(2).length;
    const span = Math.max(ADDRESS_BITS, low === high ? 0 : differing);
    const shift = BigInt(span - ADDRESS_BITS);
    const base = (low >> BigInt(span)) << BigInt(span);
    const edges = Array.from({ length: ADDRESS_BLOCKS + 1 }, (_, k) => k);
    const labels = edges
      .filter((k) => k % 8 === 0 && k < ADDRESS_BLOCKS)
      .map((k) => ({ at: k, label: shortened(textOf(base + (BigInt(k) << shift))) }));
    const block = Uint16Array.from(ordinals, (ordinal) => Number((links.address(ordinal) - base) >> shift));
    const prefix = bits - span + ADDRESS_BITS;
    return { side: { edges, labels, prefix, first: textOf(base) }, block };
  };
}

/** The end of an address tells blocks apart; the start of a long one is what they share. */
const shortened = (address: string): string =>
  address.length <= LABEL_CHARS_MAX ? address : `…${address.slice(1 - LABEL_CHARS_MAX)}`;

/** The block of an ordinal, by its place in the sorted list of them. */
function lookup(ordinals: Uint32Array, block: Uint16Array): (ordinal: number) => number {
  let known = -1;
  let answer = 0;
  return (ordinal) => {
    if (ordinal === known) return answer;
    let [low, high] = [0, ordinals.length - 1];
    while (low < high) {
      const middle = (low + high) >>> 1;
      if (ordinals[middle]! < ordinal) low = middle + 1;
      else high = middle;
    }
    known = ordinal;
    answer = block[low]!;
    return answer;
  };
}
