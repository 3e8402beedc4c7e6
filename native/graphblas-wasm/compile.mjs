// Compiling C sources in parallel, keeping objects whose sources and flags are unchanged. Used by build.mjs and fuzz/run.mjs.
import { execFile } from "node:child_process";
import { createHash } from "node:crypto";
import { existsSync, mkdirSync, readdirSync, readFileSync, rmSync, writeFileSync } from "node:fs";
import { availableParallelism } from "node:os";
import { basename, dirname, join, relative } from "node:path";
import { fileURLToPath } from "node:url";
import { promisify } from "node:util";
import { toolchain } from "../toolchain.mjs";

export const run = promisify(execFile);
export const root = dirname(fileURLToPath(import.meta.url));
export const source = join(root, "src");
export const zstd = zstdLibrary();

/** The nearest node_modules/zstd-napi above this package: that package carries upstream ZSTD's C sources. */
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

export function cFiles(folder) {
  const names = readdirSync(folder).filter((name) => name.endsWith(".c"));
  return names.sort().map((name) => join(folder, name));
}

/** ZSTD's sources, without those that only threads, dictionaries or debugging need. */
export function zstdFiles() {
  const unused = new Set(["zstdmt_compress.c", "threading.c", "pool.c", "debug.c"]);
  const all = ["common", "compress", "decompress"].flatMap((part) => cFiles(join(zstd, part)));
  return all.filter((file) => !unused.has(basename(file)));
}

export const zstdFlags = [
  "-w",
  "-DXXH_NAMESPACE=ZSTD_",
  "-DZSTD_LEGACY_SUPPORT=0",
  "-DZSTD_DISABLE_ASM=1",
  "-DDYNAMIC_BMI2=0",
  "-DZSTD_TRACE=0",
  "-DZSTD_STRIP_ERROR_STRINGS=1",
];

/** A digest of every header that an object could include. */
function headersDigest() {
  const hash = createHash("sha256");
  for (const folder of [source, zstd]) {
    const names = readdirSync(folder, { recursive: true }).map(String);
    for (const name of names.filter((one) => one.endsWith(".h")).sort()) {
      hash.update(name).update(readFileSync(join(folder, name)));
    }
  }
  return hash.digest("hex");
}

async function compile({ file, flags }, headers, folder) {
  const name = file.startsWith(zstd) ? `zstd-${basename(file)}` : relative(root, file).replaceAll("/", "-");
  const object = join(folder, name.replace(/\.c$/, ".o"));
  const stampFile = `${object}.stamp`;
  const stamp = createHash("sha256");
  for (const part of [...flags, toolchain().identity, headers, readFileSync(file)])
    stamp.update(part).update("\0");
  const digest = stamp.digest("hex");
  if (existsSync(object) && existsSync(stampFile) && readFileSync(stampFile, "utf8") === digest) {
    return { object, fresh: false };
  }
  rmSync(stampFile, { force: true });
  await run(toolchain().clang, [...flags, "-c", file, "-o", object]);
  writeFileSync(stampFile, digest);
  return { object, fresh: true };
}

/** Compiles units ({ file, flags }) into folder; resolves to their objects, in order, and whether any is new. */
export async function compileAll(units, folder) {
  mkdirSync(folder, { recursive: true });
  const headers = headersDigest();
  const queue = [...units.entries()];
  const results = new Array(units.length);
  const worker = async () => {
    for (let next = queue.shift(); next; next = queue.shift()) {
      results[next[0]] = await compile(next[1], headers, folder);
    }
  };
  await Promise.all(Array.from({ length: availableParallelism() }, worker));
  return { objects: results.map(({ object }) => object), fresh: results.some(({ fresh }) => fresh) };
}
