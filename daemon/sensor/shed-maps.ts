/** The maps of bpf/shed.h, by which the program in the kernel is told the sampling rate and says what it has shed. */
import type { BpfMap } from "xdp-node";
import { prefixName, type Shed } from "../../lib/sampling.js";

/** Rows of the program's table: family * 4 + transport; what is no plain IP is in the last one. */
const PROTOCOLS = [
  ...["ipv4", "ipv6"].flatMap((family) => ["tcp", "udp", "icmp", "other"].map((name) => `${family}_${name}`)),
  ...new Array<string>(3).fill(""),
  "other",
];
export const SHED_PROTOCOLS = PROTOCOLS.filter((name) => name !== "");
const PREFIXES = 256;
/** u64 of struct shed_sum: [packets, bytes] a row; at the end the longest frame, and the most packets of one draw. */
const SOURCES_AT = 2 * PROTOCOLS.length;
const DESTINATIONS_AT = SOURCES_AT + 2 * PREFIXES;
const LONGEST_AT = DESTINATIONS_AT + 2 * PREFIXES;
const CLUSTER_AT = LONGEST_AT + 1;
const WORDS = CLUSTER_AT + 1;

/** What frames go by from now on; see the word in bpf/shed.h. */
export interface Rate {
  /** One in 2^shift is kept. */
  shift: number;
  /** Which of the two sums takes what is shed. */
  parity: 0 | 1;
  /** What frames that go on are marked with; 0: nothing. */
  mark: number;
}

/** Cumulative sums of one parity, as numbers; the last two are maxima. */
export type ShedSums = Float64Array;

export class ShedMaps {
  readonly #rate: BpfMap;
  readonly #shed: BpfMap;

  constructor(maps: { rate: BpfMap; shed: BpfMap }) {
    this.#rate = maps.rate;
    this.#shed = maps.shed;
  }

  /** One aligned word: the program sees the old or the new one, nothing between. */
  setRate({ shift, parity, mark }: Rate): void {
    const word = (BigInt(mark) << 32n) | BigInt((parity << 8) | shift);
    this.#rate.update(0, new Uint8Array(BigUint64Array.of(word).buffer));
  }

  /** What has been shed under a parity since the program was loaded: the sum over all CPUs. */
  read(parity: 0 | 1): ShedSums {
    const sums = new Float64Array(WORDS);
    const bytes = this.#shed.lookup(parity);
    if (bytes === undefined) return sums;
    const words = new BigUint64Array(bytes.slice().buffer);
    for (let cpu = 0; cpu + WORDS <= words.length; cpu += WORDS) {
      for (let at = 0; at < LONGEST_AT; at++) sums[at]! += Number(words[cpu + at]!);
      for (const at of [LONGEST_AT, CLUSTER_AT]) sums[at] = Math.max(sums[at]!, Number(words[cpu + at]!));
    }
    return sums;
  }
}

/** No frame has been shed yet. */
export const noSums = (): ShedSums => new Float64Array(WORDS);

/** Packets and bytes by protocol of cumulative sums. */
export function protocolsOf(sums: ShedSums): Record<string, [number, number]> {
  return amounts(sums, PROTOCOLS.length, 0, (row) => PROTOCOLS[row]!);
}

/** What was shed between two readings, as a manifest has it. */
export function shedBetween(
  before: ShedSums,
  after: ShedSums,
): Omit<Shed, "rate_min" | "rate_max" | "unseen"> {
  const share = after.map((value, at) => value - before[at]!);
  const protocols = amounts(share, PROTOCOLS.length, 0, (row) => PROTOCOLS[row]!);
  const all = Object.values(protocols);
  return {
    packets: all.reduce((sum, [packets]) => sum + packets, 0),
    bytes: all.reduce((sum, [, bytes]) => sum + bytes, 0),
    protocols,
    sources4: amounts(share, PREFIXES, SOURCES_AT, prefixName),
    destinations4: amounts(share, PREFIXES, DESTINATIONS_AT, prefixName),
    frame_max: after[LONGEST_AT]!,
    cluster: Math.max(1, after[CLUSTER_AT]!),
  };
}

/** The rows that are not empty, by name. */
function amounts(
  sums: ShedSums,
  rows: number,
  from: number,
  nameOf: (row: number) => string,
): Record<string, [number, number]> {
  const found: Record<string, [number, number]> = {};
  for (let row = 0; row < rows; row++) {
    const [packets, bytes] = [sums[from + 2 * row]!, sums[from + 2 * row + 1]!];
    if (packets > 0) found[nameOf(row)] = [packets, bytes];
  }
  return found;
}
