// Builds build/graphblas.wasm: our C sources and upstream ZSTD, with clang-16 and wasm-ld-16. Objects whose sources and
// flags are unchanged are kept. The same sources give the same bytes, wherever they lie.
import { execFile } from "node:child_process";
import { createHash } from "node:crypto";
import { existsSync, mkdirSync, readdirSync, readFileSync, rmSync, writeFileSync } from "node:fs";
import { availableParallelism } from "node:os";
import { basename, dirname, join, relative } from "node:path";
import { fileURLToPath } from "node:url";
import { promisify } from "node:util";

const run = promisify(execFile);
const root = dirname(fileURLToPath(import.meta.url));
const source = join(root, "src");
const build = join(root, "build");
const output = join(build, "graphblas.wasm");

/** The nearest node_modules/zstd-napi above this package: the package carries upstream ZSTD's C sources. */
function zstdLibrary() {
  for (let folder = root; ; folder = dirname(folder)) {
    const found = join(folder, "node_modules/zstd-napi/deps/zstd/lib");
    if (existsSync(join(found, "zstd.h"))) return found;
    if (folder === dirname(folder)) {
      console.error("graphblas-wasm: the sources of ZSTD are missing (node_modules/zstd-napi); run npm ci");
      process.exit(1);
    }
  }
}

const zstd = zstdLibrary();
const common = [
  "--target=wasm32",
  "-std=c11",
  "-O3",
  "-nostdlib",
  "-ffreestanding",
  "-msimd128",
  "-fno-ident",
  "-fvisibility=hidden",
  "-isystem",
  join(source, "libc"),
  "-I",
  source,
  "-I",
  zstd,
  `-ffile-prefix-map=${root}=.`,
  `-ffile-prefix-map=${zstd}=zstd`,
];
const ours = [...common, "-mbulk-memory", "-Wall", "-Wextra", "-Werror"];
// Without bulk-memory instructions, ZSTD's many short copies call our memcpy, which does not leave the module for them.
const theirs = [
  ...common,
  "-mno-bulk-memory",
  "-w",
  "-DXXH_NAMESPACE=ZSTD_",
  "-DZSTD_LEGACY_SUPPORT=0",
  "-DZSTD_DISABLE_ASM=1",
  "-DDYNAMIC_BMI2=0",
  "-DZSTD_TRACE=0",
  "-DZSTD_STRIP_ERROR_STRINGS=1",
];

const cFiles = (folder) =>
  readdirSync(folder)
    .filter((name) => name.endsWith(".c"))
    .sort()
    .map((name) => join(folder, name));
// These use threads or are not needed by a single-threaded library.
const unused = new Set(["zstdmt_compress.c", "threading.c", "pool.c", "debug.c"]);
const units = [
  ...cFiles(source).map((file) => ({ file, flags: ours })),
  ...cFiles(join(source, "libc")).map((file) => ({ file, flags: [...ours, "-fno-builtin"] })),
  ...["common", "compress", "decompress"]
    .flatMap((part) => cFiles(join(zstd, part)))
    .filter((file) => !unused.has(basename(file)))
    .map((file) => ({ file, flags: theirs })),
];

/** A digest of everything that an object of this folder could include. */
function headersDigest(folder) {
  const hash = createHash("sha256");
  const headers = readdirSync(folder, { recursive: true })
    .map(String)
    .filter((name) => name.endsWith(".h"))
    .sort();
  for (const name of headers) hash.update(name).update(readFileSync(join(folder, name)));
  return hash.digest("hex");
}

const headers = { ours: headersDigest(source), zstd: headersDigest(zstd) };

async function compile({ file, flags }) {
  const inZstd = file.startsWith(zstd);
  const name = inZstd ? `zstd-${basename(file)}` : relative(source, file).replaceAll("/", "-");
  const object = join(build, name.replace(/\.c$/, ".o"));
  const stamp = createHash("sha256");
  for (const part of [...flags, headers.ours, inZstd ? headers.zstd : "", readFileSync(file)])
    stamp.update(part).update("\0");
  const digest = stamp.digest("hex");
  const stampFile = `${object}.stamp`;
  if (existsSync(object) && existsSync(stampFile) && readFileSync(stampFile, "utf8") === digest)
    return { object, fresh: false };
  rmSync(stampFile, { force: true });
  await run("clang-16", [...flags, "-c", file, "-o", object]);
  writeFileSync(stampFile, digest);
  return { object, fresh: true };
}

async function compileAll() {
  const queue = [...units.entries()];
  const results = new Array(units.length);
  const worker = async () => {
    for (let next = queue.shift(); next; next = queue.shift()) results[next[0]] = await compile(next[1]);
  };
  await Promise.all(Array.from({ length: availableParallelism() }, worker));
  return results;
}

mkdirSync(build, { recursive: true });
try {
  const results = await compileAll();
  if (existsSync(output) && results.every((result) => !result.fresh)) process.exit(0);
  rmSync(output, { force: true }); // a failed link must not leave the old module behind
  await run("wasm-ld-16", [
    "--no-entry",
    "--import-memory",
    "-O2",
    "--strip-all",
    "--gc-sections",
    "-z",
    "stack-size=131072",
    "--stack-first",
    ...results.map((result) => result.object),
    "-o",
    output,
  ]);
} catch (error) {
  console.error(`graphblas-wasm: ${error.stderr || error.message}`);
  process.exit(1);
}
