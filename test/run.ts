/**
 * Runs every test of the repository with Node's own runner: first those that need no machine (in parallel), then
 * the live ones (*.live.test.js: namespaces, sockets, real crashes) one after the other. `node dist/test/run.js
 * [PATTERN]...` runs the files whose path contains a pattern.
 */
import { spawn } from "node:child_process";
import { existsSync, readdirSync } from "node:fs";
import { availableParallelism } from "node:os";
import { join } from "node:path";
import { fileURLToPath } from "node:url";

const root = fileURLToPath(new URL("../..", import.meta.url));
const FOLDERS = ["dist/test", "native/xdp-node/dist/test", "native/graphblas-wasm/dist/test"];

function testFiles(): string[] {
  const patterns = process.argv.slice(2);
  return FOLDERS.filter((folder) => existsSync(join(root, folder)))
    .flatMap((folder) =>
      readdirSync(join(root, folder), { recursive: true, encoding: "utf8" }).map((name) =>
        join(folder, name),
      ),
    )
    .filter(
      (path) =>
        path.endsWith(".test.js") &&
        existsSync(join(root, path.replace("dist/", "").replace(/\.js$/, ".ts"))),
    )
    .filter((path) => patterns.length === 0 || patterns.some((pattern) => path.includes(pattern)))
    .sort();
}

interface Tally {
  passed: number;
  failed: number;
  skipped: number;
  /** Files with a failed test. */
  failedFiles: string[];
}

/** Runs files with Node's runner; its report streams through, its closing figures are read off it. */
async function runFiles(files: string[], concurrency: number): Promise<Tally> {
  if (files.length === 0) return { passed: 0, failed: 0, skipped: 0, failedFiles: [] };
  const args = [
    "--test",
    `--test-concurrency=${concurrency}`,
    "--test-timeout=300000",
    "--test-reporter=spec",
  ];
  const child = spawn(process.execPath, [...args, ...files], {
    cwd: root,
    stdio: ["ignore", "pipe", "inherit"],
  });
  let figures = "";
  child.stdout.setEncoding("utf8").on("data", (chunk: string) => {
    process.stdout.write(chunk);
    figures = (figures + chunk).slice(-1_000_000);
  });
  const status = await new Promise<number | null>((resolve) => child.once("close", resolve));
  const count = (label: string): number =>
    Number(new RegExp(`^ℹ ${label} (\\d+)$`, "m").exec(figures)?.[1] ?? 0);
  const failed = count("fail") + count("cancelled");
  return {
    passed: count("pass"),
    failed: failed === 0 && status !== 0 ? 1 : failed,
    skipped: count("skipped"),
    failedFiles: files.filter((path) => figures.includes(`test at ${path}:`)),
  };
}

/**
 * Runs a phase; files that failed run once more, alone, and loudly: what tests real time, sockets and a kernel can be
 * disturbed by its neighbours. What fails twice has failed.
 */
async function runPhase(files: string[], concurrency: number): Promise<Tally> {
  const first = await runFiles(files, concurrency);
  if (first.failed === 0 || first.failedFiles.length === 0) return first;
  process.stdout.write(`\nAGAIN, alone, because they failed: ${first.failedFiles.join(" ")}\n\n`);
  const second = await runFiles(first.failedFiles, 1);
  disturbed.push(...first.failedFiles.filter((path) => !second.failedFiles.includes(path)));
  return { ...first, passed: first.passed + first.failed - second.failed, failed: second.failed };
}

const disturbed: string[] = [];

const files = testFiles();
const live = files.filter((path) => path.endsWith(".live.test.js"));
const others = files.filter((path) => !live.includes(path));
const tallies = [await runPhase(others, availableParallelism()), await runPhase(live, 1)];
const total = tallies.reduce((sum, tally) => ({
  passed: sum.passed + tally.passed,
  failed: sum.failed + tally.failed,
  skipped: sum.skipped + tally.skipped,
  failedFiles: [],
}));
if (disturbed.length > 0) process.stdout.write(`\nfailed once, passed alone: ${disturbed.join(" ")}\n`);
process.stdout.write(`\n${total.passed} passed, ${total.failed} failed, ${total.skipped} skipped\n`);
process.exit(total.failed > 0 || total.passed === 0 ? 1 : 0);
