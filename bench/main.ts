/**
 * `npm run bench`: measures Sparsewire next to its peers on this machine, in one run, and prints one table.
 *
 *   npm run bench -- [--only NAME[,NAME]] [--seconds N] [--long] [--smoke] [--json]
 */
import { parseArgs } from "node:util";
import { EXIT, errorLine } from "../lib/errors.js";
import { NetworkLab } from "../test/live/tools/netns.js";
import { type BenchOptions, describeMachine, type Row, type RowGroup, renderTable } from "./report.js";
import { anonymizeGroup } from "./rows/anonymize.js";
import { captureGroup } from "./rows/capture.js";
import { challengeGroup } from "./rows/challenge.js";
import { extensionGroup } from "./rows/extension.js";
import { graphblasGroup } from "./rows/graphblas.js";
import { hostGroup } from "./rows/host.js";
import { ingestGroup } from "./rows/ingest.js";
import { inlineGroup } from "./rows/inline.js";
import { memoryGroup } from "./rows/memory.js";
import { observeGroup } from "./rows/observe.js";
import { sandboxGroup } from "./rows/sandbox.js";
import { sheddingGroup } from "./rows/shedding.js";

export const GROUPS: readonly RowGroup[] = [
  sandboxGroup,
  graphblasGroup,
  anonymizeGroup,
  ingestGroup,
  challengeGroup,
  captureGroup,
  extensionGroup,
  inlineGroup,
  hostGroup,
  sheddingGroup,
  memoryGroup,
  observeGroup,
];

/** Load average above which others take part of what is measured. */
const BUSY_LOAD = 0.7;

const USAGE = `usage: npm run bench -- [options]
  --only NAME[,NAME]  only these row groups
  --seconds N         seconds of one live measurement (default 3)
  --long              also what takes minutes
  --smoke             tiny sizes, meaningless figures: does the bench work?
  --json              JSON instead of the table
row groups:
${GROUPS.map(({ name, about, isLong }) => `  ${name.padEnd(10)} ${about}${isLong ? " (--long)" : ""}`).join("\n")}
`;

/** Runs the groups one after the other. A group that fails leaves a row that says so; the others still run. */
export async function runGroups(
  groups: readonly RowGroup[],
  options: BenchOptions,
  say: (progress: string) => void,
): Promise<{ rows: Row[]; failed: number }> {
  const rows: Row[] = [];
  let failed = 0;
  for (const group of groups) {
    try {
      rows.push(...(await group.run(options, (text) => say(`${group.name}: ${text}`))));
    } catch (error) {
      failed++;
      rows.push({
        group: group.name,
        what: "failed",
        subject: "-",
        value: null,
        unit: "",
        note: errorLine(error),
      });
    }
  }
  return { rows, failed };
}

function chooseGroups(only: string | undefined, long: boolean): RowGroup[] | string {
  if (only === undefined) return GROUPS.filter((group) => long || group.isLong !== true);
  const names = only.split(",");
  const unknown = names.find((name) => !GROUPS.some((group) => group.name === name));
  if (unknown !== undefined) return `there is no row group ${JSON.stringify(unknown)}`;
  return GROUPS.filter((group) => names.includes(group.name));
}

function usageError(what: string): never {
  process.stderr.write(`bench: ${what}\n${USAGE}`);
  process.exit(EXIT.usage);
}

function parse(args: string[]): { values: Record<string, string | boolean | undefined> } {
  const flag = { type: "boolean", default: false } as const;
  const text = { type: "string" } as const;
  try {
    return parseArgs({
      args,
      options: { json: flag, long: flag, smoke: flag, help: flag, only: text, seconds: text },
    });
  } catch (error) {
    return usageError(errorLine(error));
  }
}

async function main(): Promise<void> {
  const { values } = parse(process.argv.slice(2));
  if (values.help === true) {
    process.stdout.write(USAGE);
    return;
  }
  const smoke = values.smoke === true;
  const seconds = Number(values.seconds ?? (smoke ? 0.3 : 3));
  if (!(seconds > 0 && seconds <= 600)) usageError("--seconds is 0..600");
  const groups = chooseGroups(values.only as string | undefined, values.long === true);
  if (typeof groups === "string") usageError(groups);
  // Leaving through process.exit runs the exit handlers that remove namespaces and folders.
  for (const signal of ["SIGINT", "SIGTERM"] as const) process.once(signal, () => process.exit(130));
  const machine = describeMachine();
  const say = (text: string) => void process.stderr.write(`bench: ${text}\n`);
  if (machine.load > BUSY_LOAD) say(`the machine is busy (load ${machine.load}): the figures will be noisy`);
  const options = { seconds, smoke, long: values.long === true };
  const { rows, failed } = await runGroups(groups, options, say);
  NetworkLab.closeAll();
  const output =
    values.json === true ? `${JSON.stringify({ machine, rows }, null, 2)}\n` : renderTable(machine, rows);
  process.stdout.write(output);
  if (failed > 0) process.exitCode = EXIT.failure;
}

if (process.argv[1] === import.meta.filename) await main();
