#!/usr/bin/env node
/**
 * Builds everything that is built, from the sources in the tree, with the newest clang there is (toolchain.mjs):
 * TypeScript, the sandbox's C header and wasm, graphblas wasm, the BPF objects, the addon, the bench tools.
 *
 * Each step is skipped while the hash of its inputs, and of the compiler, is the one it was last built from.
 */
import { spawnSync } from "node:child_process";
import { createHash } from "node:crypto";
import {
  chmodSync,
  copyFileSync,
  existsSync,
  mkdirSync,
  readdirSync,
  readFileSync,
  writeFileSync,
} from "node:fs";
import { dirname, join } from "node:path";
import { fileURLToPath, pathToFileURL } from "node:url";
import { toolchain, WASM_FEATURES, warningFlags } from "./toolchain.mjs";

const root = dirname(dirname(fileURLToPath(import.meta.url)));
const XDP_NODE_PROGRAM = "native/xdp-node/bpf/redirect.bpf.o";
const SKIP = new Set(["node_modules", "dist", "build", ".git"]);

function filesBelow(path, found = []) {
  const full = join(root, path);
  for (const entry of readdirSync(full, { withFileTypes: true })) {
    const child = join(path, entry.name);
    if (entry.isDirectory()) {
      if (!SKIP.has(entry.name)) filesBelow(child, found);
    } else found.push(child);
  }
  return found;
}

/** SHA-256 over names and contents of files (paths relative to the root), and what else decides. */
export function hashOf(paths, more = "") {
  const hash = createHash("sha256").update(process.arch).update(more);
  for (const path of [...paths].sort())
    hash
      .update(path)
      .update("\0")
      .update(readFileSync(join(root, path)));
  return hash.digest("hex");
}

function run(command, args, cwd = root) {
  const done = spawnSync(command, args, { cwd, encoding: "utf8", maxBuffer: 1 << 26 });
  if (done.error) throw new Error(`${command} could not be started (${done.error.code})`);
  if (done.status !== 0)
    throw new Error(`${command} ${args.join(" ")} failed:\n${done.stdout}${done.stderr}`);
  return done.stdout;
}

/** Compilers of the multiarch world keep asm/ headers beside the general ones. */
function multiarchInclude() {
  return `/usr/include/${process.arch === "x64" ? "x86_64" : "aarch64"}-linux-gnu`;
}

function typescript() {
  run(process.execPath, [join(root, "node_modules/typescript/bin/tsc"), "-b"]);
  chmodSync(join(root, "dist/daemon/cli/main.js"), 0o755);
}

async function sandbox() {
  const { abiHeader } = await import(pathToFileURL(join(root, "dist/lib/abi-header.js")).href);
  const folder = join(root, "native/sandbox");
  mkdirSync(join(folder, "build/obj"), { recursive: true });
  writeFileSync(join(folder, "build/abi.h"), abiHeader());
  const names = readdirSync(folder)
    .filter((name) => name.endsWith(".c"))
    .map((name) => name.replace(/\.c$/, ""));
  const { clang, wasmLd } = toolchain();
  const compile = [
    ..."--target=wasm32 -O3 -std=c11 -nostdlib -ffreestanding".split(" "),
    ...WASM_FEATURES,
    ...["-matomics", "-msimd128"],
    ...warningFlags(),
  ];
  // Optimised when compiled, not when linked: clang hands -O3 at the link to wasm-opt, where one is in the path.
  const link =
    "--no-entry --import-memory --shared-memory --max-memory=4294967296 -z stack-size=131072 --stack-first -O2".split(
      " ",
    );
  for (const name of names) run(clang, [...compile, "-c", `${name}.c`, "-o", `build/obj/${name}.o`], folder);
  const module = (objects, output) =>
    run(wasmLd, [...link, ...objects.map((name) => `build/obj/${name}.o`), "-o", `build/${output}`], folder);
  module(
    names.filter((name) => name !== "bench"),
    "capture.wasm",
  );
  module(names, "bench.wasm");
}

function bpf() {
  const { clang } = toolchain();
  mkdirSync(join(root, "bpf/build"), { recursive: true });
  for (const name of readdirSync(join(root, "bpf")).filter((file) => file.endsWith(".bpf.c"))) {
    const flags = [
      "-O2",
      "-g",
      "-target",
      "bpf",
      "-mcpu=v3",
      ...warningFlags(),
      "-ffreestanding",
      "-I../native/sandbox/build",
      "-idirafter",
      multiarchInclude(),
    ];
    run(clang, [...flags, "-c", name, "-o", `build/${name.replace(/\.c$/, ".o")}`], join(root, "bpf"));
  }
  // The npm package has a copy: there is no bpf/ beside it.
  mkdirSync(join(root, "native/xdp-node/bpf"), { recursive: true });
  copyFileSync(join(root, "bpf/build/redirect.bpf.o"), join(root, XDP_NODE_PROGRAM));
}

