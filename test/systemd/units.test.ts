import assert from "node:assert/strict";
import { spawnSync } from "node:child_process";
import { chmodSync, mkdirSync, readFileSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { test } from "node:test";
import { ROOT, requireProgram, temporaryFolder } from "../cli/command.js";

const UNITS = ["sparsewire-sensor@.service", "sparsewire-aggregator.service", "sparsewire-bpf.service"];
/** systemd's own scale: 10 is a bare unit. */
const EXPOSURE_MAX: Record<string, number> = {
  "sparsewire-sensor@.service": 2.3,
  "sparsewire-aggregator.service": 1.5,
  // It mounts and ends: nothing of it runs.
  "sparsewire-bpf.service": 4.2,
};

test("the units are sound in systemd's eyes", (t) => {
  if (!requireProgram(t, "systemd-analyze")) return;
  const folder = temporaryFolder(t);
  // The binary is not installed here: the units are verified with one that is.
  const binary = join(folder, "sparsewire");
  mkdirSync(folder, { recursive: true });
  writeFileSync(binary, "#!/bin/sh\n");
  chmodSync(binary, 0o755);
  for (const unit of UNITS) {
    const text = readFileSync(join(ROOT, "systemd", unit), "utf8");
    const copy = join(folder, unit);
    // Neither are the man pages.
    writeFileSync(copy, text.replaceAll("/usr/bin/sparsewire", binary).replace(/^Documentation=.*$/m, ""));
    const { status, stderr } = spawnSync("systemd-analyze", ["verify", copy], { encoding: "utf8" });
    assert.deepEqual([status, stderr], [0, ""], unit);
  }
});

test("the units' exposure is what it is to be at most", (t) => {
  if (!requireProgram(t, "systemd-analyze")) return;
  for (const unit of UNITS) {
    const path = join(ROOT, "systemd", unit);
    const { stdout, stderr } = spawnSync(
      "systemd-analyze",
      ["security", "--offline=true", "--no-pager", path],
      {
        encoding: "utf8",
      },
    );
    const found = /Overall exposure level for \S+: ([\d.]+)/.exec(stdout);
    if (found === null) return t.skip(`systemd-analyze cannot rate units offline here: ${stderr.trim()}`);
    t.diagnostic(`${unit}: ${found[1]}`);
    assert.ok(Number(found[1]) <= EXPOSURE_MAX[unit]!, `${unit}: ${found[1]}`);
  }
});

test("the README explains every hardening line and every capability of the units", () => {
  const readme = readFileSync(join(ROOT, "systemd/README.md"), "utf8");
  const explained = [
    /^(Protect|Private|Restrict|Lock|Remove|Keyring|NoNew|Device|SystemCall(?!Error)|UMask|Capability)\w*/,
  ];
  for (const unit of UNITS) {
    const text = readFileSync(join(ROOT, "systemd", unit), "utf8");
    if (text.includes("/usr/bin/sparsewire")) assert.doesNotMatch(text, /MemoryDenyWriteExecute/);
    for (const line of text.split("\n")) {
      const key = line.split("=")[0]!;
      if (explained.some((pattern) => pattern.test(key))) assert.ok(readme.includes(key), `${unit}: ${key}`);
    }
    for (const capability of text.match(/CAP_\w+/g) ?? []) assert.ok(readme.includes(capability), capability);
  }
});

/** System calls by name of a filter set, as the systemd that is installed has them. */
function callsOf(set: string): string[] {
  const { stdout } = spawnSync("systemd-analyze", ["syscall-filter", set], { encoding: "utf8" });
  const names = stdout.split("\n").filter((line) => /^\s+[@\w]/.test(line));
  return names.flatMap((line) => (line.trim().startsWith("@") ? callsOf(line.trim()) : [line.trim()]));
}

/** What the lines SystemCallFilter= of a unit leave, in their order: the first one says that they list what is allowed. */
function callsLeft(unit: string): Set<string> {
  const left = new Set<string>();
  for (const [, not, words] of readFileSync(join(ROOT, "systemd", unit), "utf8").matchAll(
    /^SystemCallFilter=(~?)(.*)$/gm,
  )) {
    for (const call of words!.split(" ").flatMap((word) => (word.startsWith("@") ? callsOf(word) : [word]))) {
      if (not === "") left.add(call);
      else left.delete(call);
    }
  }
  return left;
}

test("no daemon's unit lets io_uring through, so that it need not start twice", (t) => {
  if (!requireProgram(t, "systemd-analyze")) return;
  if (!callsOf("@system-service").includes("epoll_wait"))
    return t.skip("systemd-analyze does not list the calls of a set");
  for (const unit of UNITS.filter((name) => name !== "sparsewire-bpf.service")) {
    const left = callsLeft(unit);
    for (const call of ["epoll_pwait", "futex", "execve", "seccomp", "landlock_restrict_self"])
      assert.ok(left.has(call), `${unit} needs ${call}`);
    assert.deepEqual(
      [...left].filter((call) => call.startsWith("io_uring")),
      [],
      unit,
    );
  }
});
