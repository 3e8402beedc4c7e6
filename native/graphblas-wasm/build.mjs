// Builds build/graphblas.wasm: our C sources and upstream ZSTD, with the clang of ../toolchain.mjs. Run it after npm ci; when
// nothing has changed it does nothing. The same sources and compiler give the same bytes, wherever they lie.
import { existsSync, rmSync } from "node:fs";
import { basename, join } from "node:path";
import { toolchain, WASM_FEATURES, warningFlags } from "../toolchain.mjs";
import { cFiles, compileAll, root, run, source, zstd, zstdFiles, zstdFlags } from "./compile.mjs";

const build = join(root, "build");
const output = join(build, "graphblas.wasm");
const libc = join(source, "libc");

const common = [
  "--target=wasm32",
  "-std=c11",
  "-O3",
  "-nostdlib",
  "-ffreestanding",
  ...WASM_FEATURES,
  "-msimd128",
  "-fno-ident",
  "-fvisibility=hidden",
  ...["-isystem", libc, "-I", source, "-I", zstd],
  `-ffile-prefix-map=${root}=.`,
  `-ffile-prefix-map=${zstd}=zstd`,
];
const ours = [...common, ...warningFlags()];
// Without bulk-memory instructions, ZSTD's many short copies call our memcpy, which does not leave the module for them.
const theirs = [...common, "-mno-bulk-memory", ...zstdFlags];
// The match finders of levels above 2 are a third of the module at -O3; nobody waits for them who asks for those levels.
const small = [...theirs, "-Os"];
const seldom = new Set([
  "zstd_lazy.c",
  "zstd_opt.c",
  "zstd_double_fast.c",
  "zstd_ldm.c",
  "zstd_compress_superblock.c",
]);

const units = [
  ...cFiles(source).map((file) => ({ file, flags: ours })),
  ...cFiles(libc).map((file) => ({ file, flags: [...ours, "-fno-builtin"] })),
  ...zstdFiles().map((file) => ({ file, flags: seldom.has(basename(file)) ? small : theirs })),
];
const link =
  "--no-entry --import-memory -O2 --strip-all --gc-sections -z stack-size=131072 --stack-first".split(" ");

try {
  const { objects, fresh } = await compileAll(units, build);
  if (fresh || !existsSync(output)) {
    rmSync(output, { force: true }); // a failed link must not leave the old module behind
    await run(toolchain().wasmLd, [...link, ...objects, "-o", output]);
  }
} catch (error) {
  console.error(`graphblas-wasm: ${error.stderr || error.message}`);
  process.exit(1);
}
