#!/usr/bin/env node
/** Builds the example extensions and the template: native/extension/build/NAME.wasm. Also what a user's own build may look like. */
import { spawnSync } from "node:child_process";
import { mkdirSync, readdirSync, rmSync } from "node:fs";
import { dirname, join } from "node:path";
import { fileURLToPath } from "node:url";
import { toolchain, WASM_FEATURES, warningFlags } from "../toolchain.mjs";

const here = dirname(fileURLToPath(import.meta.url));

/** Compiles one C file to an extension. Throws an Error with the compiler's output. */
export function buildExtension(source, output, more = []) {
  const { clang, wasmLd } = toolchain();
  const object = `${output}.${process.pid}.o`;
  const target = "--target=wasm32 -O2 -std=c11 -nostdlib -ffreestanding".split(" ");
  const link = "--no-entry --import-memory -z stack-size=65536 --stack-first".split(" ");
  try {
    run(clang, [
      ...target,
      ...WASM_FEATURES,
      ...warningFlags(),
      `-I${here}`,
      ...more,
      "-c",
      "-o",
      object,
      source,
    ]);
    run(wasmLd, [...link, "-o", output, object]);
  } finally {
    rmSync(object, { force: true });
  }
}

function run(command, args) {
  const done = spawnSync(command, args, { encoding: "utf8" });
  if (done.error) throw new Error(`${command} could not be started (${done.error.code})`);
  if (done.status !== 0) throw new Error(`building ${args.at(-1)} failed:\n${done.stdout}${done.stderr}`);
}

export function buildExamples() {
  mkdirSync(join(here, "build"), { recursive: true });
  const examples = readdirSync(join(here, "examples")).filter((name) => name.endsWith(".c"));
  for (const name of examples)
    buildExtension(join(here, "examples", name), join(here, "build", name.replace(/\.c$/, ".wasm")));
  buildExtension(join(here, "template/extension.c"), join(here, "build/template.wasm"));
}

if (process.argv[1] === fileURLToPath(import.meta.url)) {
  try {
    buildExamples();
  } catch (error) {
    process.stderr.write(`build: ${error.message}\n`);
    process.exit(1);
  }
}
