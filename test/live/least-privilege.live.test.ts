/**
 * Every BPF program is loaded with the capabilities that the unit grants. The kernel's verifier is stricter then than with
 * root's: without CAP_PERFMON it refuses what could leak addresses, such as the difference of two pointers.
 */
import assert from "node:assert/strict";
import { spawnSync } from "node:child_process";
import { readdirSync, readFileSync } from "node:fs";
import { join } from "node:path";
import { describe, test } from "node:test";
import { fileURLToPath } from "node:url";
import { liveSkipReason } from "./tools/netns.js";
import { repositoryRoot } from "./tools/tool.js";

const PROCESS = fileURLToPath(new URL("least-privilege-process.js", import.meta.url));
const folder = join(repositoryRoot(), "bpf");

describe("with the capabilities of the unit", { skip: liveSkipReason() }, () => {
  for (const source of readdirSync(folder).filter((name) => name.endsWith(".bpf.c"))) {
    const programs = readFileSync(join(folder, source), "utf8").matchAll(
      /^SEC\("(?:xdp|tc)[^"]*"\)\s+int (\w+)\(/gm,
    );
    for (const [, program] of programs) {
      test(`the verifier takes ${program} of ${source}`, () => {
        const object = join(folder, "build", source.replace(/c$/, "o"));
        const done = spawnSync(process.execPath, [PROCESS, object, program!], { encoding: "utf8" });
        assert.equal(done.status, 0, done.stderr);
      });
    }
  }
});
