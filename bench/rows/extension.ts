import { join } from "node:path";
import { pathToFileURL } from "node:url";
import { liveSkipReason } from "../../test/live/tools/netns.js";
import { repositoryRoot } from "../../test/live/tools/tool.js";
import type { GeneratorOptions } from "../generator/generator.js";
import { type Receiver, runTrial, type Trial } from "../live/receiver.js";
import { SensorSession } from "../live/sensor.js";
import { median } from "../median.js";
import type { BenchOptions, Row, RowGroup } from "../report.js";
import { TemporaryFolder } from "../temporary.js";

const TRAFFIC: GeneratorOptions = { distribution: "zipf", links: 1 << 18, cpus: [0], nice: -10 };
const RATE = 1e6;
/** The difference of two runs is smaller than what the machine adds to either: it takes many pairs. */
const PAIRS = 7;
const ROUNDS_OF_EXAMPLES = 3;
/** What the engine compiles in the first seconds is not what a frame costs. */
const WARM_UP_S = 4;
const EXAMPLES = ["port-source", "dns-count", "tcp-handshake"];

/** What extensions cost: the same sensor under the same traffic without, with an empty one, with the examples. */
export const extensionGroup: RowGroup = {
  name: "extension",
  about: "live: CPU ns per frame without extensions, with an empty one, with the examples",
  run: async (options, say) => {
    const reason = liveSkipReason();
    if (reason !== undefined) {
      return [{ group: "extension", what: "cost", subject: "all", value: null, unit: "", note: reason }];
    }
    using folder = new TemporaryFolder();
    const empty = await buildEmpty(folder.file("empty.wasm"));
    const built = join(repositoryRoot(), "native/extension/build");
    const receivers = [
      receiver("no extension", []),
      receiver("an empty one", [empty]),
      receiver(
        "the three examples",
        EXAMPLES.map((name) => join(built, `${name}.wasm`)),
      ),
    ];
    return rowsOf(receivers, await measure(receivers, options, say), options);
  },
};

async function buildEmpty(output: string): Promise<string> {
  const root = repositoryRoot();
  const { buildExtension } = (await import(pathToFileURL(join(root, "native/extension/build.mjs")).href)) as {
    buildExtension(source: string, output: string): void;
  };
  buildExtension(join(root, "bench/extension/empty.c"), output);
  return output;
}

function receiver(name: string, files: readonly string[]): Receiver {
  const tables = files.map((file, i) => `{ name = "e${i}", file = "${file}" }`);
  const settings = files.length === 0 ? [] : [`extension=[${tables.join(", ")}]`];
  return {
    name,
    trial: (traffic) =>
      runTrial(traffic, {}, (namespace) => SensorSession.start(namespace, settings), {
        ...traffic,
        seconds: WARM_UP_S,
      }),
  };
}

/** By turns, so that what else the machine does falls on all of them. */
async function measure(
  receivers: readonly Receiver[],
  { seconds, smoke }: BenchOptions,
  say: (text: string) => void,
): Promise<Map<Receiver, Trial[]>> {
  const trials = new Map<Receiver, Trial[]>(receivers.map((each) => [each, []]));
  const examples = receivers.at(-1);
  for (let round = 0; round < (smoke ? 1 : PAIRS); round++) {
    for (const each of receivers) {
      if (each === examples && round >= ROUNDS_OF_EXAMPLES) continue;
      say(`round ${round + 1}: ${each.name}`);
      trials.get(each)!.push(await each.trial({ ...TRAFFIC, seconds, rate: smoke ? 1e5 : RATE }));
    }
  }
  return trials;
}

function rowsOf(
  receivers: readonly Receiver[],
  trials: ReadonlyMap<Receiver, Trial[]>,
  { smoke }: BenchOptions,
): Row[] {
  const what = `CPU at ${smoke ? 0.1 : RATE / 1e6} Mpps, zipf over 2^18 links`;
  const rows: Row[] = [];
  for (const each of receivers) {
    const own = trials.get(each)!;
    const lost = own.reduce((sum, { sent, counted }) => sum + sent.frames - counted, 0);
    const note = `median of ${own.length}, ${lost === 0 ? "no loss" : `lost ${lost} frames`}`;
    for (const part of Object.keys(own[0]!.cpu)) {
      const value = median(own.map(({ cpu }) => cpu[part]!));
      const subject = `${each.name}, ${part}`;
      rows.push({ group: "extension", what, subject, value, unit: "ns/frame", note });
    }
  }
  const [without, empty] = receivers.map((each) => trials.get(each)!);
  const difference = (ns: (trial: Trial) => number): number =>
    median(empty!.map((trial, pair) => ns(trial) - ns(without![pair]!)));
  const cost = (subject: string, ns: (trial: Trial) => number, note: string): Row => {
    return { group: "extension", what, subject, value: difference(ns), unit: "ns/frame", note };
  };
  const onFrames = ({ cpu }: Trial): number => cpu["capture thread"]! + (cpu.extensions ?? 0);
  return [
    ...rows,
    cost(
      "an empty extension costs, threads that see frames",
      onFrames,
      "median of pairs; without a kernel: --only sandbox",
    ),
    cost(
      "an empty extension costs, process",
      ({ cpu }) => cpu.process!,
      "median of pairs, with what a second and an interval cost",
    ),
  ];
}
