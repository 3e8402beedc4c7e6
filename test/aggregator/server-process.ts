/**
 * An aggregator in a process of its own, to be killed: argv[2] is its configuration as JSON; prints its URL. With
 * SPARSEWIRE_MEASURE it prints, when it ends, for how long its main thread was busy without a pause: ms of CPU at most.
 */
import { threadCpuNs } from "xdp-node";
import { aggregatorConfigSchema } from "../../daemon/aggregator/config.js";
import { startAggregator } from "../../daemon/aggregator/run.js";
import { openLog } from "../../daemon/log.js";

const { url, close } = await startAggregator(aggregatorConfigSchema.parse(JSON.parse(process.argv[2]!)), {
  logger: openLog({ level: "warn", format: "json" }),
});
let busiestMs = 0;
if (process.env.SPARSEWIRE_MEASURE !== undefined) {
  let before = threadCpuNs();
  setInterval(() => {
    const now = threadCpuNs();
    busiestMs = Math.max(busiestMs, Number(now - before) / 1e6);
    before = now;
  }, 5);
  process.once("exit", () => process.stdout.write(`${busiestMs}\n`));
}
process.once("SIGTERM", () => void close().then(() => process.exit(0)));
process.stdout.write(`${url}\n`);
