/** An aggregator in a process of its own, to be killed: argv[2] is its configuration as JSON; prints its URL. */
import { aggregatorConfigSchema } from "../../daemon/aggregator/config.js";
import { startAggregator } from "../../daemon/aggregator/run.js";
import { openLog } from "../../daemon/log.js";

const { url, close } = await startAggregator(aggregatorConfigSchema.parse(JSON.parse(process.argv[2]!)), {
  logger: openLog({ level: "warn", format: "json" }),
});
process.once("SIGTERM", () => void close().then(() => process.exit(0)));
process.stdout.write(`${url}\n`);
