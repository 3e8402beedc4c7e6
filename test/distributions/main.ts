/**
 * The README's two commands on the machines that it names, each as it comes: `npm run test:distributions`.
 *
 *   node dist/test/distributions/main.js [--suite NAME]... [--node VERSION] [--clang VERSION] [--only start|test]
 *                                        [--pattern TEXT]... [--logs FOLDER]
 *
 * Of each root file system a clone runs `npm start` up to the first live view with links in it, then Ctrl-C, and
 * `npm test`. --node takes npm's Node.js instead of the distribution's, --clang a clang of the distribution that is put in
 * beforehand, --pattern a part of the tests. Exit code 0: all held; 1: something did not; 2: usage; 5: not to be had here.
 */
import { createWriteStream, mkdirSync, mkdtempSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { parseArgs } from "node:util";
import { GuestUnavailable, installTools, ROOT_TOOLS } from "../guest/apt.js";
import { Chamber } from "./chamber.js";
import { newcomer, SUITES, type Suite } from "./roots.js";

const LIVE_VIEW_SECONDS_MAX = 240;
const END_SECONDS_MAX = 20;
const TEST_SECONDS_MAX = 3600;
const INTERRUPT = "\x03";
/** The head of the live view, once it shows links. */
const LIVE_VIEW = /sparsewire top[\s\S]*[1-9][\d,]* links/;
const TALLY = /^(\d+) passed, (\d+) failed, (\d+) skipped$/m;
const TAIL_BYTES = 200_000;

const { values: options } = parseArgs({
  options: {
    suite: { type: "string", multiple: true, default: Object.keys(SUITES) },
    node: { type: "string" },
    clang: { type: "string" },
    only: { type: "string" },
    pattern: { type: "string", multiple: true, default: [] },
    logs: { type: "string" },
  },
});
const logs = options.logs ?? mkdtempSync(join(tmpdir(), "sparsewire-distributions-"));
const say = (text: string): void => void process.stderr.write(`distributions: ${text}\n`);

interface Ended {
  output: string;
  seconds: number;
}

/** Runs a command to its end, its words in a log; `watch` sees all that was said at each piece, and may answer. */
async function follow(
  chamber: Chamber,
  command: string,
  log: string,
  secondsMax: number,
  watch: (output: string, answer: (keys: string) => void) => void = () => {},
): Promise<Ended & { code: number | null }> {
  const began = performance.now();
  const variables: Record<string, string> = {};
  if (options.clang !== undefined) variables.CLANG = `clang-${options.clang}`;
  const child = chamber.start(command, variables);
  const file = createWriteStream(log);
  let output = "";
  const take = (text: string): void => {
    file.write(text);
    output = (output + text).slice(-TAIL_BYTES);
    watch(output, (keys) => child.stdin?.write(keys));
  };
  for (const stream of [child.stdout!, child.stderr!]) stream.setEncoding("utf8").on("data", take);
  child.stdin!.on("error", () => {}); // it ended first
  const limit = setTimeout(() => child.kill("SIGKILL"), secondsMax * 1000);
  const code = await new Promise<number | null>((resolve) => child.once("close", resolve));
  clearTimeout(limit);
  file.end();
  return { output, code, seconds: (performance.now() - began) / 1000 };
}

/** Seconds from a fresh clone to the first live view. Throws an Error with the log's name when it does not come, or end. */
async function firstLiveView(chamber: Chamber, log: string): Promise<number> {
  const began = performance.now();
  let seconds: number | undefined;
  const { code } = await follow(
    chamber,
    // A terminal, for the view is for one; and what must be gone after Ctrl-C.
    `script -qec 'npm start' /dev/null; code=$?; ip netns list >&2; exit $code`,
    log,
    3 * LIVE_VIEW_SECONDS_MAX,
    (output, answer) => {
      if (seconds !== undefined || !LIVE_VIEW.test(output)) return;
      seconds = (performance.now() - began) / 1000;
      answer(INTERRUPT);
    },
  );
  if (seconds === undefined) throw new Error(`npm start ended with ${code} before a live view: ${log}`);
  const ending = (performance.now() - began) / 1000 - seconds;
  if (code !== 0 || ending > END_SECONDS_MAX)
    throw new Error(`after Ctrl-C npm start ended with ${code}, ${ending.toFixed(0)} s later: ${log}`);
  if (seconds > LIVE_VIEW_SECONDS_MAX)
    throw new Error(
      `the first live view took ${seconds.toFixed(0)} s, ${LIVE_VIEW_SECONDS_MAX} are allowed: ${log}`,
    );
  return seconds;
}

/** The tally of `npm test`. Throws an Error when a test failed, or none ran. */
async function testRun(chamber: Chamber, log: string): Promise<Ended> {
  const words = options.pattern.length === 0 ? "" : ` -- ${options.pattern.join(" ")}`;
  const { output, code, seconds } = await follow(chamber, `npm test${words}`, log, TEST_SECONDS_MAX);
  const tally = TALLY.exec(output)?.[0];
  if (code !== 0 || tally === undefined)
    throw new Error(`npm test: ${tally ?? `ended with ${code}`}: ${log}`);
  return { output: tally, seconds };
}

async function attempt(what: string, work: () => Promise<string>): Promise<boolean> {
  try {
    process.stdout.write(`ok      ${what}: ${await work()}\n`);
    return true;
  } catch (error) {
    if (error instanceof GuestUnavailable) throw error;
    process.stdout.write(`not ok  ${what}: ${(error as Error).message}\n`);
    return false;
  }
}

async function distribution(suite: Suite): Promise<boolean[]> {
  const { root, node } = await newcomer(suite, options.node ?? SUITES[suite].node, say);
  const chamber = new Chamber(root, node);
  try {
    chamber.clone();
    if (options.clang !== undefined) {
      const wanted = `clang-${options.clang} lld-${options.clang}`;
      const install = `apt-get -qq update && apt-get -qq install -y --no-install-recommends ${wanted}`;
      await follow(chamber, install, join(logs, `${suite}-clang.log`), TEST_SECONDS_MAX);
    }
    const results: boolean[] = [];
    const title = async (): Promise<string> => {
      const { output } = await follow(chamber, "node --version", join(logs, "version.log"), END_SECONDS_MAX);
      return `${suite}, Node.js ${output.trim().slice(1)}`;
    };
    const name = await title();
    if (options.only !== "test")
      results.push(
        await attempt(`${name}: npm start`, async () => {
          const seconds = await firstLiveView(chamber, join(logs, `${suite}-start.log`));
          return `first live view after ${seconds.toFixed(0)} s`;
        }),
      );
    if (options.only !== "start")
      results.push(
        await attempt(`${name}: npm test`, async () => {
          const { output, seconds } = await testRun(chamber, join(logs, `${suite}-test.log`));
          return `${output}, ${seconds.toFixed(0)} s`;
        }),
      );
    return results;
  } finally {
    chamber.close();
  }
}

async function main(): Promise<number> {
  const unknown = options.suite.find((name) => !Object.hasOwn(SUITES, name));
  if (unknown !== undefined) {
    say(`no suite ${unknown}; there are ${Object.keys(SUITES).join(", ")}`);
    return 2;
  }
  mkdirSync(logs, { recursive: true });
  say(`logs are in ${logs}`);
  installTools(say, ROOT_TOOLS);
  const results: boolean[] = [];
  for (const suite of options.suite as Suite[]) results.push(...(await distribution(suite)));
  const failed = results.filter((held) => !held).length;
  process.stdout.write(`${results.length - failed} passed, ${failed} failed\n`);
  return failed === 0 ? 0 : 1;
}

process.exitCode = await main().catch((error: unknown) => {
  if (!(error instanceof GuestUnavailable)) throw error;
  say(error.message);
  return 5;
});
