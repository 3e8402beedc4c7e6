/** `sparsewire status`: what a running sensor says of itself, once. */
import type { Command } from "commander";
import { formatSize } from "../../lib/duration.js";
import { FRAME_REASONS } from "../../lib/reasons.js";
import type { IntervalStatus, SensorStatus } from "../sensor/status.js";
import { examples, type Result, withOutput } from "./command.js";
import { askControl, askStatus } from "./control.js";
import { dependabilityLines } from "./dependability-lines.js";
import { emit } from "./output.js";
import { privilegesText } from "./privileges-line.js";
import { sheddingLines } from "./sampled-text.js";
import { SOCKET_HELP, socketOf } from "./sockets.js";
import { grouped, pairs, short } from "./table.js";

interface Options {
  socket?: string;
  metrics?: boolean;
  output?: string;
  json?: boolean;
}

export function registerStatus(parent: Command, _result: Result): void {
  const command = parent
    .command("status")
    .description("ask the running sensor: mode, rates, drops, intervals, spool, shipping")
    .option("--socket <path>", SOCKET_HELP)
    .option("--metrics", "its Prometheus metrics instead")
    .action(async (options: Options) => {
      const socket = await socketOf(options.socket);
      if (options.metrics) {
        await emit(options.output, [await askControl(socket, "/metrics")]);
        return;
      }
      const status = await askStatus(socket);
      await emit(options.output, [
        options.json ? `${JSON.stringify(status, null, 1)}\n` : statusText(status),
      ]);
    });
  withOutput(command);
  examples(command, [
    ["sparsewire status", "for people"],
    ["sparsewire status --json | jq .drops", "for machines"],
  ]);
}

/** Names and values; drops and reasons only where they are not 0. */
export function statusText(status: SensorStatus): string {
  const { counters, drops, intervals, spool, ship } = status;
  const lost = Object.values(drops).reduce((total, count) => total + count, 0);
  const frames = counters.frames;
  const reasons = Object.fromEntries(FRAME_REASONS.map((reason) => [reason, counters[`frames_${reason}`]]));
  const entries: [string, string][] = [
    ["sensor", `${status.sensor} (run ${status.run}, pid ${status.pid}, ${status.software})`],
    ["state", `${status.ready ? "ready" : "starting"}, up ${ago(status.uptime_s)}`],
    ["capture", `${status.mode} on ${status.interface}${effectiveText(status)}`],
    ["addresses", addressesText(status.anonymization)],
    ["frames", `${grouped(frames)} = ${nonZero(reasons)}`],
    ["packets", `${grouped(counters.packets)} counted, ${formatSize(counters.packet_bytes)}`],
    ["drops", lost === 0 ? "0" : `${grouped(lost)} of ${grouped(frames + lost)} offered: ${nonZero(drops)}`],
    ...sheddingLines(status),
    ...forwardLines(status),
    ...hostLines(status),
    ...extensionLines(status),
    ["last interval", status.last_interval === null ? "none yet" : intervalText(status.last_interval)],
    ["intervals", intervalsText(intervals)],
    ["cpu", cpuText(status)],
    [
      "memory",
      `${formatSize(status.process.resident_bytes)} resident, matrices ${formatSize(status.matrix.memory_bytes)}`,
    ],
  ];
  if (spool !== null) entries.push(["spool", spoolText(spool)]);
  if (ship !== null) entries.push(["ships to", shipText(ship)]);
  if (ship?.lastError) entries.push(["ship error", ship.lastError]);
  if (status.dependability !== null) entries.push(...dependabilityLines(status.dependability));
  entries.push(["privileges", privilegesText(status.privileges)]);
  if (status.metrics_url !== null) entries.push(["metrics", status.metrics_url]);
  return pairs(entries);
}

/** Mode inline: a line per direction. */
function hostLines({ host }: SensorStatus): [string, string][] {
  if (host === null || host === undefined) return [];
  const side = ({ packets, bytes }: { packets: number; bytes: number }) =>
    `${grouped(packets)} packets, ${formatSize(bytes)}`;
  return host.interfaces.map(({ name, attach, directions, figures }) => {
    const sides = directions.map((direction) => `${direction} ${side(figures[direction])}`);
    return [name, `${attach}: ${sides.join("; ")}`];
  });
}

