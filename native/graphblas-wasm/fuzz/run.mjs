// Builds and runs the native fuzzer of the `.grb` reader: node fuzz/run.mjs [--seconds N] [--seed S]
// Needs the run-time of the clang in use (libclang-rt-NN-dev), and the package built (build.mjs, tsc) for its seed blobs.
import { spawnSync } from "node:child_process";
import { existsSync, mkdirSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { parseArgs } from "node:util";
import { toolchain } from "../../toolchain.mjs";
import { cFiles, compileAll, root, run, source, zstd, zstdFiles, zstdFlags } from "../compile.mjs";

const { values } = parseArgs({ options: { seconds: { type: "string" }, seed: { type: "string" } } });
const seconds = Number(values.seconds ?? process.env.SPARSEWIRE_FUZZ_SECONDS ?? 60);
const seed = Number(values.seed ?? process.env.SPARSEWIRE_FUZZ_SEED ?? (Date.now() % 1_000_000) + 1);
const folder = join(root, "build/fuzz");
const corpus = join(folder, "corpus");
const target = join(folder, "blob_fuzz");

async function build() {
  const common = ["-std=c11", "-O1", "-g", "-I", source, "-I", zstd];
  const sanitize = ["-fsanitize=address,undefined,fuzzer-no-link", "-fno-sanitize-recover=all"];
  const units = [
    ...[...cFiles(source), join(root, "fuzz/blob_fuzz.c")].map((file) => ({
      file,
      flags: [...common, ...sanitize, "-Wall", "-Wextra"],
    })),
    ...zstdFiles().map((file) => ({
      file,
      flags: [...common, "-fsanitize=address,fuzzer-no-link", ...zstdFlags],
    })),
  ];
  const { objects, fresh } = await compileAll(units, folder);
  if (!fresh && existsSync(target)) return;
  await run(toolchain().clang, ["-fsanitize=address,undefined,fuzzer", ...objects, "-o", target]);
}

/** Blobs to start from: of both types, of several shapes and methods; from native SuiteSparse too, where it is installed. */
async function seeds() {
  mkdirSync(corpus, { recursive: true });
  const { load } = await import("../dist/lib/index.js");
  const { distinct, Random, randomTuples } = await import("../dist/test/cases.js");
  const { Oracle, oracleMissing } = await import("../dist/test/oracle.js");
  const gb = await load();
  const oracle = oracleMissing ? undefined : new Oracle();
  const random = new Random(1);
  for (let k = 0; k < 60; k++) {
    const tuples = distinct(randomTuples(random, k));
    const { type, nrows, ncols, I, J, X } = tuples;
    const matrix = gb.build(type, nrows, ncols, I, J, X, null);
    writeFileSync(join(corpus, `ours-${k}`), matrix.serialize(k % 2 ? {} : { compression: "none" }));
    if (!oracle) continue;
    const method = BigInt.asUintN(64, [-1n, 1000n, 2009n, 3001n][k % 4]);
    const sparsity = nrows * ncols < 4096n ? [1n, 2n, 4n, 8n][(k >> 2) % 4] : 0n;
    const facts = BigUint64Array.from([
      type === "UINT32" ? 7n : 9n,
      nrows,
      ncols,
      method,
      BigInt(k & 1),
      0n,
      sparsity,
    ]);
    const { arrays } = await oracle.ask("S", [facts, I, J, X]);
    writeFileSync(join(corpus, `native-${k}`), arrays[0]);
  }
  await oracle?.end();
  directFrames(gb);
}

/** ZSTD frames of noise, which the writer and the reader have a short cut for: the blob cut where a frame begins. */
function directFrames(gb) {
  const columns = BigUint64Array.from(
    { length: 900 },
    (_, k) => BigInt(k) * 4_000_037n + BigInt((k * 7919) % 1000),
  );
  const rows = columns.map((column) => column >> 9n);
  const blob = Buffer.from(gb.build("UINT64", 1n << 32n, 1n << 32n, rows, columns, columns).serialize());
  const head = Buffer.from([0x28, 0xb5, 0x2f, 0xfd, 0xa0]);
  for (let at = blob.indexOf(head); at >= 0; at = blob.indexOf(head, at + 1)) {
    const next = blob.indexOf(head, at + 1);
    writeFileSync(join(corpus, `frame-${at}`), blob.subarray(at, next < 0 ? blob.length : next));
  }
}

try {
  await build();
  await seeds();
} catch (error) {
  console.error(`blob_fuzz: ${error.stderr || error.message}`);
  process.exit(1);
}
console.log(`blob_fuzz: seed ${seed}, ${seconds} s`);
const flags = [
  `-max_total_time=${seconds}`,
  `-seed=${seed}`,
  "-max_len=65536",
  "-timeout=5",
  "-rss_limit_mb=1500",
];
const artifacts = `-artifact_prefix=${folder}/`;
const { status, stderr } = spawnSync(
  target,
  [...flags, artifacts, "-print_final_stats=1", "-verbosity=0", corpus],
  {
    encoding: "utf8",
    maxBuffer: 64 << 20,
  },
);
const executed = /number_of_executed_units: (\d+)/.exec(stderr)?.[1];
if (status === 0) console.log(`blob_fuzz: ${executed} blobs, no fault`);
else console.error(stderr);
process.exit(status === 0 ? 0 : 1);
