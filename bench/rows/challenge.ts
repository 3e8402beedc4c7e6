import { spawn, spawnSync } from "node:child_process";
import { randomBytes } from "node:crypto";
import { readFileSync, rmSync, statfsSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { repositoryRoot } from "../../test/live/tools/tool.js";
import { captureFileBytes, captureTruth, type FileDistribution, writeCaptureFile } from "../capture-file.js";
import { waitedChildrenCpuSeconds } from "../live/cpu.js";
import type { Row, RowGroup } from "../report.js";
import { TemporaryFolder } from "../temporary.js";

const MIB = 2 ** 20;
const SAMPLE_MS = 200;
const RANGES = "daemon/challenge/ranges-rfc1918-bogons.txt";
const binary = (): string => join(repositoryRoot(), "dist/daemon/cli/main.js");

/** The Graph Challenge's workflow, each step a process on one core; with --long also 2^26 packets through a pipe. */
export const challengeGroup: RowGroup = {
  name: "challenge",
  about:
    "Graph Challenge on one core: capture -> anonymised 2^17 matrices -> tars -> sum -> quantities by ranges",
  run: async ({ smoke, long }, say) => {
    using folder = new TemporaryFolder();
    const bits = smoke ? 15 : 24;
    const { bavail, bsize } = statfsSync(folder.path);
    if (bavail * bsize < captureFileBytes(2 ** bits) * 1.5) throw new Error("too little disk; set TMPDIR");
    const rows: Row[] = [];
    for (const distribution of ["zipf", "uniform"] as const) {
      say(`2^${bits} packets, ${distribution}`);
      rows.push(...workflow(folder, bits, distribution, smoke ? 1 : 3));
    }
    if (!long) return rows;
    const wide = smoke ? 18 : 26;
    say(`2^${wide} packets through a pipe`);
    return [...rows, ...(await piped(folder, wide))];
  },
};

/** The best of several runs of one step. */
class Step {
  seconds = Number.POSITIVE_INFINITY;
  cpuSeconds = Number.POSITIVE_INFINITY;
  output = "";

  constructor(readonly name: string) {}

  run(args: string[]): void {
    const [start, before] = [performance.now(), waitedChildrenCpuSeconds()];
    const done = spawnSync("taskset", ["-c", "0", process.execPath, binary(), ...args], { encoding: "utf8" });
    if (done.status !== 0) throw new Error(`${this.name}: ${done.stderr ?? done.error?.message}`);
    this.seconds = Math.min(this.seconds, (performance.now() - start) / 1000);
    this.cpuSeconds = Math.min(this.cpuSeconds, waitedChildrenCpuSeconds() - before);
    this.output = done.stdout;
  }
}

function workflow(
  folder: TemporaryFolder,
  bits: number,
  distribution: "uniform" | "zipf",
  rounds: number,
): Row[] {
  const packets = 2 ** bits;
  const [file, tars, key] = ["capture.pcap", "tars", "key"].map((name) => folder.file(name)) as [
    string,
    string,
    string,
  ];
  writeCaptureFile(file, packets, distribution);
  writeFileSync(key, `${randomBytes(32).toString("hex")}\n`, { mode: 0o600 });
  const ingest = ["ingest", file, "-o", tars, "--archive", "challenge"];
  const read = ["matrix", "quantities", tars, "--byte-order", "little", "--tsv"];
  const plain = new Step("capture to tars, clear");
  const anonymised = new Step("capture to tars, anonymised");
  const sum = new Step("tars to sum and quantities");
  const ranged = new Step("tars to sum and quantities by ranges");
  for (let round = 0; round < rounds; round++) {
    rmSync(tars, { recursive: true, force: true });
    plain.run(ingest);
    rmSync(tars, { recursive: true });
    anonymised.run([...ingest, "--anonymize", key]);
    sum.run(read);
    ranged.run([...read, "--ranges", join(repositoryRoot(), RANGES)]);
  }
  for (const path of [file, tars, key]) rmSync(path, { recursive: true });
  checkTruth(ranged.output, packets, distribution);
  const what = `2^${bits} packets of 64 bytes, ${distribution}, one core`;
  const row = (subject: string, seconds: number, cpuSeconds: number): Row => ({
    group: "challenge",
    what,
    subject,
    value: packets / seconds / 1e6,
    unit: "Mpps",
    note: `${(packets / cpuSeconds / 1e6).toFixed(1)} Mpps by CPU time`,
  });
  const steps = [plain, anonymised, sum, ranged].map((step) => row(step.name, step.seconds, step.cpuSeconds));
  const inAll = [anonymised.seconds + ranged.seconds, anonymised.cpuSeconds + ranged.cpuSeconds] as const;
  return [...steps, row("in all: anonymised, by ranges", ...inAll)];
}

/** The table's figures against those of the generator's arithmetic. */
function checkTruth(tsv: string, packets: number, distribution: "uniform" | "zipf"): void {
  const [names, values] = tsv.split("\n").map((line) => line.split("\t"));
  for (const [name, value] of Object.entries(captureTruth(packets, distribution))) {
    const found = values![names!.indexOf(name)];
    if (Number(found) !== value) throw new Error(`${name} is ${found}, not ${value}`);
  }
}

/** Generator | sparsewire ingest -: nothing touches the disk but the tars. */
async function piped(folder: TemporaryFolder, bits: number): Promise<Row[]> {
  const tars = folder.file("tars");
  const distribution: FileDistribution = "zipf";
  const writer = join(repositoryRoot(), "dist/bench/write-capture.js");
  const script = `"$0" "$1" /dev/stdout ${2 ** bits} ${distribution} | exec "$0" "$2" ingest - -o "$3" --archive challenge`;
  const start = performance.now();
  const shell = spawn("sh", ["-c", script, process.execPath, writer, binary(), tars], {
    stdio: ["ignore", "ignore", "inherit"],
  });
  const samples: number[] = [];
  const timer = setInterval(() => samples.push(residentMib(shell.pid!)), SAMPLE_MS);
  const code = await new Promise((resolve) => shell.once("close", resolve));
  clearInterval(timer);
  if (code !== 0) throw new Error(`the pipe ended with code ${code}`);
  const seconds = (performance.now() - start) / 1000;
  const read = new Step("sum");
  read.run(["matrix", "quantities", tars, "--byte-order", "little", "--tsv"]);
  checkTruth(read.output, 2 ** bits, distribution);
  const what = `2^${bits} packets through stdin, sums checked`;
  const row = (subject: string, value: number | null, unit: string): Row => ({
    group: "challenge",
    what,
    subject,
    value,
    unit,
  });
  const steady = samples.slice(Math.floor(samples.length / 4));
  const half = Math.floor(steady.length / 2);
  const mean = (values: number[]) =>
    values.length === 0 ? null : values.reduce((sum, value) => sum + value, 0) / values.length;
  return [
    row("generator and ingest", 2 ** bits / seconds / 1e6, "Mpps"),
    row("resident, highest", samples.length === 0 ? null : Math.max(...samples), "MiB"),
    row("resident, mean of the 2nd quarter and half of the 3rd", mean(steady.slice(0, half)), "MiB"),
    row("resident, mean of the rest", mean(steady.slice(half)), "MiB"),
    row("sum and quantities", 2 ** bits / read.seconds / 1e6, "Mpps"),
  ];
}

/** Resident memory of the ingest process: the child of the shell, or the shell itself once it has become it. */
function residentMib(shell: number): number {
  const pids = [shell, ...children(shell)];
  const ingest = pids.find((pid) => text(`/proc/${pid}/cmdline`).includes("\0ingest\0"));
  const kib = /^VmRSS:\s+(\d+)/m.exec(text(`/proc/${ingest}/status`))?.[1];
  return (Number(kib ?? 0) * 1024) / MIB;
}

function children(pid: number): number[] {
  return text(`/proc/${pid}/task/${pid}/children`).split(" ").filter(Boolean).map(Number);
}

function text(path: string): string {
  try {
    return readFileSync(path, "utf8");
  } catch {
    return "";
  }
}
