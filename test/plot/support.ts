/** A list of links without a matrix, and ways to look into a drawing. */
import { ipv4Text } from "../../lib/address.js";
import type { LinkList } from "../../lib/links.js";
import { Random } from "../pcap/fuzz.js";

export type Link = [src: number, dst: number, packets: number];

/** Links in the order of lists, handed over in batches of `batch`. */
export function listOf(links: readonly Link[], batch = 1000): LinkList {
  const sorted = links.toSorted((a, b) => a[0] - b[0] || a[1] - b[1]);
  return {
    length: sorted.length,
    *batches() {
      for (let low = 0; low < sorted.length; low += batch) {
        const part = sorted.slice(low, low + batch);
        const packets = (at: number): number => part[at]![2];
        const [src, dst] = [0, 1].map((end) => Uint32Array.from(part, (link) => link[end]!));
        yield { length: part.length, src: src!, dst: dst!, packets, bytes: packets };
      }
    },
    text: ipv4Text,
    address: BigInt,
    number: BigInt,
  };
}

/** Distinct links whose ends and packets are skewed, as those of traffic are. */
export function skewedLinks(seed: number, count: number): Link[] {
  const random = new Random(seed);
  const skewed = (most: number): number => Math.floor(most ** (random.int(1 << 20) / (1 << 20)));
  const links = new Map<number, Link>();
  for (let at = 0; at < count; at++) {
    const [src, dst] = [skewed(2 ** 32 - 1), skewed(2 ** 24)];
    links.set(src * 2 ** 25 + dst, [src, dst, skewed(1e6)]);
  }
  return [...links.values()];
}

/** What the text elements of a drawing say. */
export const textsOf = (svg: string): string[] =>
  [...svg.matchAll(/<text[^>]*>([^<]*)<\/text>/g)].map(([, content]) => content!);

/** Throws unless tags close in order and every number in a path is one. */
export function checkSvg(svg: string): void {
  const open: string[] = [];
  for (const [, slash, name, rest] of svg.matchAll(/<(\/?)([a-z]+)([^>]*)>/g)) {
    if (slash === "/") {
      if (open.pop() !== name) throw new Error(`</${name}> closes nothing`);
    } else if (!rest!.endsWith("/")) open.push(name!);
  }
  if (open.length > 0) throw new Error(`<${open.at(-1)}> is not closed`);
  const bad = /NaN|Infinity|undefined|null/.exec(svg);
  if (bad !== null) throw new Error(`${bad[0]} at ${svg.slice(Math.max(0, bad.index - 60), bad.index + 20)}`);
}
