/**
 * Estimates from sampled matrices, and bounds that hold.
 *
 * How frames are sampled: flows are hashed to buckets, and of every 2^k consecutive frames of a bucket one is kept, drawn
 * anew each time (bpf/shed.h). Each frame is kept with probability p = 2^-k, so kept / p is unbiased, for every link,
 * source or destination. Of n frames drawn each by itself, Chernoff's bound in its exact form limits what is kept
 * (Hoeffding, "Probability inequalities for sums of bounded random variables", 1963, theorem 1); here, where at most
 * one of a block is kept, m frames in a block have the moment generating function 1 + m p u <= (1 + p u)^m, so the bound
 * holds as well. With n = offered / cluster and x = kept / cluster, where `cluster` (1 here) is the largest amount that one
 * draw decides over:
 *
 *   P(x is so far from n p) <= exp(-n KL(x/n || p)),   KL(q || p) = q ln(q/p) + (1-q) ln((1-q)/(1-p)).
 *
 * It holds for clusters of any sizes up to `cluster`, because the logarithm of a moment generating function is convex and
 * 0 for an empty cluster; it needs no normal approximation and no large counts. Sums over several rates are bounded as if
 * all had the lowest, which is the wider bound. Beside that there is a part that is certain: what was counted, and no
 * more than that and what was shed of the same /8.
 *
 * Packets that were lost by accident after they had been drawn may have been anybody's: a link's upper bound is that of
 * all of them beside its own, drawn like those.
 */
import { type Manifest, SHED_PROTOCOLS_MAX } from "./manifest.js";

/** Frames that one draw keeps at most (bpf/shed.h). */
export const CLUSTER = 1;
/** A stated bound misses the truth with at most this probability, per link and matrix. */
export const MISS_PROBABILITY = 1e-4;
const LIMIT = Math.log(2 / MISS_PROBABILITY);
/** Ethernet without a jumbo frame: the least that is assumed of the longest frame. */
const FRAME_BYTES_MIN = 1518;
const CACHE_MAX = 1 << 16;

/** The section `shed` of a manifest whose frames, or some of them, were sampled. */
export type Shed = NonNullable<Manifest["shed"]>;
/** Packets and bytes. */
export type Amount = readonly [packets: number, bytes: number];

/** What a value may have been: low <= truth <= high. */
export interface Bound {
  low: number;
  high: number;
}

/** n KL(x/n || p): grows with the distance of n from x / p, on both sides. */
function divergence(n: number, x: number, p: number): number {
  const rest = n - x;
  const missed = rest <= 0 ? 0 : rest * Math.log(rest / (n * (1 - p)));
  return (x <= 0 ? 0 : x * Math.log(x / (n * p))) + missed;
}

/**
 * Between which values lies, but for MISS_PROBABILITY, the amount of which `estimate` = kept / p was estimated? `rate` is
 * p < 1, `cluster` the largest amount that one decision keeps.
 */
export function sampledBound(estimate: number, rate: number, cluster: number): Bound {
  const x = (estimate * rate) / cluster;
  const middle = x / rate;
  let high = middle + (LIMIT + Math.sqrt(2 * LIMIT * x)) / rate;
  while (divergence(high, x, rate) < LIMIT) high *= 2;
  // Newton from the right of a convex function: every step stays right of the root.
  for (let i = 0; i < 6; i++) {
    const slope = Math.log((high - x) / (high * (1 - rate)));
    high -= (divergence(high, x, rate) - LIMIT) / slope;
  }
  let low = x;
  if (x > 0 && x * Math.log(1 / rate) > LIMIT) {
    for (let [left, right] = [x, middle], i = 0; i < 40; i++) {
      low = left;
      const between = (left + right) / 2;
      if (divergence(between, x, rate) > LIMIT) left = between;
      else right = between;
    }
  }
  return { low: low * cluster, high: high * cluster };
}

/** Which part of the traffic a value is the sum of: what of the frames that were shed can belong to it. */
export interface Part {
  family: 4 | 6;
  /** First byte of the IPv4 source and destination; absent: any. */
  source?: number;
  destination?: number;
}

/** Bounds of what one archive, or a sum of archives, says. */
export class Sampling {
  readonly #shed: Shed;
  readonly #drops: number;
  readonly #other: Amount;
  readonly #six: Amount;
  readonly #four: Amount;
  readonly #frameBytes: number;
  readonly #cache: Map<number, Bound>[] = [new Map(), new Map()];

  /** Undefined when every packet was counted or lost by accident: there is nothing to estimate then. */
  static of(manifest: Pick<Manifest, "shed" | "drops"> | undefined): Sampling | undefined {
    return manifest?.shed === undefined ? undefined : new Sampling(manifest.shed, manifest.drops);
  }

