/** Landlock in every thread, in a process of its own. */
import assert from "node:assert/strict";
import { spawnSync } from "node:child_process";
import { mkdirSync, mkdtempSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { test } from "node:test";
import { fileURLToPath } from "node:url";
import { landlockAbi } from "../lib/index.js";

const PROCESS = fileURLToPath(new URL("./landlocked-process.js", import.meta.url));
const PACKAGE = fileURLToPath(new URL("../..", import.meta.url));
const ABI_NET = 4;

const skip = landlockAbi() < 2 ? "this kernel has no Landlock" : false;

test("threads from before and after reach what was named and nothing else", { skip }, () => {
  const folder = mkdtempSync(join(tmpdir(), "xdp-node-landlock-"));
  try {
    for (const name of ["open", "kept", "other", "run"]) mkdirSync(join(folder, name));
    for (const part of [0, 1, 2]) {
      for (const name of ["open", "kept", "other", "run"])
        writeFileSync(join(folder, name, `file${part}`), "text");
    }
    const rules = {
      read: [PACKAGE, join(folder, "kept"), join(folder, "absent")],
      write: [join(folder, "open")],
      unlink: [join(folder, "run")],
      tcpBind: false,
    };
    const triesOf = (part: number): [string, string][] => {
      const at = (name: string) => join(folder, name, `file${part}`);
      return [
        ["read", at("open")],
        ["append", at("open")],
        ["write", join(folder, "open", `new${part}`)],
        ["rename", at("open")],
        ["remove", `${at("open")}.new`],
        ["list", join(folder, "open")],
        ["read", at("kept")],
        ["append", at("kept")],
        ["remove", at("kept")],
        ["write", join(folder, "kept", "new")],
        ["read", at("other")],
        ["list", join(folder, "other")],
        ["read", "/etc/passwd"],
        ["list", "/"],
        ["read", at("run")],
        ["append", at("run")],
        ["remove", at("run")],
      ];
    };
    const given = JSON.stringify({ rules, tries: [0, 1, 2].map(triesOf) });
    const child = spawnSync(process.execPath, [PROCESS, given], { encoding: "utf8", timeout: 20_000 });
    assert.equal(child.stderr, "");
    const { restriction, outcomes } = JSON.parse(child.stdout);
    assert.deepEqual(restriction, { abi: landlockAbi(), missing: [join(folder, "absent")] });
    const no = "EACCES";
    const bind = landlockAbi() >= ABI_NET ? no : "ok";
    const wanted = [
      ...["ok", "ok", "ok", "ok", "ok", "ok"],
      ...["ok", no, no, no],
      ...[no, no, no, no],
      ...[no, no, "ok"],
      bind,
    ];
    assert.deepEqual(outcomes, [wanted, wanted, wanted]);
  } finally {
    rmSync(folder, { recursive: true });
  }
});
