/**
 * The parts of a sensor that could hang, and what shows that each gets on. "Progress" means: every capture worker's
 * heart beats or it takes frames; intervals are sealed when they are due; matrices that wait are made; archives that
 * wait are written, or fail to be and are tried again; the shipper delivers, or waits as it decided to. An aggregator
 * that is away, a full disk and a line without a packet are no stalls; a loop that does not come round is.
 */
import type { Sign } from "../../lib/progress.js";
import { ControlView } from "../capture/control-view.js";
import type { Sensor } from "./sensor.js";

/** A matrix of tens of millions of links takes its time. */
const MATRIX_MS = 120_000;
/** A write and its fsync on a disk that is being worn out. */
const SPOOL_MS = 60_000;
/** On top of what is due: timers, a busy machine. */
const SLACK_MS = 10_000;

/** `watchdogMs`: within a third of it a capture worker must have moved. */
export function sensorSigns(sensor: Sensor, watchdogMs: number): Sign[] {
  const { config, source, pool, outbox, spool, shipper } = sensor;
  const signs: Sign[] = [];
  if (config.mode !== "pcap") {
    for (const [at, { heartbeat }] of source.vitals().entries()) {
      // A worker that is never out of frames does not rest, and only the rest is counted in its heartbeat.
      const count = heartbeat + framesOf(source.memories[at]);
      signs.push({ name: `capture worker ${at}`, count, withinMs: watchdogMs / 3 });
    }
    if (config.window_packets === 0) {
      // Twice: an interval during which the clock is set back is longer by up to one.
      const withinMs = (2 * Number(config.interval)) / 1e6 + SLACK_MS;
      signs.push({ name: "sealing of intervals", count: sensor.sealed, withinMs });
    }
  }
  if (pool !== undefined)
    signs.push({
      name: "matrix worker",
      count: pool.delivered,
      withinMs: MATRIX_MS,
      isIdle: pool.pending === 0,
    });
  if (outbox !== undefined)
    signs.push({ name: "spool", count: outbox.turns, withinMs: SPOOL_MS, isIdle: outbox.depth === 0 });
  if (shipper !== undefined && spool !== undefined)
    signs.push({
      name: "shipper",
      count: shipper.turns,
      withinMs: shipper.patienceMs + SLACK_MS,
      isIdle: spool.depth === 0,
    });
  return signs;
}

const views = new WeakMap<WebAssembly.Memory, ControlView>();

function framesOf(memory: WebAssembly.Memory | undefined): number {
  if (memory === undefined) return 0;
  let view = views.get(memory);
  if (view === undefined) views.set(memory, (view = new ControlView(memory)));
  return view.counters().frames;
}

const count = (value: number): string => value.toLocaleString("en-US");

/** The line that `systemctl status` shows. */
export function sensorStatusLine(sensor: Sensor): string {
  const { source, latest, sealed, spool, shipper } = sensor;
  const { effective } = source;
  const how = effective === null ? "" : `, ${effective.attach}, ${effective.bind}`;
  const parts = [`${sensor.config.mode} on ${source.name}${how}`, `${count(sealed)} intervals sealed`];
  if (latest !== undefined) {
    const { packets, start_ms, end_ms } = latest.status;
    parts.push(`${count(Math.round((packets * 1000) / Math.max(end_ms - start_ms, 1)))} packets/s`);
  }
  if (spool !== undefined && shipper !== undefined)
    parts.push(`${count(shipper.figures.acknowledged)} acknowledged, ${count(spool.depth)} in the spool`);
  return parts.join("; ");
}