  constructor(shed: Shed, drops: Manifest["drops"]) {
    this.#shed = shed;
    this.#drops = Object.entries(drops).reduce((sum, [cause, n]) => (cause === "shed" ? sum : sum + n), 0);
    const total = (family: string): Amount => sumOf(shed.protocols, (name) => name.startsWith(family));
    this.#four = total("ipv4");
    this.#six = total("ipv6");
    this.#other = total("other");
    this.#frameBytes = Math.max(shed.frame_max, FRAME_BYTES_MIN);
  }

  /** Bounds of a sum of packets of which `kept` were counted. */
  packets(kept: number, estimate: number, part: Part): Bound {
    return this.#bound(0, kept, estimate, part, true);
  }

  /** The same as if no packet had been lost by accident: what sampling alone leaves open. */
  sampled(kept: number, estimate: number, part: Part): Bound {
    return this.#bound(0, kept, estimate, part, false);
  }

  /** Bounds of a sum of bytes. */
  bytes(kept: number, estimate: number, part: Part): Bound {
    return this.#bound(1, kept, estimate, part, true);
  }

  /** So many packets may have been lost by accident, each counted as often as it stands for at its rate. */
  get unseen(): number {
    return this.#shed.unseen;
  }

  #bound(plane: 0 | 1, kept: number, estimate: number, part: Part, isLossy: boolean): Bound {
    // Packets or bytes of one packet at most.
    const unit = plane === 0 ? 1 : this.#frameBytes;
    const cluster = this.#shed.cluster * unit;
    const { low, high } = this.#likely(plane, kept, estimate, cluster, 0);
    // All that was lost may have been this part's. It was drawn as well: to add it to the bound of what was not lost
    // would be too little.
    const unseen = isLossy ? this.#shed.unseen * unit : 0;
    const most = unseen === 0 ? high : this.#likely(plane, kept, estimate, cluster, unseen).high;
    const lost = isLossy ? this.#drops * unit : 0;
    const certain = kept + this.#shedOf(plane, part) + this.#other[plane] + lost;
    return { low: Math.max(kept, Math.floor(low)), high: Math.min(certain, Math.ceil(most)) };
  }

  /**
   * Without the parts that were not sampled, which are exact: they only shift the bound. `lost`: what is added to
   * what was sampled.
   */
  #likely(plane: 0 | 1, kept: number, estimate: number, cluster: number, lost: number): Bound {
    const { rate_min, rate_max } = this.#shed;
    // estimate - kept is made up, in the sampled parts alone; of those it is the share 1 - rate.
    const sampled = Math.min(estimate, (estimate - kept) / (1 - rate_max));
    const cache = this.#cache[plane]!;
    let bound = cache.get(sampled + lost);
    if (bound === undefined) {
      bound = sampledBound(sampled + lost, rate_min, cluster);
      if (cache.size < CACHE_MAX) cache.set(sampled + lost, bound);
    }
    const exact = estimate - sampled;
    return { low: exact + bound.low, high: exact + bound.high };
  }

  #shedOf(plane: 0 | 1, { family, source, destination }: Part): number {
    if (family === 6) return this.#six[plane];
    const sent = source === undefined ? this.#four : this.#shed.sources4[prefixName(source)];
    const received =
      destination === undefined ? this.#four : this.#shed.destinations4[prefixName(destination)];
    return Math.min(sent?.[plane] ?? 0, received?.[plane] ?? 0);
  }
}

/** How an IPv4 /8 is called in a manifest. */
export const prefixName = (first: number): string => `${first}.0.0.0/8`;

function sumOf(amounts: Record<string, Amount>, fits: (name: string) => boolean): Amount {
  let [packets, bytes] = [0, 0];
  for (const [name, amount] of Object.entries(amounts)) {
    if (!fits(name)) continue;
    packets += amount[0];
    bytes += amount[1];
  }
  return [packets, bytes];
}

/** The larger distance from the estimate to its bounds: |truth - estimate| <= error. */
export const errorOf = (estimate: number, { low, high }: Bound): number =>
  Math.max(high - estimate, estimate - low);

