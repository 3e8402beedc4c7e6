/**
 * Prometheus metrics of a sensor. Everything cumulative is read from shared memory and the kernel at scrape time; only
 * latencies are observed as they happen. Labels come from small closed sets, never from addresses.
 */
import { Counter, Gauge, Histogram, Registry } from "prom-client";
import type { Forward } from "../../lib/forward.js";
import { DROP_CAUSES, FRAME_REASONS, XDP_STATISTICS } from "../../lib/reasons.js";
import { addDependability } from "../dependability/metrics.js";
import { extensionMetrics } from "../extension/metrics.js";
import { addPrivilegeGauges } from "../privileges/metrics.js";
import { VERSION } from "../software.js";
import { hostMetrics } from "./host-metrics.js";
import type { SensorReport } from "./report.js";
import type { Sensor } from "./sensor.js";
import { shedMetrics } from "./shed-metrics.js";

const LATENCY_BUCKETS = [0.0005, 0.001, 0.0025, 0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1, 2.5, 5, 10];

export function sensorMetrics(sensor: Sensor, report: SensorReport): Registry {
  const registry = new Registry();
  const registers = [registry];
  const name = (suffix: string): string => `sparsewire_${suffix}`;

  /** A counter that takes its values from elsewhere whenever it is scraped. */
  const counter = (
    suffix: string,
    help: string,
    labels: string[],
    read: () => [Record<string, string>, number][],
  ) =>
    new Counter({
      name: name(suffix),
      help,
      labelNames: labels,
      registers,
      collect() {
        this.reset();
        for (const [values, value] of read()) this.inc(values, value);
      },
    });
  const gauge = (
    suffix: string,
    help: string,
    labels: string[],
    read: () => [Record<string, string>, number][],
  ) =>
    new Gauge({
      name: name(suffix),
      help,
      labelNames: labels,
      registers,
      collect() {
        this.reset();
        for (const [values, value] of read()) this.set(values, value);
      },
    });
  const { source } = sensor;
  const single = (value: number): [Record<string, string>, number][] => [[{}, value]];

  gauge("build_info", "Version of this program", ["version"], () => [[{ version: VERSION }, 1]]);
  gauge(
    "effective_mode_info",
    "How frames are captured, as the kernel says",
    ["interface", "mode", "attach", "bind"],
    () => [
      [
        {
          interface: source.name,
          mode: sensor.config.mode,
          attach: source.effective?.attach ?? "none",
          bind: source.effective?.bind ?? "none",
        },
        1,
      ],
    ],
  );
  gauge("anonymization_info", "How addresses are anonymised", ["scheme"], () => [
    [{ scheme: sensor.anonymization.scheme }, 1],
  ]);
  addPrivilegeGauges(registry, name(""), report.privileges);
  counter("frames_total", "Frames offered to the sandbox", [], () => single(report.counters().frames));
  counter("frame_bytes_total", "Wire bytes of those frames", [], () => single(report.counters().frame_bytes));
  counter("packets_total", "Packets counted into a matrix", [], () => single(report.counters().packets));
  counter("packet_bytes_total", "Their wire bytes", [], () => single(report.counters().packet_bytes));
  counter(
    "frames_by_reason_total",
    "Frames by what became of them; the sum is frames_total",
    ["reason"],
    () => {
      const counters = report.counters();
      return FRAME_REASONS.map((reason) => [{ reason }, counters[`frames_${reason}`]]);
    },
  );
  counter("queue_frames_total", "Frames taken from each RX queue", ["queue"], () =>
    report.queueFrames().map(([queue, frames]) => [{ queue: String(queue) }, frames]),
  );
  counter("drops_total", "Packets lost before the sandbox; causes exclude one another", ["cause"], () => {
    const drops = source.drops();
    return DROP_CAUSES.map((cause) => [{ cause }, drops[cause]]);
  });
  counter("xdp_statistics_total", "XDP_STATISTICS of all sockets, field by field", ["field"], () => {
    const { xdp } = source.statistics();
    return XDP_STATISTICS.map((field) => [
      { field },
      xdp.reduce((sum, socket) => sum + (socket[field] ?? 0), 0),
    ]);
  });
  for (const [suffix, counterName, help] of SANDBOX_COUNTERS) {
    counter(suffix, help, [], () => single(report.counters()[counterName]));
  }
  gauge("breath_frames", "Breaths so far by the frames they took (upper bound, powers of two)", ["le"], () =>
    report.batchHistogram().map((count, i) => [{ le: String(2 ** (i + 1) - 1) }, count]),
  );
  counter("wakeups_total", "Times a capture worker slept and woke", ["worker"], () =>
    report.workers().map(({ wakeups }, i) => [{ worker: String(i) }, wakeups]),
  );
  counter("capture_cpu_seconds_total", "CPU time of each capture worker", ["worker"], () =>
    report.workers().map(({ cpu_ns }, i) => [{ worker: String(i) }, cpu_ns / 1e9]),
  );
  counter("matrix_cpu_seconds_total", "CPU time of the matrix worker", [], () =>
    single((sensor.pool?.figures().cpuNs ?? 0) / 1e9),
  );
  gauge("matrix_memory_bytes", "Linear memory of the matrix worker", [], () =>
    single(sensor.pool?.figures().memoryBytes ?? 0),
  );
  if (source.hostStatus !== undefined) hostMetrics(counter, gauge, () => source.hostStatus!());
  if (source.forward !== undefined) {
    const directions = () => source.forward!();
    const each = (read: (direction: Forward) => number) => (): [Record<string, string>, number][] =>
      directions().map((direction) => [{ from: direction.from, to: direction.to }, read(direction)]);
    const labels = ["from", "to"];
    counter(
      "forward_frames_total",
      "Inline: frames received",
      labels,
      each(({ frames }) => frames),
    );
    counter(
      "forwarded_frames_total",
      "Inline: frames that left",
      labels,
      each(({ forwarded }) => forwarded),
    );
    counter(
      "forwarded_bytes_total",
      "Inline: bytes put on the TX ring",
      labels,
      each(({ bytes }) => bytes),
    );
    counter(
      "diverted_frames_total",
      "Inline: frames diverted",
      labels,
      each(({ diverted }) => diverted),
    );
    counter("forward_drops_total", "Inline: frames received that did not leave", [...labels, "cause"], () =>
      directions().flatMap(({ from, to, dropped }) =>
        Object.entries(dropped).map(([cause, value]): [Record<string, string>, number] => [
          { from, to, cause },
          value,
        ]),
      ),
    );
  }
  shedMetrics(counter, gauge, sensor);
  gauge("interval_quantity", "Network quantities of the last sealed interval", ["matrix", "quantity"], () =>
    Object.entries(sensor.latest?.status.quantities ?? {}).flatMap(([matrix, quantities]) =>
      Object.entries(quantities ?? {}).map(([quantity, value]): [Record<string, string>, number] => [
        { matrix, quantity },
        value,
      ]),
    ),
  );
  gauge("interval_lag_seconds", "Age of the end of the last sealed interval", [], () =>
    single(sensor.latest === undefined ? 0 : (Date.now() - sensor.latest.status.end_ms) / 1000),
  );
  counter("intervals_sealed_total", "Intervals sealed", [], () => single(sensor.sealed));
  counter("intervals_lost_total", "Intervals that reached neither spool nor aggregator", ["cause"], () =>
    Object.entries(sensor.lost.byCause).map(([cause, count]) => [{ cause }, count]),
  );
  counter("sandbox_traps_total", "Matrix instances that trapped and were replaced", [], () =>
    single(sensor.lost.byCause.matrix_worker ?? 0),
  );
  gauge("spool_intervals", "Intervals in the spool", [], () => single(sensor.spool?.depth ?? 0));
  gauge("spool_bytes", "Their bytes", [], () => single(sensor.spool?.bytes ?? 0));
  gauge("spool_waiting", "Intervals in memory that wait for the spool's disk", [], () =>
    single(sensor.outbox?.depth ?? 0),
  );
  gauge("spool_set_aside", "Intervals refused for good or damaged, kept beside the spool's own", [], () =>
    single(sensor.spool?.aside.depth ?? 0),
  );
  gauge("ship_deferred", "Intervals that wait for a reason of their own while others are delivered", [], () =>
    single(sensor.shipper?.figures.deferred ?? 0),
  );
  counter("ship_intervals_total", "Intervals acknowledged by the aggregator", ["result"], () => {
    const { acknowledged = 0, duplicates = 0 } = sensor.shipper?.figures ?? {};
    return [
      [{ result: "stored" }, acknowledged - duplicates],
      [{ result: "duplicate" }, duplicates],
    ];
  });
  counter("ship_bytes_total", "Bytes of acknowledged intervals", [], () =>
    single(sensor.shipper?.figures.bytes ?? 0),
  );
  counter("ship_retries_total", "Attempts that have to be made again", ["cause"], () =>
    Object.entries(sensor.shipper?.figures.retries ?? {}).map(([cause, count]) => [{ cause }, count]),
  );
  gauge("resident_memory_bytes", "Resident memory of the process", [], () =>
    single(process.memoryUsage.rss()),
  );
  counter("cpu_seconds_total", "CPU time of the process", [], () => {
    const { user, system } = process.cpuUsage();
    return single((user + system) / 1e6);
  });

  addDependability(registry, () => sensor.dependability?.status().windows);

  const histogram = (suffix: string, help: string): Histogram =>
    new Histogram({ name: name(suffix), help, buckets: LATENCY_BUCKETS, registers });
  const seal = histogram("seal_seconds", "From the request until every sandbox had sealed");
  const encode = histogram("encode_seconds", "From the seal to the finished archive");
  const ship = histogram("ship_seconds", "From reading the spool to the acknowledgement");
  sensor.observer = {
    sealed: (seconds) => seal.observe(seconds),
    encoded: (seconds) => encode.observe(seconds),
    shipped: (seconds) => ship.observe(seconds),
  };
  extensionMetrics(registry, source.extensions);
  return registry;
}

const SANDBOX_COUNTERS = [
  ["late_packets_total", "late", "Packets older than their window, counted in the current one"],
  ["multi_buffer_frames_total", "multi_buffer", "Frames that came in several descriptors"],
  ["bad_descriptors_total", "bad_descriptors", "Descriptors outside the UMEM, given back unread"],
  ["ipv6_collisions_total", "v6_collisions", "IPv6 addresses that share a hash with another in one interval"],
  ["breaths_total", "breaths", "Calls of the sandbox that looked at the rings"],
  ["empty_breaths_total", "empty_breaths", "Those that found no frame"],
  ["folds_total", "folds", "Sub-windows sorted and folded"],
  ["merges_total", "merges", "Runs merged"],
  ["early_seals_total", "early_seals", "Intervals sealed early because their budget was spent"],
] as const;