function graphblas() {
  run(process.execPath, ["native/graphblas-wasm/build.mjs"]);
}

/**
 * The addon knows of Node no more than N-API, which is the same in every release: it is built against the npm package
 * of those headers, whatever Node.js builds it, and with no need to fetch any. Laid out as node-gyp wants them.
 */
function headers() {
  const folder = join(root, "node_modules/.sparsewire/node-api");
  const include = join(folder, "include/node");
  mkdirSync(include, { recursive: true });
  const from = join(root, "node_modules/node-api-headers/include");
  for (const name of readdirSync(from)) copyFileSync(join(from, name), join(include, name));
  const release = { cflags: ["-O2"], conditions: [] };
  const defaults = {
    default_configuration: "Release",
    configurations: { Release: release, Debug: release },
    cflags: ["-fPIC", "-pthread"],
    ldflags: ["-pthread"],
  };
  writeFileSync(join(include, "common.gypi"), JSON.stringify({ target_defaults: defaults }));
  writeFileSync(join(include, "config.gypi"), JSON.stringify({ target_defaults: {}, variables: {} }));
  return folder;
}

function addon() {
  const gyp = join(root, "node_modules/node-gyp/bin/node-gyp.js");
  run(
    process.execPath,
    [gyp, "configure", "build", "--silent", "--jobs=max", `--nodedir=${headers()}`],
    join(root, "native/xdp-node"),
  );
}

async function tools() {
  const path = join(root, "bench/build.mjs");
  if (existsSync(path)) await (await import(pathToFileURL(path).href)).buildBenchTools();
}

async function extensions() {
  (await import(pathToFileURL(join(root, "native/extension/build.mjs")).href)).buildExamples();
}

const isC = (path) => /\.(c|cc|h|gyp|mjs)$/.test(path);
const BUILDERS = ["native/build.mjs", "native/toolchain.mjs"];
const STEPS = [
  {
    name: "TypeScript",
    make: typescript,
    inputs: () =>
      ["daemon", "lib", "test", "bench", "native"]
        .flatMap((dir) => filesBelow(dir))
        .filter((path) => /\.ts$|tsconfig.*json$/.test(path))
        .concat("tsconfig.json", "tsconfig.base.json", "package-lock.json"),
    output: "dist/lib/abi.js",
  },
  {
    name: "sandbox",
    isClang: true,
    make: sandbox,
    inputs: () =>
      filesBelow("native/sandbox")
        .filter(isC)
        .concat("lib/abi.ts", "lib/abi-host.ts", "lib/abi-header.ts", "lib/reasons.ts", ...BUILDERS),
    output: "native/sandbox/build/capture.wasm",
  },
  {
    name: "BPF",
    isClang: true,
    make: bpf,
    inputs: () =>
      filesBelow("bpf").concat(
        "lib/abi.ts",
        "lib/abi-host.ts",
        "lib/abi-header.ts",
        "lib/reasons.ts",
        ...BUILDERS,
      ),
    output: XDP_NODE_PROGRAM,
  },
  {
    name: "extensions",
    isClang: true,
    make: extensions,
    inputs: () => filesBelow("native/extension").filter(isC).concat("native/toolchain.mjs"),
    output: "native/extension/build/template.wasm",
  },
  {
    name: "graphblas-wasm",
    isClang: true,
    make: graphblas,
    inputs: () =>
      filesBelow("native/graphblas-wasm").filter(isC).concat("package-lock.json", "native/toolchain.mjs"),
    output: "native/graphblas-wasm/build/graphblas.wasm",
  },
  {
    name: "xdp-node",
    make: addon,
    inputs: () => filesBelow("native/xdp-node").filter(isC).concat("package-lock.json"),
    output: "native/xdp-node/build/Release/xdp_node.node",
  },
];

/**
 * Runs the steps whose inputs changed. `tools`: also the benchmark's and the live tests' C programs.
 * Throws an Error with the compiler's output when a step fails.
 */
export async function build({
  tools: withTools = false,
  say = (text) => process.stderr.write(`build: ${text}\n`),
} = {}) {
  const stamps = join(root, "node_modules", ".sparsewire");
  mkdirSync(stamps, { recursive: true });
  for (const step of STEPS) {
    const stamp = join(stamps, step.name);
    const inputs = step.inputs().filter((path) => existsSync(join(root, path)));
    const wanted = hashOf(inputs, step.isClang ? [toolchain().identity, ...warningFlags()].join() : "");
    if (existsSync(stamp) && readFileSync(stamp, "utf8") === wanted && existsSync(join(root, step.output)))
      continue;
    say(`building ${step.name}`);
    await step.make();
    writeFileSync(stamp, wanted);
  }
  if (withTools) await tools();
}

if (process.argv[1] === fileURLToPath(import.meta.url)) {
  build({ tools: process.argv.includes("--tools") }).catch((error) => {
    process.stderr.write(`build: ${error.message}\n`);
    process.exit(1);
  });
}
