/** What the tests of delivery share: the sensor's own pieces from the sealed interval to the aggregator, in this process. */
import { mkdirSync, readdirSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { pino } from "pino";
import type { AggregatorConfig } from "../../daemon/aggregator/config.js";
import { LostIntervals } from "../../daemon/sensor/lost.js";
import { Delivery } from "../../daemon/service/delivery.js";
import { afterTest, type Server, start } from "../aggregator/support.js";
import { interval } from "./interval.js";

/** A run of its own for each that is asked for. */
let runs = 0;
export const newRun = (): string => (++runs).toString(16).padStart(16, "0");

/** An aggregator that is closed after the test, if not before. */
export async function serve(settings: AggregatorConfig): Promise<Server> {
  const server = await start(settings);
  const end = server.close.bind(server);
  let closing: Promise<void> | undefined;
  server.close = () => {
    closing ??= end();
    return closing;
  };
  afterTest(() => server.close());
  return server;
}

/** Makes a spool as an earlier run has left it; the names in it. */
export function fill(spool: string, count: number): { run: string; names: string[] } {
  const run = newRun();
  mkdirSync(spool, { recursive: true });
  const names = Array.from({ length: count }, (_, sequence) => {
    const { name, archive } = interval(run, sequence);
    writeFileSync(join(spool, name), archive);
    return name;
  });
  return { run, names };
}

export interface Sensing {
  delivery: Delivery;
  run: string;
  spool: string;
  /** Lines of the log. */
  lines: Record<string, unknown>[];
  /** Hands over the next interval. */
  seal(): string;
}

/** Outbox, spool and shipper as a service has them, with short pauses. */
export function sensing(
  spool: string,
  url: string,
  options: { ca?: string; bytesMax?: number; timeoutMs?: number } = {},
): Sensing {
  const lines: Record<string, unknown>[] = [];
  const logger = pino({ level: "debug" }, { write: (line: string) => void lines.push(JSON.parse(line)) });
  const run = newRun();
  const delivery = new Delivery(
    {
      url,
      tokenFile: undefined,
      caFile: options.ca,
      timeoutMs: options.timeoutMs ?? 5000,
      retryMsMax: 2,
      spoolPath: spool,
      spoolBytesMax: options.bytesMax ?? 1 << 26,
    },
    run,
    new LostIntervals(logger),
    logger,
    () => undefined,
  );
  afterTest(() => delivery.close(0));
  let sequence = 0;
  const seal = (): string => {
    const item = interval(run, sequence++);
    delivery.put(item);
    return item.name;
  };
  return { delivery, run, spool, lines, seal };
}

/** Intervals in a spool's folder, and those set aside. */
export const entriesIn = (path: string): string[] =>
  readdirSync(path).filter((name) => name.endsWith(".tar"));
export const asideIn = (path: string): string[] =>
  readdirSync(path).filter((name) => /\.(refused|damaged)$/.test(name));

/** Waits until `isTrue`, at most `milliseconds`. */
export async function until(isTrue: () => boolean | Promise<boolean>, milliseconds = 20_000): Promise<void> {
  const deadline = Date.now() + milliseconds;
  while (!(await isTrue())) {
    if (Date.now() > deadline) throw new Error(`not within ${milliseconds} ms: ${isTrue}`);
    await new Promise((resolve) => setTimeout(resolve, 5));
  }
}
