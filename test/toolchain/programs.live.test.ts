/** The BPF programs, as the clang in use has made them, in this machine's kernel with a sensor's rights. */
import assert from "node:assert/strict";
import { spawnSync } from "node:child_process";
import { readdirSync, readFileSync } from "node:fs";
import { join } from "node:path";
import { test } from "node:test";
import { fileURLToPath } from "node:url";
import { liveSkipReason } from "../live/tools/netns.js";
import { repositoryRoot } from "../live/tools/tool.js";
import { type LoadReport, PROGRAMS } from "./load-programs.js";

const LOADER = fileURLToPath(new URL("./load-programs.js", import.meta.url));
const SOURCES = join(repositoryRoot(), "bpf");

test("the list of programs is that of the sources", () => {
  const names = readdirSync(SOURCES).filter((name) => name.endsWith(".bpf.c"));
  const programsOf = (name: string): string[] =>
    [
      ...readFileSync(join(SOURCES, name), "utf8").matchAll(/^SEC\("(?:xdp|xdp\.frags|tc)"\)\nint (\w+)\(/gm),
    ].map(([, program]) => program!);
  const found = Object.fromEntries(names.map((name) => [name.replace(".bpf.c", ""), programsOf(name)]));
  const listed = Object.entries(PROGRAMS).map(([name, { programs }]) => [name, programs]);
  assert.deepEqual(found, Object.fromEntries(listed));
});

test("the kernel takes every program from a process with CAP_BPF and CAP_NET_ADMIN alone", {
  skip: liveSkipReason(),
}, (t) => {
  const done = spawnSync(process.execPath, [LOADER, join(SOURCES, "build")], { encoding: "utf8" });
  assert.equal(done.status, 0, done.stderr);
  const report = JSON.parse(done.stdout) as LoadReport;
  assert.deepEqual(report.capabilities.toSorted(), ["bpf", "net_admin"]);
  assert.deepEqual(report.refused, []);
  t.diagnostic(`${report.loaded} loaded`);
  assert.ok(report.loaded > 15);
});
