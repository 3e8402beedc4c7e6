import { readFileSync } from "node:fs";
import { cpus, release, totalmem } from "node:os";

/** One figure of one subject; `value` is null where it could not be had, and `note` says why. */
export interface Row {
  group: string;
  /** What is measured, e.g. "CPU at 1.0 Mpps". */
  what: string;
  /** Who is measured, e.g. "sparsewire: capture thread", "tcpdump". */
  subject: string;
  value: number | null;
  unit: string;
  note?: string;
}

/** What every row group is asked for. */
export interface BenchOptions {
  /** Seconds of one measurement where it is a matter of time. */
  seconds: number;
  /** Sizes and times so small that the figures mean nothing: proves that the bench works. */
  smoke: boolean;
  /** Run what takes minutes too. */
  long: boolean;
}

/** A row group: one file of bench/rows/. */
export interface RowGroup {
  name: string;
  /** One line for `--help`. */
  about: string;
  /** Only run with --long, or when it is named. */
  isLong?: boolean;
  run(options: BenchOptions, say: (progress: string) => void): Promise<Row[]>;
}

export interface Machine {
  cpu: string;
  cores: number;
  memory_gib: number;
  kernel: string;
  node: string;
  /** Load average of the last minute before the bench: figures of a busy machine are noisy. */
  load: number;
  date: string;
}

export function describeMachine(): Machine {
  const list = cpus();
  return {
    cpu: list[0]?.model ?? "unknown",
    cores: list.length,
    memory_gib: Math.round(totalmem() / 2 ** 30),
    kernel: release(),
    node: process.version,
    load: Number(readFileSync("/proc/loadavg", "utf8").split(" ")[0]),
    date: new Date().toISOString(),
  };
}

/** The table: one block a measurement, its subjects below one another. */
export function renderTable(machine: Machine, rows: readonly Row[]): string {
  const { cpu, cores, memory_gib, kernel, node, load } = machine;
  const lines = [
    `${cpu}, ${cores} cores, ${memory_gib} GiB, Linux ${kernel}, Node ${node}, load ${load.toFixed(2)} at the start`,
  ];
  const width = Math.max(0, ...rows.map((row) => row.subject.length));
  let heading = "";
  for (const row of rows) {
    const next = `${row.group}: ${row.what}`;
    if (next !== heading) lines.push("", next);
    heading = next;
    const figure = row.value === null ? "-" : formatFigure(row.value);
    const note = row.note === undefined ? "" : `  ${row.note}`;
    lines.push(
      `  ${row.subject.padEnd(width)}  ${figure.padStart(10)} ${row.unit.padEnd(10)}${note}`.trimEnd(),
    );
  }
  return `${lines.join("\n")}\n`;
}

/** Three significant digits below 1000, grouped thousands above. */
export function formatFigure(value: number): string {
  if (Math.abs(value) >= 1000) return Math.round(value).toLocaleString("en-US");
  return String(Number(value.toPrecision(3)));
}
