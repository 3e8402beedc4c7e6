/** The aggregator's Prometheus metrics, in a registry of its own. Labels are closed sets: never a sensor, never an address. */
import { Counter, Gauge, Histogram, Registry } from "prom-client";
import { addClosed } from "../http/connection-metrics.js";
import type { CloseCause } from "../http/connections.js";
import { DELETION_CAUSES } from "./losses.js";
import { LEVELS, ROLLUP_LEVELS } from "./periods.js";
import { REFUSAL_CAUSES } from "./refusal.js";

export const PREFIX = "sparsewire_aggregator_";
const FAST_SECONDS = [0.001, 0.0025, 0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1, 2.5, 10];
const SLOW_SECONDS = [0.01, 0.05, 0.1, 0.25, 0.5, 1, 2.5, 5, 10, 30, 60, 300];

/** What is asked of the running parts at each scrape. */
export interface Gauges {
  files(level: (typeof LEVELS)[number]): number;
  bytes(level: (typeof LEVELS)[number]): number;
  quarantined(): number;
  sensors(): number;
  uploads(): number;
  queries(): number;
  connections(): number;
  connectionsClosed(cause: CloseCause): number;
  pendingMinutes(): number;
}

export type Metrics = ReturnType<typeof createMetrics>;

export function createMetrics(version: string) {
  const registry = new Registry();
  const registers = [registry];
  const counter = <L extends string = never>(name: string, help: string, labelNames: readonly L[] = []) =>
    new Counter({ name: PREFIX + name, help, labelNames: [...labelNames], registers });
  const histogram = <L extends string = never>(
    name: string,
    help: string,
    buckets: number[],
    labelNames: readonly L[] = [],
  ) => new Histogram({ name: PREFIX + name, help, buckets, labelNames: [...labelNames], registers });

  const metrics = {
    registry,
    received: counter("intervals_received_total", "Uploads acknowledged, by what they were", ["result"]),
    refused: counter("refused_total", "Requests refused, by cause", ["cause"]),
    receivedBytes: counter("received_bytes_total", "Bytes of the archives that were stored"),
    packets: counter("packets_total", "Packets counted in the stored intervals"),
    frames: counter("frames_total", "Frames offered to the stored intervals"),
    late: counter("late_intervals_total", "Intervals stored after their minute had been rolled up"),
    storeSeconds: histogram(
      "store_duration_seconds",
      "From a whole upload to its acknowledgement",
      FAST_SECONDS,
    ),
    lagSeconds: histogram(
      "interval_lag_seconds",
      "From the end of an interval to its acknowledgement",
      SLOW_SECONDS,
    ),
    rollupSeconds: histogram("rollup_duration_seconds", "Time to write one roll-up", SLOW_SECONDS, ["level"]),
    rollupFailures: counter("rollup_failures_total", "Roll-ups that could not be written, by level", [
      "level",
    ]),
    deleted: counter("retention_deleted_total", "Archives deleted, by level and cause", ["level", "cause"]),
    deletedUnsummed: counter(
      "intervals_deleted_unsummed_total",
      "Intervals deleted by retention that no coarser roll-up holds, by level and cause",
      ["level", "cause"],
    ),
    querySeconds: histogram("query_duration_seconds", "Time to answer a matrix query", SLOW_SECONDS, [
      "kind",
    ]),
    saturated: counter("saturated_sums_total", "Sums whose counters stopped at 2^53 - 1"),
    workerRestarts: counter("worker_restarts_total", "Matrix workers that had to be started again"),
  };
  for (const result of ["stored", "duplicate"]) metrics.received.inc({ result }, 0);
  for (const cause of REFUSAL_CAUSES) metrics.refused.inc({ cause }, 0);
  for (const level of ROLLUP_LEVELS) metrics.rollupFailures.inc({ level }, 0);
  for (const cause of DELETION_CAUSES) {
    for (const level of [...LEVELS, "quarantine"]) metrics.deleted.inc({ level, cause }, 0);
    for (const level of LEVELS) metrics.deletedUnsummed.inc({ level, cause }, 0);
  }
  new Gauge({
    name: `${PREFIX}info`,
    help: "Version of the aggregator",
    labelNames: ["version"],
    registers,
  }).set({ version }, 1);
  return metrics;
}

/** Adds the gauges that are read from the running parts when somebody scrapes. */
export function addGauges({ registry }: Metrics, gauges: Gauges): void {
  const registers = [registry];
  const gauge = (name: string, help: string, value: () => number) =>
    new Gauge({
      name: PREFIX + name,
      help,
      registers,
      collect() {
        this.set(value());
      },
    });
  const perLevel = (name: string, help: string, value: (level: (typeof LEVELS)[number]) => number) =>
    new Gauge({
      name: PREFIX + name,
      help,
      labelNames: ["level"],
      registers,
      collect() {
        for (const level of LEVELS) this.set({ level }, value(level));
      },
    });
  perLevel("store_files", "Archives in the store, by level", gauges.files);
  perLevel("store_bytes", "Bytes of archives in the store, by level", gauges.bytes);
  gauge("quarantined_files", "Files moved to quarantine since the start", gauges.quarantined);
  gauge("sensors", "Distinct sensors in the store", gauges.sensors);
  gauge("uploads_in_flight", "Uploads being received", gauges.uploads);
  gauge("queries_in_flight", "Matrix queries being answered", gauges.queries);
  gauge("connections", "Open connections", gauges.connections);
  addClosed(registry, `${PREFIX}connections_closed_total`, gauges.connectionsClosed);
  gauge("rollup_pending_minutes", "Minutes with intervals that are not rolled up yet", gauges.pendingMinutes);
}
