import assert from "node:assert/strict";
import { spawnSync } from "node:child_process";
import { writeFileSync } from "node:fs";
import { join } from "node:path";
import { type TestContext, test } from "node:test";
import { manualPages } from "../../daemon/cli/manual/pages.js";
import { describeCommand, everyCommand } from "../../daemon/cli/manual/tree.js";
import { buildProgram } from "../../daemon/cli/program.js";
import { configKeys } from "../../daemon/config/keys.js";
import { KINDS, loadKinds } from "../../daemon/config/kinds.js";
import { requireProgram, sparsewire, temporaryFolder } from "../cli/command.js";

const program = describeCommand(buildProgram("0", { code: 0 }));
const commands = [...everyCommand(program)];

/** A page as a reader sees it, on one endless line. */
function rendered(text: string): string {
  const groff = spawnSync("groff", ["-man", "-Tascii", "-P-cbou", "-rLL=10000n", "-ww"], {
    input: text,
    encoding: "utf8",
  });
  assert.deepEqual([groff.status, groff.stderr], [0, ""]);
  return groff.stdout.replaceAll(/\s+/g, " ");
}

test("the manual names every command with every option, and renders without a warning", async (t) => {
  if (!requireProgram(t, "groff")) return;
  const page = rendered((await manualPages())[0]!.text);
  for (const { path, options, arguments: operands } of commands.slice(1)) {
    assert.ok(page.includes(["sparsewire", ...path].join(" ")), path.join(" "));
    for (const { flags } of options) assert.ok(page.includes(flags), `${path.join(" ")} ${flags}`);
    for (const { name } of operands) assert.ok(page.includes(name.toUpperCase()), name);
  }
  assert.match(page, /EXIT STATUS 0 ok 1 failure/);
});

test("the manuals of the configurations name every key, and no name of this host", async (t) => {
  if (!requireProgram(t, "groff")) return;
  const pages = await manualPages("2026-01-31");
  const kinds = await loadKinds();
  for (const kind of KINDS) {
    const page = rendered(pages.find(({ name }) => name === `sparsewire-${kind}.toml`)!.text);
    const keys = configKeys(kinds[kind]);
    assert.ok(keys.length > 15);
    for (const { table, key, description } of keys) {
      assert.ok(page.includes(` ${key} `), `${table}.${key}`);
      assert.ok(
        description.length > 5 && page.includes(description.slice(0, 40)),
        `${table}.${key}: ${description}`,
      );
      if (table !== "") assert.ok(page.toLowerCase().includes(`[${table}]`), table);
    }
    assert.match(page, /2026-01-31/);
  }
});

function scriptOf(t: TestContext, shell: string): string | undefined {
  if (!requireProgram(t, shell)) return undefined;
  const path = join(temporaryFolder(t), `completion.${shell}`);
  const { code, out, err } = sparsewire(["completion", shell]);
  assert.equal(code, 0, err);
  writeFileSync(path, out);
  const parsed = spawnSync(shell, ["-n", path], { encoding: "utf8" });
  assert.deepEqual([parsed.status, parsed.stderr], [0, ""]);
  return path;
}

const COMPLETE =
  'source "$0"; COMP_WORDS=(sparsewire "$@"); COMP_CWORD=$#; _sparsewire; for i in "$' +
  '{COMPREPLY[@]}"; do echo "$i"; done';

const lines = (done: { stdout: string; stderr: string }): string[] => {
  assert.equal(done.stderr, "");
  return done.stdout.split("\n").filter((line) => line !== "");
};

test("bash completes commands, options, values and interfaces", (t) => {
  const path = scriptOf(t, "bash");
  if (path === undefined) return;
  const complete = (...words: string[]): string[] =>
    lines(spawnSync("bash", ["-c", COMPLETE, path, ...words], { encoding: "utf8", cwd: temporaryFolder(t) }));
  assert.deepEqual(complete("matr"), ["matrix"]);
  for (const { path: words, commands: below } of commands)
    for (const child of below)
      assert.ok(complete(...words, "").includes(child.path.at(-1)!), child.path.join(" "));
  assert.deepEqual(complete("matrix", "export", "--fam"), ["--family"]);
  assert.deepEqual(complete("matrix", "export", "--family", ""), ["4", "6"]);
  assert.ok(complete("sensor", "--interface", "").includes("lo"));
  assert.deepEqual(complete("completion", "z"), ["zsh"]);
  assert.deepEqual(complete("sensor", "--mode", "x"), []);
  for (const [option, key] of [
    ["--mode", "mode"],
    ["--bind", "bind"],
    ["--log-level", "log.level"],
  ] as const) {
    const offered = complete("sensor", option, "");
    assert.ok(offered.length > 2, option);
    const wrong = sparsewire(["sensor", "--interface", "sw-nowhere", option, "wrong"]);
    const allowed = /not one of ([^;]+)/.exec(wrong.err)?.[1]?.split(", ");
    assert.deepEqual(offered, allowed, `${key}: ${wrong.err}`);
  }
});

test("zsh and fish take their scripts; fish completes", (t) => {
  scriptOf(t, "zsh");
  const path = scriptOf(t, "fish");
  if (path === undefined) return;
  const complete = (line: string): string[] =>
    lines(
      spawnSync("fish", ["-N", "-c", `source ${path}; complete -C ${JSON.stringify(line)}`], {
        encoding: "utf8",
      }),
    ).map((found) => found.split("\t")[0]!);
  assert.deepEqual(complete("sparsewire matri"), ["matrix"]);
  assert.ok(complete("sparsewire matrix ").includes("export"));
  assert.deepEqual(complete("sparsewire matrix export --family "), ["4", "6"]);
});

test("a shell that is not known is a usage error", () => {
  assert.equal(sparsewire(["completion", "csh"]).code, 2);
  assert.equal(sparsewire(["completion"]).code, 2);
});
