/** What the service's tests share: a matrix whose intervals are kept, and their sum as a plain Map. */
import { loadSync } from "graphblas-wasm";
import { type Manifest, TrafficMatrix, type TrafficMatrixOptions } from "sparsewire";
import { ipv4Text, ipv6TextOfBytes } from "../../lib/address.js";
import { decodeArchive, readDict } from "../../lib/archive.js";
import { trafficOf } from "../../lib/traffic.js";

export interface Interval {
  archive: Uint8Array;
  manifest: Manifest;
}

/** "source destination" -> [packets, bytes]. */
export type Links = Map<string, [number, number]>;

export function addLink(links: Links, source: string, destination: string, packets: number, bytes: number) {
  const name = `${source} ${destination}`;
  const [p, b] = links.get(name) ?? [0, 0];
  links.set(name, [p + packets, b + bytes]);
}

/** A matrix that hands back its intervals; errors fail nobody but are kept. */
export class Collected {
  readonly intervals: Interval[] = [];
  readonly errors: { code: string; message: string }[] = [];
  readonly matrix: TrafficMatrix;

  constructor(options: Partial<TrafficMatrixOptions> = {}) {
    this.matrix = new TrafficMatrix({
      sensor: "web-1",
      onInterval: (archive, manifest) => void this.intervals.push({ archive, manifest }),
      onError: ({ code, message }) => void this.errors.push({ code, message }),
      ...options,
    });
  }

  /** The sum of all intervals so far. */
  links(): Links {
    return linksOf(this.intervals.map(({ archive }) => archive));
  }
}

/** The links of archives, added up. */
export function linksOf(archives: readonly Uint8Array[]): Links {
  const links: Links = new Map();
  using grb = loadSync();
  for (const bytes of archives) {
    const archive = decodeArchive(bytes);
    const traffic = trafficOf(grb, archive);
    const dict = traffic.v6 && readDict(traffic.v6.dict);
    const families = [
      [traffic.v4, (index: bigint) => ipv4Text(Number(index))],
      [traffic.v6, (index: bigint) => ipv6TextOfBytes(dict!.lookup(index)!)],
    ] as const;
    for (const [planes, text] of families) {
      if (planes === undefined) continue;
      const { I, J, X } = planes.packets.extractTuples();
      const octets = planes.bytes.extractTuples().X;
      for (const [k, row] of I.entries())
        addLink(links, text(row), text(J[k]!), Number(X[k]), Number(octets[k]));
    }
    traffic.dispose();
  }
  return links;
}

/** Waits until `isTrue`, at most `milliseconds`. */
export async function until(isTrue: () => boolean, milliseconds = 30_000): Promise<void> {
  const deadline = Date.now() + milliseconds;
  while (!isTrue()) {
    if (Date.now() > deadline) throw new Error(`not within ${milliseconds} ms: ${isTrue}`);
    await new Promise((resolve) => setTimeout(resolve, 10));
  }
}