/** Adds the sections up; `drops` of each (but `shed`) count as often as one packet stands for at the rate of then. */
export function sumShed(manifests: readonly Pick<Manifest, "shed" | "drops">[]): Shed | undefined {
  const sections = manifests.flatMap(({ shed }) => shed ?? []);
  if (sections.length === 0) return undefined;
  const number = (pick: (shed: Shed) => number): number =>
    sections.reduce((sum, shed) => sum + pick(shed), 0);
  return {
    packets: number(({ packets }) => packets),
    bytes: number(({ bytes }) => bytes),
    protocols: foldProtocols(addAmounts(sections.map(({ protocols }) => protocols))),
    sources4: addAmounts(sections.map(({ sources4 }) => sources4)),
    destinations4: addAmounts(sections.map(({ destinations4 }) => destinations4)),
    rate_min: Math.min(...sections.map(({ rate_min }) => rate_min)),
    rate_max: Math.max(...sections.map(({ rate_max }) => rate_max)),
    cluster: Math.max(...sections.map(({ cluster }) => cluster)),
    frame_max: Math.max(...sections.map(({ frame_max }) => frame_max)),
    unseen: manifests.reduce((sum, { shed, drops }) => sum + (shed?.unseen ?? droppedOf(drops)), 0),
  };
}

const KNOWN_PROTOCOL = /^(ipv[46]_(tcp|udp|icmp|other)|other)$/;

/** Where there are too many names, those that no sensor of ours has go into `other` of their family, all of them. */
function foldProtocols(amounts: Record<string, [number, number]>): Record<string, [number, number]> {
  if (Object.keys(amounts).length <= SHED_PROTOCOLS_MAX) return amounts;
  const familyOf = (name: string): string => /^ipv[46]/.exec(name)?.[0] ?? "";
  const folded = Object.entries(amounts).map(([name, amount]) => {
    if (KNOWN_PROTOCOL.test(name)) return { [name]: amount };
    return { [familyOf(name) === "" ? "other" : `${familyOf(name)}_other`]: amount };
  });
  return addAmounts(folded);
}

function addAmounts(all: readonly Record<string, Amount>[]): Record<string, [number, number]> {
  const sum: Record<string, [number, number]> = {};
  for (const amounts of all) {
    for (const [name, [packets, bytes]] of Object.entries(amounts)) {
      const known = sum[name] ?? [0, 0];
      sum[name] = [known[0] + packets, known[1] + bytes];
    }
  }
  return sum;
}

/** Packets that were lost by accident. */
export const droppedOf = (drops: Manifest["drops"]): number =>
  Object.entries(drops).reduce((sum, [cause, count]) => (cause === "shed" ? sum : sum + count), 0);

/** Lost before anything was drawn: such a packet stands for itself alone. */
const UNDRAWN: readonly string[] = ["interface_missed", "uncounted"];

/** How many packets those stand for that were lost by accident at a sampling rate. */
export function unseenOf(drops: Manifest["drops"], rate: number): number {
  const undrawn = UNDRAWN.reduce((sum, cause) => sum + (drops[cause as keyof typeof drops] ?? 0), 0);
  return undrawn + Math.round((droppedOf(drops) - undrawn) / rate);
}

/**
 * How accurate the busiest links are: 1 - (sum of their errors / sum of their estimates), at least 0; 1 where nothing
 * was sampled. `links`: [estimate, bound] of each, as if nothing had been lost; what was (`unseen`) was lost once,
 * whosever it was.
 */
export function accuracyOf(links: Iterable<readonly [estimate: number, bound: Bound]>, unseen = 0): number {
  let [error, total] = [unseen / 2, 0];
  for (const [estimate, bound] of links) {
    error += (bound.high - bound.low) / 2;
    total += estimate;
  }
  return total === 0 ? 1 : Math.max(0, 1 - error / total);
}

/** The sections of a manifest whose addresses go through a function on IPv4 addresses that keeps prefixes. */
export function mapShed(shed: Shed, map4: (addresses: Uint32Array) => Uint32Array): Shed {
  const renamed = (amounts: Record<string, Amount>): Record<string, [number, number]> => {
    const list = Object.entries(amounts).map(([name, amount]) => ({
      first: Number.parseInt(name, 10),
      amount,
    }));
    list.sort((a, b) => a.first - b.first);
    const mapped = map4(Uint32Array.from(list, ({ first }) => first * 2 ** 24));
    // Truncation may let several fall together.
    return addAmounts(
      list.map(({ amount: [packets, bytes] }, at) => ({
        [prefixName(mapped[at]! >>> 24)]: [packets, bytes],
      })),
    );
  };
  return { ...shed, sources4: renamed(shed.sources4), destinations4: renamed(shed.destinations4) };
}

/** Share of the frames offered that was counted; 1 where there was none. */
export function relativeThroughput(frames: number, drops: Record<string, number>): number {
  const offered = Object.values(drops).reduce((sum, count) => sum + count, frames);
  return offered === 0 ? 1 : frames / offered;
}
