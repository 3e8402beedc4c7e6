/**
 * Sums that were asked for before, as archive bytes. A dashboard asks for top, quantities and matrix of one range: the
 * second time a sum is asked for it is kept, so that ranges which are asked for once cost nothing.
 */
import { createHash } from "node:crypto";
import type { GraphBLAS } from "graphblas-wasm";
import { decodeArchive } from "../../lib/archive.js";
import { encodeTraffic, trafficOf } from "../../lib/traffic.js";
import type { PlannedFile } from "./plan.js";
import type { Summed } from "./sum.js";

/** Keys of sums that were asked for once. */
const SEEN_MAX = 256;

export class SumCache {
  /** Least recently used first. */
  readonly #kept = new Map<string, Uint8Array>();
  readonly #seen = new Set<string>();
  #bytes = 0;

  constructor(readonly bytesMax: number) {}

  get bytes(): number {
    return this.#bytes;
  }

  /** The sum of the files (names and versions are the key), from memory or made anew. */
  async get(grb: GraphBLAS, files: readonly PlannedFile[], make: () => Promise<Summed>): Promise<Summed> {
    if (files.length < 2) return make();
    const hash = createHash("sha1");
    for (const { path, intervals } of files) hash.update(`${path} ${intervals}\n`);
    const key = hash.digest("base64");
    const kept = this.#kept.get(key);
    if (kept !== undefined) {
      this.#kept.delete(key);
      this.#kept.set(key, kept);
      const archive = decodeArchive(kept, { verify: false });
      return { traffic: trafficOf(grb, archive), head: archive.manifest };
    }
    const summed = await make();
    if (this.#seen.delete(key) && summed.head !== undefined) this.#keep(grb, key, summed);
    else this.#note(key);
    return summed;
  }

  #keep(grb: GraphBLAS, key: string, { traffic, head }: Summed): void {
    const { archive } = encodeTraffic(grb, traffic, head!);
    if (archive.length > this.bytesMax) return;
    this.#kept.set(key, archive);
    this.#bytes += archive.length;
    for (const [oldest, bytes] of this.#kept) {
      if (this.#bytes <= this.bytesMax) break;
      this.#kept.delete(oldest);
      this.#bytes -= bytes.length;
    }
  }

  #note(key: string): void {
    this.#seen.add(key);
    if (this.#seen.size > SEEN_MAX) this.#seen.delete(this.#seen.values().next().value!);
  }
}
