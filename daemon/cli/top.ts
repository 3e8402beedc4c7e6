/** `sparsewire top`: the busiest links, live. */
import { readFileSync } from "node:fs";
import type { Command } from "commander";
import { errorLine } from "../../lib/errors.js";
import { examples, type Result, usage, withOutput } from "./command.js";
import { emit, say } from "./output.js";
import { SOCKET_HELP, socketOf } from "./sockets.js";
import { attempt } from "./sources.js";
import { Screen } from "./terminal.js";
import { aggregatorFeed, type Feed, type Sort, sensorFeed, type TopModel } from "./top-model.js";
import { renderTop, type ViewOptions } from "./top-view.js";

interface Options {
  socket?: string;
  aggregator?: string;
  tokenFile?: string;
  output?: string;
  json?: boolean;
}

const REFRESH_MS = 1000;
/** A snapshot for a pipe is as wide as this and shows so many lines. */
const SNAPSHOT = { columns: 80, rows: 40 };

export function registerTop(parent: Command, _result: Result): void {
  const command = parent
    .command("top")
    .description(
      "the busiest links, live (keys: q quit, s sort, p pause); one snapshot when not on a terminal",
    )
    .option("--socket <path>", SOCKET_HELP)
    .option("--aggregator <url>", "all sensors of an aggregator instead")
    .option("--token-file <path>", "file with the aggregator's bearer token")
    .action(async (options: Options) => {
      const feed = await openFeed(options);
      const isLive =
        process.stdin.isTTY && process.stdout.isTTY && !options.json && options.output === undefined;
      if (isLive) await watchLinks(feed);
      else await emit(options.output, [snapshot(await feed.look("packets"), options.json)]);
    });
  withOutput(command);
  examples(command, [
    ["sparsewire top", "the sensor on this host"],
    ["sparsewire top --aggregator http://127.0.0.1:8470", "everything an aggregator sees"],
    ["sparsewire top | head -20", "one snapshot"],
  ]);
}

async function openFeed({ aggregator, tokenFile, socket }: Options): Promise<Feed> {
  if (aggregator === undefined) return sensorFeed(await socketOf(socket));
  return aggregatorFeed(aggregator, tokenFile === undefined ? undefined : readTokenFile(tokenFile));
}

function readTokenFile(path: string): string {
  const token = attempt(path, () => readFileSync(path, "utf8")).trim();
  if (/^[\x21-\x7e]{1,4096}$/.test(token)) return token;
  throw usage(`${path} does not hold one token of printable characters`, "name the aggregator's token_file");
}

function snapshot(model: TopModel, json = false, rows = SNAPSHOT.rows): string {
  if (json) return `${JSON.stringify(model, null, 1)}\n`;
  const view: ViewOptions = {
    columns: SNAPSHOT.columns,
    rows,
    color: false,
    sort: "packets",
    paused: false,
    clock: clock(),
    keys: false,
  };
  return `${renderTop(model, view)
    .map((line) => line.trimEnd())
    .join("\n")}\n`;
}

export interface WatchOptions {
  /** Lines shown above the links. */
  notes?: string[];
  /** Ends the view like q does. */
  signal?: AbortSignal;
}

/**
 * The live view, until q, Ctrl-C or a signal. The first look fails like any command; later failures are shown and tried
 * again. Without a terminal it prints a snapshot every second.
 */
export async function watchLinks(feed: Feed, { notes = [], signal }: WatchOptions = {}): Promise<void> {
  if (!process.stdin.isTTY || !process.stdout.isTTY)
    return printLinks(feed, { notes, ...(signal && { signal }) });
  let sort: Sort = "packets";
  let model = await feed.look(sort);
  let paused = false;
  let trouble: string | undefined;
  let wake = () => {};
  let isDone = false;
  const color = !process.env.NO_COLOR;
  const draw = () => {
    const { columns, rows } = screen;
    const shown = trouble === undefined ? {} : { trouble };
    screen.draw(
      renderTop(model, { columns, rows, color, sort, paused, clock: clock(), keys: true, notes, ...shown }),
    );
  };
  const screen = new Screen((key) => {
    if (key === "q") isDone = true;
    else if (key === "s") sort = sort === "packets" ? "bytes" : "packets";
    else if (key === "p") paused = !paused;
    else return;
    wake();
  }, draw);
  const abort = () => {
    isDone = true;
    wake();
  };
  signal?.addEventListener("abort", abort);
  try {
    while (!isDone && signal?.aborted !== true) {
      draw();
      const before: Sort = sort;
      await new Promise<void>((resolve) => {
        const timer = setTimeout(resolve, REFRESH_MS);
        wake = () => {
          clearTimeout(timer);
          resolve();
        };
      });
      if (isDone || (paused && sort === before)) continue;
      try {
        model = await feed.look(sort);
        trouble = undefined;
      } catch (error) {
        trouble = errorLine(error);
      }
    }
  } finally {
    signal?.removeEventListener("abort", abort);
    screen.close();
  }
}

/** The same for a pipe or a log: a short snapshot every second until the signal. */
async function printLinks(feed: Feed, { notes = [], signal }: WatchOptions): Promise<void> {
  say(`${notes.join("\n")}\n`);
  while (signal?.aborted !== true) {
    say(`${snapshot(await feed.look("packets"), false, 12)}\n`);
    await new Promise<void>((resolve) => {
      const timer = setTimeout(resolve, REFRESH_MS);
      signal?.addEventListener("abort", () => {
        clearTimeout(timer);
        resolve();
      });
    });
  }
}

function clock(): string {
  return new Date().toTimeString().slice(0, 8);
}
