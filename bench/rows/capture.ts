import { liveSkipReason } from "../../test/live/tools/netns.js";
import type { GeneratorOptions } from "../generator/generator.js";
import { floor, nativeCapture, touchingFloor } from "../live/floor.js";
import { pmacctd, tcpdump } from "../live/peers.js";
import { type Receiver, steadyTrial, type Trial } from "../live/receiver.js";
import { highestRate } from "../live/search.js";
import { sensor } from "../live/sensor.js";
import type { BenchOptions, Row, RowGroup } from "../report.js";

const RECEIVERS: readonly Receiver[] = [sensor, nativeCapture, floor, touchingFloor, tcpdump, pmacctd];
/** 2^18 links, few of them heavy: what a mirror port sees. */
const TRAFFIC: GeneratorOptions = { distribution: "zipf", links: 1 << 18, cpus: [0], nice: -10 };
const RATES = [1e6, 2e6];

/** Live capture on a veth pair: the sensor, the floor in C, tcpdump and pmacctd, each under the same traffic. */
export const captureGroup: RowGroup = {
  name: "capture",
  about: "live: highest loss-free rate and CPU ns per packet, next to a C floor, tcpdump and pmacctd",
  run: async (options, say) => {
    const reason = liveSkipReason();
    if (reason !== undefined) return [unavailable("live capture", "all", reason)];
    return [
      ...(await overload(options, say)),
      ...(await atRates(options, say)),
      ...(await highestRates(options, say)),
    ];
  },
};

function unavailable(what: string, subject: string, note: string): Row {
  return { group: "capture", what, subject, value: null, unit: "", note };
}

async function highestRates({ seconds, smoke }: BenchOptions, say: (text: string) => void): Promise<Row[]> {
  const what = "highest rate without loss (sender on one core)";
  const rows: Row[] = [];
  for (const receiver of smoke ? [floor] : RECEIVERS) {
    if (receiver.missing !== undefined) {
      rows.push(unavailable(what, receiver.name, receiver.missing));
      continue;
    }
    say(`highest rate: ${receiver.name}`);
    const traffic = { ...TRAFFIC, seconds: Math.min(seconds, 2) };
    const { rate, fastest } = await highestRate(receiver, traffic, smoke ? 1 : 6);
    const note = fastest ? "as fast as the sender goes with this receiver" : undefined;
    rows.push({
      group: "capture",
      what,
      subject: receiver.name,
      value: rate / 1e6,
      unit: "Mpps",
      ...(note && { note }),
    });
  }
  return rows;
}

async function atRates({ seconds, smoke }: BenchOptions, say: (text: string) => void): Promise<Row[]> {
  const rows: Row[] = [];
  for (const rate of smoke ? [1e5] : RATES) {
    const what = `CPU at ${rate / 1e6} Mpps, zipf over 2^18 links`;
    const trials = new Map<Receiver, Trial>();
    for (const receiver of RECEIVERS.filter(({ missing }) => missing === undefined)) {
      say(`${rate / 1e6} Mpps: ${receiver.name}`);
      trials.set(receiver, await steadyTrial(receiver, { ...TRAFFIC, seconds, rate }));
    }
    for (const receiver of RECEIVERS) {
      const trial = trials.get(receiver);
      if (trial === undefined) rows.push(unavailable(what, receiver.name, receiver.missing ?? ""));
      else rows.push(...cpuRows(what, receiver, trial));
    }
    rows.push(...ratios(what, trials));
  }
  return rows;
}

/** The capture thread against the floors: what sandboxing costs, and what counting itself does. */
function ratios(what: string, trials: ReadonlyMap<Receiver, Trial>): Row[] {
  const ours = trials.get(sensor)!.cpu["capture thread"]!;
  return [nativeCapture, floor, touchingFloor].map((receiver) => {
    const value = ours / trials.get(receiver)!.cpu.thread!;
    return { group: "capture", what, subject: `capture thread / ${receiver.name}`, value, unit: "times" };
  });
}

function cpuRows(what: string, receiver: Receiver, trial: Trial): Row[] {
  const note = lossOf(trial);
  return Object.entries(trial.cpu).map(([part, value]) => {
    return { group: "capture", what, subject: `${receiver.name}, ${part}`, value, unit: "ns/frame", note };
  });
}

function lossOf({ sent, counted }: Trial): string {
  const rate = `sent ${(sent.rate / 1e6).toFixed(2)} Mpps`;
  const lost = sent.frames - counted;
  return lost <= 0 ? `${rate}, no loss` : `${rate}, lost ${((100 * lost) / sent.frames).toPrecision(2)}%`;
}

/** The sender outruns the sensor: what is not counted must be a named drop, to the frame. */
async function overload({ seconds }: BenchOptions, say: (text: string) => void): Promise<Row[]> {
  say("overload");
  const { sent, counted, dropped } = await sensor.trial({ ...TRAFFIC, seconds, rate: 0 });
  const what = "sender as fast as it goes, frames";
  const row = { group: "capture", what, unit: "frames" };
  return [
    { ...row, subject: "sent", value: sent.frames, note: `${(sent.rate / 1e6).toFixed(2)} Mpps` },
    { ...row, subject: "sparsewire, counted", value: counted },
    { ...row, subject: "sparsewire, dropped by cause", value: dropped },
    { ...row, subject: "unaccounted for", value: sent.frames - counted - dropped },
  ];
}
