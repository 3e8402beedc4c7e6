/** Metrics of mode host. Labels are what the configuration names, names and patterns: never the interfaces that fit. */
import type { HostStatus } from "./host-source.js";

/** Registers a metric whose values are read whenever it is scraped. */
export type ReadMetric = (
  suffix: string,
  help: string,
  labels: string[],
  read: () => [Record<string, string>, number][],
) => unknown;

export function hostMetrics(counter: ReadMetric, gauge: ReadMetric, status: () => HostStatus): void {
  const each = (unit: "packets" | "bytes") => () =>
    Object.entries(status().patterns).flatMap(([pattern, figures]): [Record<string, string>, number][] => [
      [{ interface: pattern, direction: "in" }, figures.in[unit]],
      [{ interface: pattern, direction: "out" }, figures.out[unit]],
    ]);
  const labels = ["interface", "direction"];
  counter(
    "host_packets_total",
    "Host: packets on the wire, by configured name or pattern",
    labels,
    each("packets"),
  );
  counter("host_bytes_total", "Host: their bytes", labels, each("bytes"));
  counter("host_seen_packets_total", "Host: packets that the programs in the kernel saw", [], () => [
    [{}, status().seen.packets],
  ]);
  counter(
    "host_reattached_total",
    "Host: times that the programs had been taken off an interface by others, and were put there anew",
    [],
    () => [[{}, status().reattached]],
  );
  gauge(
    "host_interfaces",
    "Host: interfaces that are watched now, by configured name or pattern",
    ["interface"],
    () => {
      const { interfaces, patterns } = status();
      return Object.keys(patterns).map((pattern) => [
        { interface: pattern },
        interfaces.filter((each) => each.pattern === pattern).length,
      ]);
    },
  );
}
