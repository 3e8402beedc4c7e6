// SPDX-License-Identifier: Apache-2.0
// Builds the C tools of the benchmarks and the live tests into bench/build/. Plain node, no dependencies:
// it is called by the set-up, by live tests, and as `node bench/build.mjs`.
import { spawnSync } from "node:child_process";
import { existsSync, mkdirSync, readdirSync, renameSync, statSync } from "node:fs";
import { dirname, join, resolve } from "node:path";
import { fileURLToPath } from "node:url";
import { toolchain } from "../native/toolchain.mjs";

const BPF_FLAGS = ["-O2", "-g", "-target", "bpf", "-Wall", "-Wextra", `-I/usr/include/${multiarch()}`];
const NATIVE_FLAGS = ["-O2", "-g", "-Wall", "-Wextra", "-D_GNU_SOURCE"];

/** Each output, what it is made of (paths from the repository root) and the libraries it needs. */
const TOOLS = [
  { output: "generate.bpf.o", bpf: true, folder: "bench/generator", sources: ["generate.bpf.c"] },
  {
    output: "generate",
    folder: "bench/generator",
    sources: ["generate.c", "options.c", "truth.c", "device.c"],
    libraries: ["-lbpf", "-lm", "-lpthread"],
  },
  { output: "floor.bpf.o", bpf: true, folder: "bench/floor", sources: ["floor.bpf.c"] },
  {
    output: "floor",
    folder: "bench/floor",
    sources: ["floor.c", "socket.c", "count.c"],
    // The capture thread's own sources, natively.
    also: "native/sandbox",
    flags: ["-O3", "-DSW_NATIVE"],
    libraries: ["-lbpf"],
  },
  { output: "sink.bpf.o", bpf: true, folder: "bench/wire", sources: ["sink.bpf.c"] },
  { output: "pinger", folder: "bench/wire", sources: ["pinger.c"], libraries: [] },
  { output: "replay", folder: "test/live/tools", sources: ["replay.c"], libraries: [] },
  { output: "tcp", folder: "test/live/tools", sources: ["tcp.c"], libraries: [] },
];

/**
 * Builds what is out of date and returns the folder of the executables.
 * @param {string} [root] repository root; found from this file's own place when it is left out
 * @returns {string} absolute path of bench/build
 * @throws {Error} with the compiler's own words when a source does not compile, or clang is missing
 */
export function buildBenchTools(root = resolve(dirname(fileURLToPath(import.meta.url)), "..")) {
  const folder = join(root, "bench/build");
  mkdirSync(folder, { recursive: true });
  for (const tool of TOOLS) {
    const output = join(folder, tool.output);
    if (!isUpToDate(output, folders(tool, root))) compile(tool, root, output);
  }
  return folder;
}

function folders(tool, root) {
  return [tool.folder, ...(tool.also === undefined ? [] : [tool.also])].map((folder) => join(root, folder));
}

/** Every C file beside a tool's sources. */
function cFiles(folder, pattern = /\.[ch]$/) {
  return readdirSync(folder)
    .filter((name) => pattern.test(name))
    .map((name) => join(folder, name));
}

/** Up to date: newer than every C file beside its sources and than this file. */
function isUpToDate(output, inputFolders) {
  if (!existsSync(output)) return false;
  const built = statSync(output).mtimeMs;
  const inputs = inputFolders.flatMap((folder) => cFiles(folder));
  return [...inputs, fileURLToPath(import.meta.url)].every((file) => statSync(file).mtimeMs < built);
}

/** Compiles to a name of its own and renames: builds at the same time do not see half a file. */
function compile(tool, root, output) {
  const temporary = `${output}.${process.pid}`;
  const flags = [...(tool.bpf ? [...BPF_FLAGS, "-c"] : NATIVE_FLAGS), ...(tool.flags ?? [])];
  const also = tool.also === undefined ? [] : cFiles(join(root, tool.also), /^(?!bench).*\.c$/);
  const sources = [...tool.sources, ...also];
  const { clang } = toolchain();
  const result = spawnSync(clang, [...flags, "-o", temporary, ...sources, ...(tool.libraries ?? [])], {
    cwd: join(root, tool.folder),
    encoding: "utf8",
  });
  if (result.error) throw new Error(`cannot run ${clang}: ${result.error.message}; run npm run setup`);
  if (result.status !== 0) throw new Error(`cannot build ${tool.output}:\n${result.stderr}`);
  if (result.stderr) process.stderr.write(result.stderr);
  renameSync(temporary, output);
}

function multiarch() {
  return { x64: "x86_64-linux-gnu", arm64: "aarch64-linux-gnu" }[process.arch] ?? "x86_64-linux-gnu";
}

if (process.argv[1] === fileURLToPath(import.meta.url)) console.log(buildBenchTools());
