// The native fuzzer (ASan, UBSan, libFuzzer) of the `.grb` reader, for a few seconds.
import assert from "node:assert/strict";
import { execFile } from "node:child_process";
import { it } from "node:test";
import { fileURLToPath } from "node:url";
import { promisify } from "node:util";
import { fuzzSettings } from "./cases.js";

const root = fileURLToPath(new URL("../..", import.meta.url));
const { toolchain, fuzzerRuntime } = (await import(`${root}../toolchain.mjs`)) as {
  toolchain(): { clang: string; version: number };
  fuzzerRuntime(clang: string): string | undefined;
};
const { clang, version } = toolchain();
const skip = fuzzerRuntime(clang) ? false : `libFuzzer is not installed (libclang-rt-${version}-dev)`;
const { seed, seconds } = fuzzSettings(3);

it(`the native build of the reader survives ${seconds} s of fuzzing, seed ${seed}`, { skip }, async () => {
  const options = ["--seconds", String(seconds), "--seed", String(seed)];
  const { stdout } = await promisify(execFile)(process.execPath, [`${root}fuzz/run.mjs`, ...options]);
  assert.match(stdout, /\d+ blobs, no fault/);
});
