/** Metrics of load shedding. Labels are the names of protocols, a closed set. */
import { relativeThroughput } from "../../lib/sampling.js";
import type { Sensor } from "./sensor.js";
import { SHED_PROTOCOLS } from "./shed-maps.js";

type Rows = [Record<string, string>, number][];
/** As metrics.ts makes them: read whenever they are scraped. */
type Make = (suffix: string, help: string, labels: string[], read: () => Rows) => unknown;

export function shedMetrics(counter: Make, gauge: Make, sensor: Sensor): void {
  const single = (value: number): Rows => [[{}, value]];
  const status = () => sensor.source.shedding?.status();
  const last = () => sensor.latest?.status;
  gauge("sampling_ratio", "Share of the packets that is counted now", [], () =>
    single(status()?.sampling ?? 1),
  );
  gauge("relative_throughput_ratio", "Frames counted of those offered, last sealed interval", [], () =>
    single(relativeThroughput(last()?.frames ?? 0, last()?.drops ?? {})),
  );
  gauge(
    "accuracy_ratio",
    "1 - relative error bound of the 100 busiest links together, last sealed interval",
    [],
    () => single(last()?.accuracy ?? 1),
  );
  counter("sampling_changes_total", "Changes of the sampling rate", [], () => single(status()?.changes ?? 0));
  const shed = (column: 0 | 1): Rows => {
    const protocols = status()?.protocols ?? {};
    return SHED_PROTOCOLS.map((protocol) => [{ protocol }, protocols[protocol]?.[column] ?? 0]);
  };
  counter("shed_packets_total", "Frames that were sampled away on purpose", ["protocol"], () => shed(0));
  counter("shed_bytes_total", "Their wire bytes", ["protocol"], () => shed(1));
}
