/**
 * Extensions with a section at its extremes (test/extension/extremes.ts) beside a healthy one: whatever becomes of them,
 * every frame is counted, the healthy one's matrix is exact, and memory stays within what footprint.ts promises.
 * `node dist/test/live/extension-extremes.js --modules 200 [--seed N]` runs the long version, `extension check` included.
 */
import assert from "node:assert/strict";
import { spawnSync } from "node:child_process";
import { mkdtempSync, readFileSync, rmSync, writeFileSync } from "node:fs";
import { cpus, loadavg, tmpdir } from "node:os";
import { join } from "node:path";
import { parseArgs } from "node:util";
import { generate } from "../../bench/generator/generator.js";
import { footprintMax } from "../../daemon/extension/footprint.js";
import { extensionsOf } from "../../daemon/extension/settings.js";
import { type Extreme, extremeOf } from "../extension/extremes.js";
import { example } from "../extension/modules.js";
import { Random } from "../pcap/fuzz.js";
import { archivesIn, CLI, exportLinks, Rig } from "./rig.js";

const FRAMES = 100_000;
const RATE = 100_000;
const FRAME_BYTES = 60;
/** Most that capture may stand still, ms. */
export const PAUSE_MS = 50;
/** One thread of the host each, and the healthy one: a sensor takes 8. */
export const GROUP = 7;
/** Each may take seconds of the processor to be refused. */
const START_MS = 180_000;
const SETTLE_MS = 30_000;

export interface ExtremesReport {
  /** Kind, and what became of it. */
  outcomes: string[];
  pauseMs: number;
  /** Most resident memory of the sensor beyond one without these extensions, bytes. */
  takenBytes: number;
  /** Whether there were more threads than processors: pauses, and what the healthy one missed, say nothing then. */
  isBusy: boolean;
}

/** Most resident memory of a sensor with the healthy extension alone, under the same frames, bytes. */
export async function residentAlone(): Promise<number> {
  return withRig("", async (rig) => {
    const report = await generate(rig.sender, "tx0", { count: FRAMES, rate: RATE, seed: 7 });
    await rig.statusWhen(({ counters }) => counters.frames >= report.frames, SETTLE_MS);
    return residentMost(rig);
  });
}

/** A sensor with at most GROUP such extensions; rejects when anything else notices them. */
export async function runGroup(group: readonly Extreme[], alone: number): Promise<ExtremesReport> {
  const folder = mkdtempSync(join(tmpdir(), "sparsewire-ext-"));
  try {
    const files = group.map(({ kind, bytes }, i) => {
      const file = join(folder, `${kind}-${i}.wasm`);
      writeFileSync(file, bytes);
      return file;
    });
    const tables = files.map((file, i) => table(`${group[i]!.kind}-${i}`, file)).join("\n");
    return await withRig(tables, (rig) => observe(rig, group, files, alone));
  } finally {
    rmSync(folder, { recursive: true, force: true });
  }
}

async function observe(
  rig: Rig,
  group: readonly Extreme[],
  files: readonly string[],
  alone: number,
): Promise<ExtremesReport> {
  const report = await generate(rig.sender, "tx0", { count: FRAMES, rate: RATE, seed: 7 });
  const status = await rig.statusWhen(({ counters }) => counters.frames >= report.frames, SETTLE_MS);
  const takenBytes = residentMost(rig) - alone;
  const isBusy = loadavg()[0]! > 1.5 * cpus().length;
  assert.equal(await rig.stop(), 0, rig.log);
  assert.equal(status.counters.frames, report.frames, "every frame is counted");
  const outcomes = status.extensions!.slice(0, group.length).map(({ name, status: how, reason }) => {
    assert.match(`${how} ${reason}`, /^(running null|suspended [a-z]+: \S.*)$/s, name);
    if (how === "suspended")
      assert.equal(
        rig.log.split(`extension ${name} is suspended`).length,
        2,
        `${name} is told once: ${rig.log}`,
      );
    return `${name}: ${reason ?? how}`;
  });
  const promised = extensionsOf(files).reduce((sum, settings) => sum + footprintMax(settings), 0);
  assert.ok(takenBytes <= promised, `it took ${takenBytes} bytes, ${promised} are promised`);
  checkHealthy(rig, isBusy);
  const pauseMs = Math.max(...status.workers.map(({ pause_ms = 0 }) => pause_ms));
  return { outcomes, pauseMs, takenBytes, isBusy };
}

