import { join } from "node:path";
import { pathToFileURL } from "node:url";
import { liveSkipReason } from "../../test/live/tools/netns.js";
import { repositoryRoot } from "../../test/live/tools/tool.js";
import type { GeneratorOptions } from "../generator/generator.js";
import { type Receiver, runTrial, type Trial } from "../live/receiver.js";
import { SensorSession } from "../live/sensor.js";
import type { BenchOptions, Row, RowGroup } from "../report.js";
import { TemporaryFolder } from "../temporary.js";

const TRAFFIC: GeneratorOptions = { distribution: "zipf", links: 1 << 18, cpus: [0], nice: -10 };
const RATE = 1e6;
const ROUNDS = 3;
/** What the engine compiles in the first second is not what a frame costs. */
const WARM_UP_S = 1;
const EXAMPLES = ["port-source", "dns-count", "tcp-handshake"];

/** What extensions cost: the same sensor under the same traffic without, with an empty one, with the examples. */
export const extensionGroup: RowGroup = {
  name: "extension",
  about:
    "live: CPU ns per frame of the whole process without extensions, with an empty one, with the examples",
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
  for (let round = 0; round < (smoke ? 1 : ROUNDS); round++) {
    for (const each of receivers) {
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
  const least = (each: Receiver, part: string): number =>
    Math.min(...trials.get(each)!.map(({ cpu }) => cpu[part]!));
  const rows: Row[] = [];
  for (const each of receivers) {
    const lost = trials.get(each)!.reduce((sum, { sent, counted }) => sum + sent.frames - counted, 0);
    const note = lost === 0 ? "no loss" : `lost ${lost} frames`;
    for (const part of Object.keys(trials.get(each)![0]!.cpu)) {
      const value = least(each, part);
      rows.push({
        group: "extension",
        what,
        subject: `${each.name}, ${part}`,
        value,
        unit: "ns/frame",
        note,
      });
    }
  }
  const [without, empty] = receivers;
  const value = least(empty!, "process") - least(without!, "process");
  rows.push({ group: "extension", what, subject: "an empty extension costs", value, unit: "ns/frame" });
  return rows;
}
