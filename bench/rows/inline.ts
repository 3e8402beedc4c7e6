/** A bump in the wire: the sensor in mode inline next to a kernel bridge and an XDP redirect, on veth pairs. */
import { setTimeout as sleep } from "node:timers/promises";
import { liveSkipReason } from "../../test/live/tools/netns.js";
import { runTool } from "../../test/live/tools/tool.js";
import { generate } from "../generator/generator.js";
import type { BenchOptions, Row, RowGroup } from "../report.js";
import { inlineRealtime, inlineSensor, type Joiner, kernelBridge, Wire, xdpRedirect } from "../wire/wire.js";

const JOINERS: readonly Joiner[] = [inlineSensor, xdpRedirect, kernelBridge];
/** Frames a second each way; 0: as fast as the generator goes. */
const RATES = [250_000, 500_000, 1_000_000, 1_500_000, 0];
const PINGS_PER_SECOND = 1000;

export const inlineGroup: RowGroup = {
  name: "inline",
  about: "a bump in the wire: 64-byte frames both ways at once, and delay, next to a bridge and XDP redirect",
  run: async (options, say) => {
    const reason = liveSkipReason();
    if (reason !== undefined) {
      return [{ group: "inline", what: "forwarding", subject: "all", value: null, unit: "", note: reason }];
    }
    return [...(await throughput(options, say)), ...(await delay(options, say))];
  },
};

async function throughput({ seconds, smoke }: BenchOptions, say: (text: string) => void): Promise<Row[]> {
  const rows: Row[] = [];
  for (const rate of smoke ? [20_000] : RATES) {
    const offered = rate === 0 ? "as fast as the senders go" : `${rate / 1e6} Mpps offered`;
    for (const joiner of JOINERS) {
      say(`${offered} each way: ${joiner.name}`);
      rows.push(await bothWays(joiner, rate, Math.min(seconds, 2), `64-byte frames, ${offered} each way`));
    }
  }
  return rows;
}

/** Frames a second that arrived, both directions together. */
async function bothWays(joiner: Joiner, rate: number, seconds: number, what: string): Promise<Row> {
  using wire = new Wire();
  const session = await joiner.start(wire.middle!);
  try {
    await wire.drain();
    const before = wire.arrived();
    const cpuBefore = (await session.cpuNs?.()) ?? 0;
    const start = performance.now();
    const [there, back] = await Promise.all([
      generate(wire.left, "tx0", { seconds, rate, cpus: [0], seed: 1 }),
      generate(wire.right, "tx1", { seconds, rate, cpus: [1], seed: 2 }),
    ]);
    // By the clock over both: senders that got in each other's way must not look like senders at the same time.
    const elapsed = (performance.now() - start) / 1000;
    await sleep(100);
    const [left, right] = wire.arrived();
    const sent = there.frames + back.frames;
    const arrived = left - before[0] + right - before[1];
    const lost = Math.max(0, sent - arrived);
    const cpu =
      session.cpuNs === undefined
        ? ""
        : `, ${Math.round(((await session.cpuNs()) - cpuBefore) / arrived)} ns`;
    const share = lost === 0 ? "no loss" : `lost ${((100 * lost) / sent).toPrecision(2)}%`;
    const rates = `sent ${(sent / elapsed / 1e6).toFixed(2)} Mpps, ${share}${cpu && `${cpu} of CPU a frame`}`;
    const value = arrived / elapsed / 1e6;
    return { group: "inline", what, subject: joiner.name, value, unit: "Mpps", note: rates };
  } finally {
    await session.stop();
  }
}

interface Pings {
  sent: number;
  received: number;
  p50_us: number;
  p99_us: number;
  max_us: number;
}

/** One frame at a time; a cable's share is taken off, so that what is left is what the joiner adds. */
async function delay({ seconds, smoke }: BenchOptions, say: (text: string) => void): Promise<Row[]> {
  const count = smoke ? 50 : Math.round(PINGS_PER_SECOND * Math.min(seconds, 3));
  say("delay: cable");
  using cable = new Wire(true);
  const bare = await pings(cable, count);
  const rows: Row[] = [
    rowOf("a cable by itself", "p50", bare, 0),
    rowOf("a cable by itself", "p99", bare, 0),
  ];
  for (const joiner of smoke ? JOINERS : [inlineSensor, inlineRealtime, xdpRedirect, kernelBridge]) {
    say(`delay: ${joiner.name}`);
    using wire = new Wire();
    const session = await joiner.start(wire.middle!);
    try {
      const measured = await pings(wire, count);
      rows.push(
        rowOf(joiner.name, "p50", measured, bare.p50_us),
        rowOf(joiner.name, "p99", measured, bare.p99_us),
      );
    } finally {
      await session.stop();
    }
  }
  return rows.sort((a, b) => a.what.localeCompare(b.what));
}

function rowOf(subject: string, which: "p50" | "p99", measured: Pings, bare: number): Row {
  const { sent, received, max_us } = measured;
  const lost = sent === received ? "" : `, ${sent - received} lost`;
  return {
    group: "inline",
    what: `delay of a frame beyond a cable's, ${which}`,
    subject,
    value: measured[`${which}_us`] - bare,
    unit: "us",
    note: `in all ${measured[`${which}_us`]} us, at most ${max_us} us${lost}`,
  };
}

function pings({ left, right }: Wire, count: number): Promise<Pings> {
  const args = [left.name, "tx0", right.name, "tx1", String(count), String(PINGS_PER_SECOND)];
  return runTool<Pings>(left, "pinger", args);
}
