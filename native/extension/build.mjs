#!/usr/bin/env node
/** Builds the example extensions and the template: native/extension/build/NAME.wasm. Also what a user's own build may look like. */
import { spawnSync } from "node:child_process";
import { mkdirSync, readdirSync } from "node:fs";
import { dirname, join } from "node:path";
import { fileURLToPath } from "node:url";

const here = dirname(fileURLToPath(import.meta.url));

/** Compiles one C file to an extension. Throws an Error with the compiler's output. */
export function buildExtension(source, output, more = []) {
  const compile =
    "--target=wasm32 -O2 -std=c11 -nostdlib -ffreestanding -mbulk-memory -Wall -Wextra -Werror".split(" ");
  const link = ["-Wl,--no-entry", "-Wl,--import-memory", "-Wl,-z,stack-size=65536", "-Wl,--stack-first"];
  const ld = process.env.WASM_LD ?? "wasm-ld-16";
  const all = [
    ...compile,
    `-fuse-ld=${ld.includes("/") ? ld : `/usr/bin/${ld}`}`,
    `-I${here}`,
    ...link,
    ...more,
    "-o",
    output,
    source,
  ];
  const done = spawnSync(process.env.CLANG ?? "clang-16", all, { encoding: "utf8" });
  if (done.error) throw new Error(`clang could not be started (${done.error.code})`);
  if (done.status !== 0) throw new Error(`building ${source} failed:\n${done.stdout}${done.stderr}`);
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
