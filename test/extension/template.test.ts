/** The template's Makefile, as whoever has called `sparsewire extension new` uses it: with what is there, or what is named. */
import assert from "node:assert/strict";
import { spawnSync } from "node:child_process";
import { cpSync, mkdtempSync, readFileSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { test } from "node:test";
import { extensionFaults } from "../../lib/extension-abi.js";
import { repositoryRoot } from "../live/tools/tool.js";
import { toolchainModule } from "../toolchain/module.js";

const KIT = join(repositoryRoot(), "native/extension");
const MEMORY_MAX = 1 << 20;
const { toolchain } = await toolchainModule();
const { clang, wasmLd } = toolchain();

for (const [what, named] of [
  ["the newest clang in the path", {}],
  ["CLANG", { CLANG: clang }],
  ["CLANG and WASM_LD", { CLANG: clang, WASM_LD: wasmLd }],
] as const) {
  test(`make builds an extension by ${what}`, (t) => {
    const folder = mkdtempSync(join(tmpdir(), "sparsewire-template-"));
    t.after(() => rmSync(folder, { recursive: true, force: true }));
    cpSync(join(KIT, "template"), folder, { recursive: true });
    cpSync(join(KIT, "sparsewire_extension.h"), join(folder, "sparsewire_extension.h"));
    const { CLANG: _c, WASM_LD: _l, ...env } = process.env;
    const done = spawnSync("make", ["-C", folder], { encoding: "utf8", env: { ...env, ...named } });
    assert.equal(done.status, 0, done.stderr);
    assert.equal(done.stderr, "", "no warning");
    const newest = toolchain({ PATH: process.env.PATH }).version;
    const called = "CLANG" in named ? clang : `clang-${newest}`;
    assert.ok(done.stdout.includes(`${called} --target`), done.stdout);
    assert.deepEqual(extensionFaults(readFileSync(join(folder, "extension.wasm")), MEMORY_MAX), []);
  });
}
