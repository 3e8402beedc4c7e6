/**
 * A sensor's delivery as a process: argv[2] is {spool, url} as JSON. It seals an interval for each message "seal" that
 * its parent sends, answers each message with its figures, and ends with "close". With "listen" it also serves, as a
 * sensor does its metrics.
 */
import { createServer } from "node:http";
import type { AddressInfo } from "node:net";
import { pino } from "pino";
import { LostIntervals } from "../../daemon/sensor/lost.js";
import { Delivery } from "../../daemon/service/delivery.js";
import { errorLine } from "../../lib/errors.js";
import { interval } from "./interval.js";

const { spool, url, run } = JSON.parse(process.argv[2]!) as { spool: string; url: string; run: string };
const logger = pino({ level: "info", base: null }, pino.destination({ dest: 2, sync: true }));
const options = {
  url,
  tokenFile: undefined,
  caFile: undefined,
  timeoutMs: 2000,
  retryMsMax: 20,
  spoolPath: spool,
  spoolBytesMax: 1 << 26,
};

let sequence = 0;
let delivery: Delivery;
try {
  delivery = new Delivery(options, run, new LostIntervals(logger), logger, () => undefined);
} catch (error) {
  process.stderr.write(`${(error as { code?: string }).code}: ${errorLine(error)}\n`);
  process.exit(1);
}
process.on("message", (message: "seal" | "figures" | "listen" | "close") => {
  if (message === "listen") {
    const server = createServer((_request, response) => response.end("\n"));
    server.listen(0, "127.0.0.1", () => process.send!((server.address() as AddressInfo).port));
    return;
  }
  if (message === "close") {
    void delivery.close(2000).then(() => process.exit(0));
    return;
  }
  if (message === "seal") delivery.put(interval(run, sequence++));
  process.send!({ ...delivery.figures(), sealed: sequence });
});
process.send!({ ...delivery.figures(), sealed: 0 });
