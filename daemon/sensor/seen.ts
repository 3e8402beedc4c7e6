/**
 * Frames of an interface as the XDP program counts them ahead of the sockets. A queue that has come since capture began
 * (ethtool -L) has no socket: its frames are the host's, and would be missing everywhere without a name.
 */
import { type BpfMap, channelsOf, interfaceCounters } from "xdp-node";

/** How often the driver is asked how many queues there are. */
const LOOK_MS = 1000;

export interface SeenFrames {
  /** Frames that reached the program, and those of them for whose queue there was no socket. */
  frames: number;
  passed: number;
  /** Frames that were to be captured and came by a queue without a socket; some drivers do not show them to the program. */
  uncounted: number;
}

export interface SeenPlan {
  interface: string;
  map: BpfMap;
  /** Entries of the map for the queues that are captured: per CPU {u64 frames, u64 passed}. */
  entries: readonly number[];
  /** The entry whose `passed` is the sum over all queues, also over those that are not captured. */
  sum: number;
  /** Whether all queues were to be captured, or only those. */
  takesAll: boolean;
  warned(error: Error): void;
}

export class Seen {
  readonly #plan: SeenPlan;
  readonly #queues: number;
  #lookedAt = Number.NEGATIVE_INFINITY;
  #hasMore = false;
  #hasWarned = false;
  /** When there were no more queues than at the start: what the interface had received, and the program seen. */
  #before = { received: 0, seen: 0 };
  #last: SeenFrames = { frames: 0, passed: 0, uncounted: 0 };

  /** Of a program that is to be attached; its queues are counted now. */
  constructor(plan: SeenPlan) {
    this.#plan = plan;
    this.#queues = queuesOf(plan.interface);
  }

  /** As last read. */
  get frames(): SeenFrames {
    return this.#last;
  }

  /** Reads everything anew; `counters`: those of the interface, read just before. */
  read(counters: Record<string, number>): SeenFrames {
    const { takesAll } = this.#plan;
    if (takesAll) this.#look();
    const { frames, passed, own } = this.#counts();
    const received = (counters.rx_packets ?? 0) - this.#before.received;
    const unseen = this.#hasMore ? Math.max(0, received - (frames - this.#before.seen)) : 0;
    const uncounted = takesAll ? passed + unseen : own;
    this.#last = { frames, passed, uncounted: Math.max(this.#last.uncounted, uncounted) };
    if (this.#last.uncounted > 0) this.#warn("frames come by an RX queue that is not captured");
    return this.#last;
  }

  /** The program counts for every queue, but what there was to count may never have come to it. */
  #look(): void {
    if (this.#hasMore || performance.now() - this.#lookedAt < LOOK_MS) return;
    this.#lookedAt = performance.now();
    const { interface: name } = this.#plan;
    const queues = queuesOf(name);
    if (queues > this.#queues) {
      this.#hasMore = true;
      this.#warn(`it has ${queues} RX queues now, of which ${this.#queues} are captured`);
      return;
    }
    // The interface last: what comes in between is taken as seen, not as passed by.
    const { frames: seen } = this.#counts();
    try {
      this.#before = { seen, received: interfaceCounters(name).rx_packets ?? 0 };
    } catch {
      // It has gone, which others find out.
    }
  }

  #counts(): { frames: number; passed: number; own: number } {
    const { map, entries, sum } = this.#plan;
    // The sum first: a frame that comes in between is one of a captured queue, not one of the others.
    const [, all] = countsOf(map, sum);
    let [frames, own] = [0, 0];
    for (const entry of entries) {
      const [reached, passed] = countsOf(map, entry);
      frames += reached;
      own += passed;
    }
    const others = Math.max(0, all - own);
    return { frames: frames + others, passed: own + others, own };
  }

  #warn(what: string): void {
    if (this.#hasWarned) return;
    this.#hasWarned = true;
    const { interface: name } = this.#plan;
    this.#plan.warned(
      new Error(
        `${name}: ${what}: frames of the others are not, restart the sensor; drops tell them as uncounted`,
      ),
    );
  }
}

/** RX queues as the driver says; 0 where it does not, or where the interface has gone. */
function queuesOf(name: string): number {
  try {
    const { rx, combined } = channelsOf(name);
    return rx + combined;
  } catch {
    return 0;
  }
}

/** Frames and passed frames of an entry, over all CPUs. */
function countsOf(map: BpfMap, entry: number): [frames: number, passed: number] {
  const bytes = map.lookup(entry);
  let [frames, passed] = [0, 0];
  if (bytes === undefined) return [frames, passed];
  const words = new BigUint64Array(bytes.slice().buffer);
  for (let at = 0; at + 1 < words.length; at += 2) {
    frames += Number(words[at]!);
    passed += Number(words[at + 1]!);
  }
  return [frames, passed];
}
