/** Metrics of extensions: the label is a name of the configuration, or a cause of a closed set. */
import { Counter, Gauge, type Registry } from "prom-client";
import type { ExtensionHost, ExtensionStatus } from "./extension-host.js";
import { SUSPENSIONS } from "./protocol.js";

const COUNTERS: [suffix: string, help: string, read: (status: ExtensionStatus) => number][] = [
  ["frames_total", "Frames (descriptors) that an extension has seen", ({ frames }) => frames],
  ["missed_total", "Frames that it has not seen, or whose rows were lost with it", ({ missed }) => missed],
  ["rows_total", "Rows it gave that are in its matrix", ({ rows }) => rows],
  ["rows_lost_total", "Rows beyond what there was room for", ({ rows_lost }) => rows_lost],
  ["labels_lost_total", "Labels beyond what there was room for", (status) => status.labels_lost],
  ["shed_total", "Intervals whose archive had no room for its part", ({ shed }) => shed],
  ["events_total", "Events it raised, logged or not", ({ events }) => events],
  ["cpu_seconds_total", "CPU time of its thread", ({ cpu_ns }) => cpu_ns / 1e9],
];

/** Adds the metrics of a sensor's extensions; nothing where there are none. */
export function extensionMetrics(registry: Registry, extensions: ExtensionHost | undefined): void {
  if (extensions === undefined) return;
  const registers = [registry];
  for (const [suffix, help, read] of COUNTERS) {
    new Counter({
      name: `sparsewire_extension_${suffix}`,
      help,
      labelNames: ["extension"],
      registers,
      collect() {
        this.reset();
        for (const status of extensions.status()) this.inc({ extension: status.name }, read(status));
      },
    });
  }
  new Gauge({
    name: "sparsewire_extension_running",
    help: "1 while it runs, 0 when it is suspended",
    labelNames: ["extension"],
    registers,
    collect() {
      for (const { name, status } of extensions.status())
        this.set({ extension: name }, status === "running" ? 1 : 0);
    },
  });
  new Counter({
    name: "sparsewire_extension_suspensions_total",
    help: "Times it was suspended, by cause",
    labelNames: ["extension", "cause"],
    registers,
    collect() {
      this.reset();
      for (const { name } of extensions.status()) {
        for (const cause of SUSPENSIONS) {
          this.inc({ extension: name, cause }, extensions.suspensions.get(`${name} ${cause}`) ?? 0);
        }
      }
    },
  });
}
