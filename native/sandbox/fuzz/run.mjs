#!/usr/bin/env node
/**
 * Builds a fuzz target natively with ASan, UBSan and libFuzzer, and runs it for a while:
 *
 *   node native/sandbox/fuzz/run.mjs --target file [--seconds 10] [--seed 1]
 *
 * TARGET_fuzz.c is linked with the sandbox's own sources; TARGET_seeds.mjs (if there is one) exports seeds(seed), the
 * inputs to start from. The corpus grows in native/sandbox/build/fuzz/TARGET. Exit code 0: nothing found; 1: a
 * finding, whose input and stack are printed; 2: usage; 5: the compiler or its run-time is not installed.
 */
import { spawnSync } from "node:child_process";
import { createHash } from "node:crypto";
import { existsSync, mkdirSync, readdirSync, readFileSync, writeFileSync } from "node:fs";
import { dirname, join } from "node:path";
import { fileURLToPath, pathToFileURL } from "node:url";
import { parseArgs } from "node:util";
import { fuzzerRuntime, toolchain } from "../../toolchain.mjs";

const here = dirname(fileURLToPath(import.meta.url));
const sandbox = dirname(here);
const FLAGS =
  "-g -O1 -std=c11 -DSW_NATIVE -D_GNU_SOURCE -Wall -fsanitize=fuzzer,address,undefined -fno-sanitize-recover=all".split(
    " ",
  );
const SECONDS_PER_INPUT_MAX = 10;

function usage(what) {
  const known = readdirSync(here).filter((name) => name.endsWith("_fuzz.c"));
  process.stderr.write(
    `fuzz: ${what}; targets: ${known.map((name) => name.replace("_fuzz.c", "")).join(", ")}\n`,
  );
  process.exit(2);
}

/** The program, rebuilt when a source has changed. */
function build(target) {
  const files = (folder, pattern) =>
    readdirSync(folder)
      .filter((name) => pattern.test(name))
      .map((name) => join(folder, name));
  const sources = files(sandbox, /\.c$/).filter((path) => !path.endsWith("/bench.c"));
  sources.push(join(here, `${target}_fuzz.c`));
  const headers = [...files(sandbox, /\.h$/), ...files(here, /\.h$/), join(sandbox, "build/abi.h")];
  const { clang, version, identity } = toolchain();
  if (fuzzerRuntime(clang) === undefined) {
    process.stderr.write(`fuzz: libFuzzer is not installed (libclang-rt-${version}-dev)\n`);
    process.exit(5);
  }
  const hash = createHash("sha256").update(FLAGS.join()).update(identity);
  for (const path of [...sources, ...headers]) hash.update(path).update(readFileSync(path));
  const folder = join(sandbox, "build/fuzz");
  mkdirSync(folder, { recursive: true });
  const program = join(folder, `${target}-${hash.digest("hex").slice(0, 16)}`);
  if (existsSync(program)) return program;
  const done = spawnSync(clang, [...FLAGS, ...sources, "-o", program], { cwd: sandbox, encoding: "utf8" });
  if (done.status !== 0) throw new Error(done.stderr);
  return program;
}

const { values } = parseArgs({
  options: {
    target: { type: "string" },
    seconds: { type: "string", default: process.env.SPARSEWIRE_FUZZ_SECONDS ?? "10" },
    seed: { type: "string", default: process.env.SPARSEWIRE_FUZZ_SEED ?? String(Date.now() % 2 ** 31) },
  },
});
if (values.target === undefined || !existsSync(join(here, `${values.target}_fuzz.c`))) usage("which target?");
if (!(Number(values.seconds) > 0) || !/^\d+$/.test(values.seed)) usage("--seconds and --seed are numbers");

const program = build(values.target);
const corpus = join(sandbox, "build/fuzz", values.target);
mkdirSync(corpus, { recursive: true });
const seedsModule = join(here, `${values.target}_seeds.mjs`);
if (existsSync(seedsModule)) {
  const { seeds } = await import(pathToFileURL(seedsModule).href);
  seeds(Number(values.seed)).forEach((input, i) => void writeFileSync(join(corpus, `seed-${i}`), input));
}
process.stdout.write(`fuzz: target ${values.target}, ${values.seconds} s, seed ${values.seed}\n`);
const run = spawnSync(
  program,
  [
    `-max_total_time=${Math.ceil(Number(values.seconds))}`,
    `-seed=${values.seed}`,
    `-timeout=${SECONDS_PER_INPUT_MAX}`,
    "-max_len=20000",
    "-rss_limit_mb=2048",
    "-print_final_stats=1",
    `-artifact_prefix=${corpus}-`,
    corpus,
  ],
  { encoding: "utf8", maxBuffer: 1 << 28 },
);
const lines = run.stderr.split("\n");
const runs = /number_of_executed_units: (\d+)/.exec(run.stderr)?.[1] ?? "?";
if (run.status === 0) process.stdout.write(`fuzz: ${runs} inputs, nothing found\n`);
else process.stderr.write(`${lines.slice(-60).join("\n")}\n`);
process.exit(run.status === 0 ? 0 : 1);
