/** Builds the status of a running sensor from the shared memory of its sandboxes and its own figures. */
import { addressOf } from "xdp-node";
import { COUNTERS, type CounterName } from "../../lib/abi.js";
import { ControlView } from "../capture/control-view.js";
import type { Privileges } from "../privileges/confine.js";
import { SOFTWARE } from "../software.js";
import type { Sensor } from "./sensor.js";
import type { SensorStatus } from "./status.js";

export class SensorReport {
  readonly #sensor: Sensor;
  readonly privileges: Privileges;
  readonly #controls: ControlView[];
  metricsUrl: string | null = null;

  constructor(sensor: Sensor, privileges: Privileges) {
    this.#sensor = sensor;
    this.privileges = privileges;
    this.#controls = sensor.source.memories.map((memory) => new ControlView(memory));
  }

  /** Cumulative counters of all sandboxes, as of their last breath. */
  counters(): Record<CounterName, number> {
    const total = Object.fromEntries(COUNTERS.map((name) => [name, 0])) as Record<CounterName, number>;
    for (const control of this.#controls) {
      const counters = control.counters();
      for (const name of COUNTERS) total[name] += counters[name];
    }
    return total;
  }

  /** Breaths by log2 of the frames they took, all sandboxes together. */
  batchHistogram(): number[] {
    const sum = new Array<number>(16).fill(0);
    for (const control of this.#controls) {
      for (const [i, count] of control.batchHistogram().entries()) sum[i]! += count;
    }
    return sum;
  }

  workers(): SensorStatus["workers"] {
    const { source } = this.#sensor;
    return source.vitals().map(({ cpuNs, wakeups, pauseMs = 0 }, i) => {
      const queues = source.queues[i]?.length ?? 0;
      const control = this.#controls[i];
      const frames = control === undefined ? 0 : control.counters().frames;
      return { cpu_ns: cpuNs, wakeups, queues, frames, ...(pauseMs > 0 ? { pause_ms: pauseMs } : {}) };
    });
  }

  /** Frames of each RX queue: [queue, frames]. */
  queueFrames(): [number, number][] {
    return this.#sensor.source.queues.flatMap((queues, i) =>
      queues.map((queue, at): [number, number] => [queue, this.#controls[i]!.queueFrames(at)]),
    );
  }

  #sandboxes(): SensorStatus["sandboxes"] {
    return this.#sensor.source.memories.map((memory, i) => ({
      address: `0x${addressOf(memory.buffer).toString(16)}`,
      bytes: memory.buffer.byteLength,
      queues: (this.#sensor.source.queues[i] ?? []).map((queue, at) => ({
        queue,
        ...this.#controls[i]!.queuePlace(at),
      })),
    }));
  }

  status(): SensorStatus {
    const sensor = this.#sensor;
    const { source } = sensor;
    const { xdp, interface: interfaceCounters } = source.statistics();
    const cpu = process.cpuUsage();
    const matrix = sensor.pool?.figures() ?? { cpuNs: 0, memoryBytes: 0 };
    const last = sensor.latest?.status ?? null;
    return {
      software: SOFTWARE,
      sensor: sensor.config.sensor,
      run: sensor.run,
      interface: source.name,
      mode: sensor.config.mode,
      effective: source.effective,
      anonymization: sensor.anonymization,
      pid: process.pid,
      uptime_s: (Date.now() - sensor.startedAt) / 1000,
      ready: sensor.isReady,
      counters: this.counters(),
      drops: source.drops(),
      shedding: source.shedding?.status() ?? null,
      xdp_statistics: xdp,
      interface_counters: interfaceCounters,
      xdp_seen: source.seen(),
      ...(source.extensions === undefined ? {} : { extensions: source.extensions.status() }),
      forward: source.forward?.() ?? null,
      host: source.hostStatus?.() ?? null,
      workers: this.workers(),
      sandboxes: this.#sandboxes(),
      matrix: { cpu_ns: matrix.cpuNs, memory_bytes: matrix.memoryBytes, pending: sensor.pool?.pending ?? 0 },
      process: { cpu_ns: (cpu.user + cpu.system) * 1000, resident_bytes: process.memoryUsage.rss() },
      intervals: {
        sealed: sensor.sealed,
        lost: sensor.lost.byCause,
        lag_s: last === null ? null : (Date.now() - last.end_ms) / 1000,
      },
      last_interval: last,
      spool:
        sensor.spool === undefined
          ? null
          : {
              depth: sensor.spool.depth,
              bytes: sensor.spool.bytes,
              waiting: sensor.outbox?.depth ?? 0,
              set_aside: sensor.spool.aside.depth,
              path: sensor.spool.path,
            },
      ship:
        sensor.shipper === undefined ? null : { ...sensor.shipper.figures, target: sensor.shipper.target },
      dependability: sensor.dependability?.status() ?? null,
      privileges: this.privileges.status(),
      metrics_url: this.metricsUrl,
    };
  }
}