function checkHealthy(rig: Rig, isBusy: boolean): void {
  const manifests = rig.manifests();
  for (const { frames, extensions } of manifests) {
    for (const [name, record] of Object.entries(extensions!))
      assert.equal(record.frames + record.missed, frames, `${name}: seen + missed = frames`);
  }
  const whole = archivesIn(rig.spool).filter((_, i) => manifests[i]!.extensions!.healthy!.missed === 0);
  assert.ok(isBusy || whole.length === manifests.length, "the healthy one missed frames");
  const links = sumOf(exportLinks(whole, 4), 3);
  assert.deepEqual(sumOf(rig.extensionLines("healthy", whole), 2), links, "its matrix is exact");
  const total = [...sumOf(rig.links(4), 3).values()].reduce((sum, bytes) => sum + bytes, 0);
  assert.equal(total, FRAMES * FRAME_BYTES, "the links are exact");
}

async function withRig<T>(tables: string, use: (rig: Rig) => Promise<T>): Promise<T> {
  const rig = new Rig({ tables: `${tables}\n${table("healthy", example("template"))}`, startMs: START_MS });
  try {
    await rig.start();
    return await use(rig);
  } finally {
    await rig.stop().catch(() => undefined);
    rig.close();
  }
}

const table = (name: string, file: string): string => `[[extension]]\nname = "${name}"\nfile = "${file}"\n`;

function residentMost(rig: Rig): number {
  const status = readFileSync(`/proc/${rig.child!.pid}/status`, "latin1");
  return 1024 * Number(/^VmHWM:\s+(\d+) kB$/m.exec(status)![1]);
}

function sumOf(lines: string[], column: number): Map<string, number> {
  const sums = new Map<string, number>();
  for (const line of lines) {
    const cells = line.split(",");
    sums.set(cells[0]!, (sums.get(cells[0]!) ?? 0) + Number(cells[column]));
  }
  return new Map([...sums].sort());
}

/** `sparsewire extension check` of one: exit code 0, or 3 with one clear line for each fault. */
export function checkByCommand({ kind, bytes }: Extreme, folder: string): string {
  const file = join(folder, `${kind}.wasm`);
  writeFileSync(file, bytes);
  const done = spawnSync(process.execPath, [CLI, "extension", "check", file], { encoding: "utf8" });
  assert.ok(done.status === 0 || done.status === 3, `${kind}: ${done.status} ${done.signal} ${done.stderr}`);
  if (done.status === 0) return "ok";
  const lines = `${done.stdout}${done.stderr}`.trimEnd().split("\n");
  for (const line of lines) assert.match(line, new RegExp(`\\b${kind}.wasm:? \\S`), kind);
  return lines.length === 1 ? "one line" : "several lines";
}

async function campaign(modules: number, seed: number): Promise<void> {
  const random = new Random(seed);
  const folder = mkdtempSync(join(tmpdir(), "sparsewire-ext-"));
  const alone = await residentAlone();
  const all = { modules: 0, running: 0, suspended: 0, pauses: [] as number[], taken: 0 };
  try {
    while (all.modules < modules) {
      const group = Array.from({ length: Math.min(GROUP, modules - all.modules) }, (_, i) =>
        extremeOf(random, all.modules + i),
      );
      for (const extreme of group) checkByCommand(extreme, folder);
      const { outcomes, pauseMs, takenBytes, isBusy } = await runGroup(group, alone);
      all.modules += group.length;
      all.running += outcomes.filter((outcome) => outcome.endsWith(": running")).length;
      all.taken = Math.max(all.taken, takenBytes);
      all.pauses.push(pauseMs);
      const said = `${pauseMs.toFixed(1)} ms${isBusy ? " (busy)" : ""}, ${takenBytes >> 20} MiB`;
      process.stdout.write(`${all.modules}: ${said}\n${outcomes.map((each) => `  ${each}\n`).join("")}`);
    }
  } finally {
    rmSync(folder, { recursive: true, force: true });
  }
  const pause = Math.max(...all.pauses).toFixed(1);
  process.stdout.write(
    `seed ${seed}: ${all.modules} modules, ${all.running} running to the end; capture stood still for ${pause} ms at most; ` +
      `${all.taken >> 20} MiB more at most\n`,
  );
}

if (process.argv[1]?.endsWith("extension-extremes.js")) {
  const { values } = parseArgs({ options: { modules: { type: "string" }, seed: { type: "string" } } });
  await campaign(Number(values.modules ?? 200), Number(values.seed ?? Date.now() % 1e9));
}
