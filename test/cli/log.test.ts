import assert from "node:assert/strict";
import { spawnSync } from "node:child_process";
import { join } from "node:path";
import { test } from "node:test";
import { LineLimit } from "../../daemon/log.js";
import { ROOT } from "./command.js";

/** Runs a few lines of code that log, and returns what came on stderr. */
function logged(code: string, env: Record<string, string> = {}): string {
  const source = `import { openLog } from ${JSON.stringify(join(ROOT, "dist/daemon/log.js"))};\n${code}`;
  const ran = spawnSync(process.execPath, ["--input-type=module", "-e", source], {
    encoding: "utf8",
    env: { ...process.env, ...env },
  });
  assert.equal(ran.stdout, "");
  return ran.stderr;
}

test("without a terminal the log is JSON lines; the last one is there even if the process ends at once", () => {
  const lines = logged(
    'const log = openLog({ level: "info", fields: { sensor: "a" } }); log.debug("no"); log.info({ n: 1 }, "yes"); process.exit(0)',
  );
  const entry = JSON.parse(lines) as Record<string, unknown>;
  assert.deepEqual([entry.level, entry.sensor, entry.n, entry.msg], ["info", "a", 1, "yes"]);
  assert.match(String(entry.time), /^\d{4}-\d\d-\d\dT[\d:.]+Z$/);
  assert.ok(!("pid" in entry));
});

test("for people the log is one readable line, without colour when there is no terminal", () => {
  const text = logged('openLog({ format: "pretty" }).warn({ cause: "x" }, "careful"); process.exit(0)');
  assert.match(text, /^\[\d\d:\d\d:\d\d\.\d{3}\] WARN: careful\n {4}cause: "x"\n$/);
});

test("a line that outsiders can provoke is written once per period and key", () => {
  let now = 0;
  const limit = new LineLimit(() => now);
  assert.ok(limit.once("a", 1000));
  assert.ok(limit.once("b", 1000));
  for (now = 1; now < 1000; now += 100) assert.ok(!limit.once("a", 1000));
  now = 1000;
  assert.ok(limit.once("a", 1000));
  assert.equal(limit.suppressed("a"), 10);
  assert.equal(limit.suppressed("b"), 0);
});

test("the memory of line limits is bounded", () => {
  const limit = new LineLimit(() => 0);
  for (let at = 0; at < 100_000; at++) assert.ok(limit.once(`peer ${at}`));
  assert.ok(limit.once("peer 0"), "the oldest keys are forgotten");
  assert.ok(!limit.once("peer 99999"));
});
