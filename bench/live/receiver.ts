import { setTimeout as sleep } from "node:timers/promises";
import { type Namespace, NetworkLab, type VethOptions } from "../../test/live/tools/netns.js";
import { type GeneratorOptions, type GeneratorReport, generate } from "../generator/generator.js";

export const SENDER_INTERFACE = "tx0";
export const RECEIVER_INTERFACE = "rx0";
const PREFIX = "sw-bench-";

/** What one receiver made of one burst of traffic. */
export interface Trial {
  sent: GeneratorReport;
  /** Frames the receiver has. */
  counted: number;
  /** Frames it says it lost itself. */
  dropped: number;
  /** CPU ns per frame sent, by what spent it ("capture thread", "process"). */
  cpu: Record<string, number>;
}

/** A program that captures from an interface. */
export interface Receiver {
  name: string;
  /** Why it cannot run here, with how to get it. */
  missing?: string | undefined;
  /** Starts it on a fresh veth pair, sends it the traffic, reads its figures and ends it. */
  trial(traffic: GeneratorOptions): Promise<Trial>;
}

/** A started receiver; `figures` may be asked for before and after the traffic. */
export interface Session {
  figures(sent?: number): Promise<Figures>;
  stop(): Promise<void>;
}

/** Cumulative figures of a receiver. */
export interface Figures {
  counted: number;
  dropped: number;
  cpuNs: Record<string, number>;
}

/** A sender that was held up by less than this counts as having kept its rate. */
const RATE_KEPT = 0.98;

/** The trial in which the sender kept its rate best: on a busy machine it is held up now and then. */
export async function steadyTrial(receiver: Receiver, traffic: GeneratorOptions, tries = 3): Promise<Trial> {
  let best = await receiver.trial(traffic);
  for (let i = 1; i < tries && best.sent.rate < RATE_KEPT * (traffic.rate ?? 0); i++) {
    const trial = await receiver.trial(traffic);
    if (trial.sent.rate > best.sent.rate) best = trial;
  }
  return best;
}

/** Runs one trial in a network of its own: sender and receiver namespaces, one veth pair. `warmUp` is sent unmeasured. */
export async function runTrial(
  traffic: GeneratorOptions,
  veth: VethOptions,
  start: (namespace: Namespace) => Promise<Session>,
  warmUp?: GeneratorOptions,
): Promise<Trial> {
  using lab = new NetworkLab(PREFIX);
  const [sender, receiver] = [lab.namespace("tx"), lab.namespace("rx")];
  lab.veth(sender, SENDER_INTERFACE, receiver, RECEIVER_INTERFACE, veth);
  const session = await start(receiver);
  try {
    if (warmUp !== undefined) await generate(sender, SENDER_INTERFACE, warmUp);
    const before = await session.figures();
    const sent = await generate(sender, SENDER_INTERFACE, traffic);
    const after = await session.figures(sent.frames + before.counted + before.dropped);
    const cpu: Record<string, number> = {};
    for (const [what, ns] of Object.entries(after.cpuNs)) {
      cpu[what] = (ns - (before.cpuNs[what] ?? 0)) / Math.max(1, sent.frames);
    }
    return { sent, counted: after.counted - before.counted, dropped: after.dropped - before.dropped, cpu };
  } finally {
    await session.stop();
  }
}

/** Asks until a condition holds or the time is over; returns the last answer. */
export async function until<T>(
  milliseconds: number,
  ask: () => Promise<T>,
  holds: (answer: T) => boolean,
): Promise<T> {
  const end = performance.now() + milliseconds;
  for (;;) {
    const answer = await ask();
    if (holds(answer) || performance.now() > end) return answer;
    await sleep(50);
  }
}
