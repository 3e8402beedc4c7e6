/** Style as a test: files hold one noun, and the repository speaks of nothing but the product. */
import assert from "node:assert/strict";
import { execFileSync, spawnSync } from "node:child_process";
import { readFileSync, statSync } from "node:fs";
import { join } from "node:path";
import { test } from "node:test";
import { fileURLToPath } from "node:url";

const root = fileURLToPath(new URL("../..", import.meta.url));
const LINES_MAX = 400;
const BYTES_MAX = 300_000;
const CODE = /\.(ts|mjs|c|cc|h)$/;

const isCheckout = spawnSync("git", ["-C", root, "rev-parse"], { stdio: "ignore" }).status === 0;
const skip = isCheckout ? false : "not a git checkout";
const files = (): string[] =>
  execFileSync("git", ["-C", root, "ls-files"], { encoding: "utf8" })
    .split("\n")
    .filter((name) => name !== "");

test("no file is a monolith or a blob", { skip }, () => {
  for (const name of files()) {
    const path = join(root, name);
    if (name !== "package-lock.json") assert.ok(statSync(path).size < BYTES_MAX, `${name} is large`);
    if (!CODE.test(name)) continue;
    const lines = readFileSync(path, "utf8").split("\n").length;
    assert.ok(lines <= LINES_MAX, `${name} has ${lines} lines: it asks to be two`);
  }
});

test("paths of a machine, package registries and to-dos stay out", { skip }, () => {
  const banned = [
    ["", "work", "main"].join("/"),
    "registry." + "npmjs",
    ["deb.debian", "org"].join("."),
    "TO" + "DO",
    "FIX" + "ME",
  ];
  for (const name of files()) {
    const text = readFileSync(join(root, name), "latin1");
    for (const word of banned) assert.ok(!text.includes(word), `${name} mentions ${word}`);
  }
});

test("imports point one way: lib knows nothing of the daemon, native nothing of either", { skip }, () => {
  for (const name of files().filter((path) => path.endsWith(".ts"))) {
    const folder = name.split("/")[0]!;
    const imports = [...readFileSync(join(root, name), "utf8").matchAll(/from "(\.[^"]+|[a-z][^"]*)"/g)].map(
      ([, from]) => (from!.startsWith(".") ? join(name, "..", from!) : from!),
    );
    const forbidden = {
      lib: /^(daemon|test|bench|node:(fs|net|http|https|child_process|worker_threads|timers))/,
      native: /^(daemon|lib|bench)\//,
      daemon: /^(test|bench)\//,
    }[folder];
    if (forbidden === undefined) continue;
    if (folder === "native" && name.includes("/test/")) continue;
    for (const from of imports) assert.doesNotMatch(from, forbidden, `${name} imports ${from}`);
  }
});

test("C sources carry their licence", { skip }, () => {
  for (const name of files().filter((path) =>
    /^(bpf|native\/sandbox|native\/graphblas-wasm\/src)\/.*\.[ch]$/.test(path),
  )) {
    const first = readFileSync(join(root, name), "utf8").slice(0, 200);
    const wanted = name.startsWith("bpf/") ? /GPL-2\.0-only OR BSD-2-Clause/ : /Apache-2\.0/;
    assert.match(first, wanted, name);
  }
});
