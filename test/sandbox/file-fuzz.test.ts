/** A short run of the native fuzzer (ASan, UBSan, libFuzzer) over the file reader's C sources. */
import assert from "node:assert/strict";
import { spawnSync } from "node:child_process";
import { test } from "node:test";
import { fileURLToPath } from "node:url";

const runner = fileURLToPath(new URL("../../../native/sandbox/fuzz/run.mjs", import.meta.url));

test("fuzz: the file reader, natively with sanitizers", (t) => {
  const seconds = process.env.SPARSEWIRE_FUZZ_SECONDS ?? "3";
  const run = spawnSync(process.execPath, [runner, "--target", "file", "--seconds", seconds], {
    encoding: "utf8",
  });
  if (run.status === 5) return t.skip(run.stderr.trim());
  t.diagnostic(run.stdout.trim());
  assert.equal(run.status, 0, run.stdout + run.stderr);
});
