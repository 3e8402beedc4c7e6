/**
 * The open interval in the worker: chunks of the log become small matrices, which are added up in the manner of a binary
 * counter, so that each entry is merged a logarithmic number of times and memory is a matter of links, not observations.
 */
import { addPlanes, type GraphBLAS } from "graphblas-wasm";
import { DIMENSION6, makeTraffic, type Planes, type Traffic } from "../../lib/traffic.js";
import { Ipv6Table } from "./ipv6-table.js";
import { CHUNK4, type Chunk, WORDS6 } from "./protocol.js";

/** What an interval held, besides its matrices. */
export interface IntervalCounts {
  packets4: number;
  packets6: number;
  bytes: number;
}

export interface TakenInterval extends IntervalCounts {
  traffic: Traffic;
  /** IPv6 addresses in the dictionary, and those that share another one's index. */
  addresses: number;
  collisions: number;
}

export class OpenInterval {
  readonly #grb: GraphBLAS;
  readonly #keyId: string;
  readonly #table: Ipv6Table;
  #parts4: Planes[] = [];
  #parts6: Planes[] = [];
  #counts: IntervalCounts = { packets4: 0, packets6: 0, bytes: 0 };

  constructor(grb: GraphBLAS, key: { words: readonly [bigint, bigint]; id: string }) {
    this.#grb = grb;
    this.#keyId = key.id;
    this.#table = new Ipv6Table(key.words);
  }

  /** Observations in it. */
  get packets(): number {
    return this.#counts.packets4 + this.#counts.packets6;
  }

  /** Folds a chunk; its buffer is free again afterwards. */
  add(chunk: Chunk): void {
    if (chunk.family === 4) {
      const words = new Uint32Array(chunk.buffer, 8 * CHUNK4, chunk.count);
      const keys = new BigUint64Array(chunk.buffer, 0, chunk.count);
      const bytes = bytesOf(words, chunk.large);
      const grb = this.#grb;
      push(this.#parts4, grb.buildPacked("UINT32", keys, 1), () => grb.buildPacked("UINT64", keys, bytes));
      this.#counts.packets4 += chunk.count;
      this.#counts.bytes += sumOf(bytes);
    } else {
      this.#add6(chunk);
    }
  }

  /**
   * Whether the interval has to be sealed: entries (not merged yet ones counted each) and addresses are beyond
   * `linksMax`, and merging them all does not bring them below half of it.
   */
  isFull(linksMax: number): boolean {
    if (this.#table.count > linksMax) return true;
    if (this.#entries() <= linksMax) return false;
    collapse(this.#parts4);
    collapse(this.#parts6);
    return this.#entries() > linksMax / 2;
  }

  /** Closes it: one pair of planes a family. The interval is then empty and open again; the caller disposes of the traffic. */
  take(): TakenInterval {
    collapse(this.#parts4);
    collapse(this.#parts6);
    const [v4, v6] = [this.#parts4.pop(), this.#parts6.pop()];
    const { dict, collisions } = this.#table.dictionary();
    const addresses = this.#table.count - collisions;
    const traffic = makeTraffic(v4, v6 && { ...v6, dict, keyId: this.#keyId });
    const counts = this.#counts;
    this.#counts = { packets4: 0, packets6: 0, bytes: 0 };
    if (this.#table.count > 0) this.#table.clear();
    return { traffic, addresses, collisions, ...counts };
  }

  #add6({ buffer, count, large }: Chunk): void {
    const words = new Uint32Array(buffer, 0, count * WORDS6);
    const numbers = new Uint32Array(2 * count);
    const lengths = new Uint32Array(count);
    for (let k = 0; k < count; k++) {
      numbers[2 * k] = this.#table.number(words, k * WORDS6);
      numbers[2 * k + 1] = this.#table.number(words, k * WORDS6 + 4);
      lengths[k] = words[k * WORDS6 + 8]!;
    }
    const indices = this.#table.indices();
    const [I, J] = [new BigUint64Array(count), new BigUint64Array(count)];
    for (let k = 0; k < count; k++) {
      I[k] = indices[numbers[2 * k]!]!;
      J[k] = indices[numbers[2 * k + 1]!]!;
    }
    const bytes = bytesOf(lengths, large);
    const build = (type: "UINT32" | "UINT64", X: Uint32Array | BigUint64Array | number) =>
      this.#grb.build(type, DIMENSION6, DIMENSION6, I, J, X);
    push(this.#parts6, build("UINT32", 1), () => build("UINT64", bytes));
    this.#counts.packets6 += count;
    this.#counts.bytes += sumOf(bytes);
  }

  #entries(): number {
    return [...this.#parts4, ...this.#parts6].reduce((sum, { packets }) => sum + packets.nvals, 0);
  }
}

/** Adds a part, and merges from the end while the one before is not more than twice as large. */
function push(parts: Planes[], packets: Planes["packets"], makeBytes: () => Planes["bytes"]): void {
  parts.push({ packets, bytes: makeBytes() });
  while (
    parts.length > 1 &&
    parts[parts.length - 2]!.packets.nvals <= 2 * parts[parts.length - 1]!.packets.nvals
  ) {
    mergeLast(parts);
  }
}

/** Merges all parts into one, smallest first. */
function collapse(parts: Planes[]): void {
  while (parts.length > 1) mergeLast(parts);
}

function mergeLast(parts: Planes[]): void {
  const [b, a] = [parts.pop()!, parts.pop()!];
  const [packets, bytes] = addPlanes([a.packets, a.bytes], [b.packets, b.bytes]);
  for (const planes of [a, b]) {
    planes.packets.dispose();
    planes.bytes.dispose();
  }
  parts.push({ packets: packets!, bytes: bytes! });
}

/** The values of a chunk: 32-bit words, unless some are larger. */
function bytesOf(words: Uint32Array, large: readonly number[]): Uint32Array | BigUint64Array {
  if (large.length === 0) return words;
  const wide = new BigUint64Array(words.length);
  for (let k = 0; k < words.length; k++) wide[k] = BigInt(words[k]!);
  for (let i = 0; i < large.length; i += 2) wide[large[i]!] = BigInt(large[i + 1]!);
  return wide;
}

function sumOf(values: Uint32Array | BigUint64Array): number {
  let sum = 0;
  for (let k = 0; k < values.length; k++) sum += Number(values[k]);
  return sum;
}
