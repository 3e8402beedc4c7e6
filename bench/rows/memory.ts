import { setTimeout as sleep } from "node:timers/promises";
import type { SensorStatus } from "../../daemon/sensor/status.js";
import { liveSkipReason, NetworkLab } from "../../test/live/tools/netns.js";
import { startGenerator } from "../generator/generator.js";
import { RECEIVER_INTERFACE, SENDER_INTERFACE } from "../live/receiver.js";
import { SensorSession } from "../live/sensor.js";
import type { Row, RowGroup } from "../report.js";

const RATE = 1e6;
const LINKS = 1 << 18;
const SECONDS = 60;
/** Memory is compared with what it was after this many seconds. */
const WARM_SECONDS = 10;
const MIB = 2 ** 20;

/** The sensor over a minute: resident memory, CPU and loss at 1 Mpps over 262,144 links. */
export const memoryGroup: RowGroup = {
  name: "memory",
  about: "60 s at 1 Mpps over 262,144 links: resident memory, its growth, CPU, loss",
  isLong: true,
  run: async ({ smoke }, say) => {
    const reason = liveSkipReason();
    const what = `${smoke ? 3 : SECONDS} s at 1 Mpps over 2^18 links`;
    if (reason !== undefined)
      return [{ group: "memory", what, subject: "all", value: null, unit: "", note: reason }];
    return watch(what, smoke ? 3 : SECONDS, smoke ? 1 : WARM_SECONDS, say);
  },
};

async function watch(
  what: string,
  seconds: number,
  warm: number,
  say: (text: string) => void,
): Promise<Row[]> {
  using lab = new NetworkLab("sw-bench-");
  const [sender, receiver] = [lab.namespace("tx"), lab.namespace("rx")];
  lab.veth(sender, SENDER_INTERFACE, receiver, RECEIVER_INTERFACE);
  const session = await SensorSession.start(receiver);
  try {
    const before = await session.status();
    const tool = await startGenerator(sender, SENDER_INTERFACE, {
      seconds,
      rate: RATE,
      links: LINKS,
      nice: -10,
    });
    const samples: SensorStatus[] = [];
    for (let second = 0; second < seconds; second++) {
      await sleep(1000);
      samples.push(await session.status());
      if (second % 10 === 9)
        say(`${second + 1} s: ${Math.round(samples.at(-1)!.process.resident_bytes / MIB)} MiB`);
    }
    const sent = await tool.report;
    const { counted } = await session.figures(sent.frames);
    return rowsOf(what, samples, warm, { sent: sent.frames, counted, before, after: await session.status() });
  } finally {
    await session.stop();
  }
}

interface Run {
  sent: number;
  counted: number;
  before: SensorStatus;
  after: SensorStatus;
}

function rowsOf(what: string, samples: readonly SensorStatus[], warm: number, run: Run): Row[] {
  const resident = samples.map((sample) => sample.process.resident_bytes / MIB);
  // Means over some seconds: garbage is collected when it suits V8, and single samples saw up and down.
  const window = Math.ceil(samples.length / 6);
  const first = mean(resident.slice(warm, warm + window));
  const last = mean(resident.slice(-window));
  const capture = (status: SensorStatus) => status.workers.reduce((sum, { cpu_ns }) => sum + cpu_ns, 0);
  const row = (subject: string, value: number, unit: string): Row => ({
    group: "memory",
    what,
    subject,
    value,
    unit,
  });
  return [
    row("resident, highest", Math.max(...resident), "MiB"),
    row(`resident, mean of ${window} s after ${warm} s`, first, "MiB"),
    row(`resident, mean of the last ${window} s`, last, "MiB"),
    row("growth between the two", (100 * (last - first)) / first, "%"),
    row("frames sent", run.sent, "frames"),
    row("frames lost", run.sent - (run.counted - run.before.counters.frames), "frames"),
    row("capture thread", (capture(run.after) - capture(run.before)) / run.sent, "ns/frame"),
    row("process", (run.after.process.cpu_ns - run.before.process.cpu_ns) / run.sent, "ns/frame"),
  ];
}

function mean(values: readonly number[]): number {
  return values.reduce((sum, value) => sum + value, 0) / values.length;
}
