/** What the aggregator's tests share: a server on loopback with its own store, and cleaning up after it. */
import { mkdtempSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { test as nodeTest, type TestContext } from "node:test";
import { pino } from "pino";
import { type AggregatorConfig, aggregatorConfigSchema } from "../../daemon/aggregator/config.js";
import { type Aggregator, startAggregator } from "../../daemon/aggregator/run.js";

export * from "./client.js";

/** What a test leaves behind. */
const cleanups: (() => unknown)[] = [];

/** A test of node:test that is cleaned up after however it ends; a failed one must not keep servers running. */
export function test(
  name: string,
  run: (t: TestContext) => Promise<void>,
  options: { skip?: string | false } = {},
): void {
  void nodeTest(name, options, async (t) => {
    try {
      await run(t);
    } finally {
      for (let clean = cleanups.pop(); clean !== undefined; clean = cleanups.pop()) await clean();
    }
  });
}

/** Has something done after the test; the latest first. */
export const afterTest = (clean: () => unknown): void => void cleanups.push(clean);

/** A folder that is gone after the test. */
export function temporaryFolder(): string {
  const path = mkdtempSync(join(tmpdir(), "sparsewire-aggregator-"));
  afterTest(() => rmSync(path, { recursive: true, force: true }));
  return path;
}

/** A parsed configuration on a free port, with a store of its own. */
export function config(overrides: Record<string, unknown> = {}): AggregatorConfig {
  const { store, listen, ...others } = overrides as Record<string, Record<string, unknown>>;
  return aggregatorConfigSchema.parse({
    listen: { port: 0, ...listen },
    store: { path: join(temporaryFolder(), "store"), ...store },
    ...others,
  });
}

/** Log lines of a server under test. */
export class Lines {
  readonly all: Record<string, unknown>[] = [];
  readonly logger = pino(
    { level: "debug" },
    { write: (line: string) => void this.all.push(JSON.parse(line)) },
  );
}

export interface Server extends Aggregator {
  config: AggregatorConfig;
  lines: Lines;
}

export async function start(settings: AggregatorConfig): Promise<Server> {
  const lines = new Lines();
  const aggregator = await startAggregator(settings, { logger: lines.logger });
  let ended: Promise<void> | undefined;
  const end = aggregator.close.bind(aggregator);
  const close = (): Promise<void> => (ended ??= end());
  // A test that fails has not come to its own close().
  afterTest(close);
  return Object.assign(aggregator, { close, config: settings, lines });
}
