/** The frame cursor and the live path, compiled natively with ASan and UBSan, under libFuzzer for a few seconds. */
import assert from "node:assert/strict";
import { spawnSync } from "node:child_process";
import { test } from "node:test";
import { fileURLToPath } from "node:url";
import { fuzzSeconds, runSeed } from "./random.js";

const RUNNER = fileURLToPath(new URL("../../../native/sandbox/fuzz/run.mjs", import.meta.url));
const NOT_INSTALLED = 5;

for (const [target, what] of [
  ["frame", "frame cursor"],
  ["rings", "live path, kernel and host hostile"],
  ["inline", "forwarding, kernel hostile"],
  ["host", "mode host's ring buffer and table, likewise"],
]) {
  test(`native ${what} under libFuzzer, ASan and UBSan`, (t) => {
    const args = ["--target", target!, "--seconds", String(fuzzSeconds(3)), "--seed", String(runSeed())];
    const done = spawnSync(process.execPath, [RUNNER, ...args], { encoding: "utf8" });
    if (done.status === NOT_INSTALLED) return t.skip(done.stderr.trim());
    t.diagnostic(done.stdout.trim().replaceAll("\n", "; "));
    assert.equal(done.status, 0, done.stdout + done.stderr);
  });
}