function extensionLines({ extensions = [], counters }: SensorStatus): [string, string][] {
  return extensions.map(
    ({ name, status, reason, frames, missed, rows, rows_lost, labels_lost, shed, cpu_ns }) => {
      const cost =
        frames === 0 || counters.frames === 0 ? "" : `, ${(cpu_ns / frames).toFixed(1)} ns a frame`;
      const lost =
        (rows_lost === 0 ? "" : `, ${grouped(rows_lost)} rows lost`) +
        (labels_lost === 0 ? "" : `, ${grouped(labels_lost)} labels lost`) +
        (shed === 0 ? "" : `, left out of ${grouped(shed)} intervals`);
      const state = status === "suspended" ? `suspended (${reason ?? ""})` : status;
      return [
        `ext ${name}`,
        `${state}, ${grouped(frames)} frames, ${grouped(missed)} missed, ${grouped(rows)} rows${lost}${cost}`,
      ];
    },
  );
}

function forwardLines({ forward }: SensorStatus): [string, string][] {
  return (forward ?? []).map(({ from, to, frames, forwarded, diverted, dropped }) => {
    const lost = Object.values(dropped).reduce((total, count) => total + count, 0);
    const aside = diverted === 0 ? "" : `, ${grouped(diverted)} diverted`;
    const drops = lost === 0 ? "none dropped" : `dropped ${nonZero(dropped)}`;
    return [`${from} > ${to}`, `${grouped(forwarded)} of ${grouped(frames)} forwarded${aside}, ${drops}`];
  });
}

export function effectiveText({ effective }: Pick<SensorStatus, "effective">): string {
  if (effective === null) return "";
  const { attach, bind, queues } = effective;
  if (bind === "ringbuf") return `, ${attach}, ${queues} ring buffer${queues === 1 ? "" : "s"}`;
  return `, ${attach} XDP, ${bind === "zerocopy" ? "zero-copy" : "copy"}, ${queues} queue${queues === 1 ? "" : "s"}`;
}

function addressesText({ scheme, key_id }: SensorStatus["anonymization"]): string {
  if (scheme === "none") return "clear";
  return `anonymised, ${scheme}${key_id === null ? "" : `, key ${key_id}`}`;
}

function intervalText(interval: IntervalStatus): string {
  const seconds = Math.max((interval.end_ms - interval.start_ms) / 1000, 1e-3);
  const links = Object.entries(interval.quantities)
    .filter(([matrix]) => matrix.endsWith(".packets"))
    .reduce((total, [, quantities]) => total + (quantities?.n_links ?? 0), 0);
  return (
    `#${interval.sequence}, ${short(interval.packets / seconds)} packets/s, ` +
    `${short((interval.bytes * 8) / seconds)}bit/s, ${grouped(links)} links, sealed by ${interval.sealed_by}`
  );
}

function intervalsText({ sealed, lost, lag_s }: SensorStatus["intervals"]): string {
  const gone = Object.values(lost).reduce((total, count) => total + count, 0);
  const lag = lag_s === null ? "" : `, lag ${lag_s.toFixed(1)} s`;
  return `${grouped(sealed)} sealed, ${gone === 0 ? "none lost" : `${grouped(gone)} lost: ${nonZero(lost)}`}${lag}`;
}

function cpuText({ workers, matrix, process: whole, counters }: SensorStatus): string {
  const capture = workers.reduce((total, { cpu_ns }) => total + cpu_ns, 0);
  const each = (ns: number) => (counters.frames === 0 ? "-" : `${(ns / counters.frames).toFixed(0)} ns`);
  return `${each(capture)} a frame capture, ${each(matrix.cpu_ns)} matrices, ${each(whole.cpu_ns)} whole process`;
}

function spoolText({ depth, bytes, path, set_aside }: NonNullable<SensorStatus["spool"]>): string {
  const aside = set_aside > 0 ? `, ${grouped(set_aside)} set aside` : "";
  return `${grouped(depth)} intervals, ${formatSize(bytes)}${aside}, ${path}`;
}

function shipText(ship: NonNullable<SensorStatus["ship"]>): string {
  const figures = Object.entries(ship).filter(
    ([key, value]) => key !== "target" && typeof value === "number",
  );
  return [ship.target, ...figures.map(([key, value]) => `${key} ${grouped(value as number)}`)].join(", ");
}

function nonZero(counts: Record<string, number>): string {
  const some = Object.entries(counts).filter(([, count]) => count > 0);
  return some.length === 0 ? "0" : some.map(([name, count]) => `${name} ${grouped(count)}`).join(", ");
}

function ago(seconds: number): string {
  const whole = Math.floor(seconds);
  const [days, hours, minutes] = [
    Math.floor(whole / 86400),
    Math.floor(whole / 3600) % 24,
    Math.floor(whole / 60) % 60,
  ];
  return [days && `${days}d`, hours && `${hours}h`, minutes && `${minutes}m`, `${whole % 60}s`]
    .filter(Boolean)
    .join(" ");
}
