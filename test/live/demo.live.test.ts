/** `npm start` as a user meets it: live links within seconds, and nothing left behind. */
import assert from "node:assert/strict";
import { spawn, spawnSync } from "node:child_process";
import { existsSync, readdirSync } from "node:fs";
import { tmpdir } from "node:os";
import { describe, test } from "node:test";
import { fileURLToPath } from "node:url";
import { liveSkipReason } from "./tools/netns.js";

const DEMO = fileURLToPath(new URL("../../daemon/demo/main.js", import.meta.url));

const LINK = /10\.[12]\.\d+\.\d+ +10\.[12]\.\d+\.\d+ +\d/;

const namespaces = (): string[] =>
  existsSync("/run/netns")
    ? readdirSync("/run/netns").filter((name) => name.startsWith("sparsewire-demo-"))
    : [];
const folders = (): string[] => readdirSync(tmpdir()).filter((name) => name.startsWith("sparsewire-demo-"));
const processes = (): string[] =>
  spawnSync("pgrep", ["-af", "sparsewire-demo-|dist/daemon/demo/"], { encoding: "utf8" })
    .stdout.split("\n")
    .filter((line) => line !== "");

/** What somebody else's demonstration has left, or is using, is not ours. */
const before = new Set([...namespaces(), ...folders(), ...processes()]);

function assertNothingLeft(): void {
  const left = (names: string[]): string[] => names.filter((name) => !before.has(name));
  assert.deepEqual(left(namespaces()), [], "no namespace");
  assert.deepEqual(left(folders()), [], "no file");
  assert.deepEqual(left(processes()), [], "no process");
}

/** Runs the demonstration until its output matches all that is wanted, then ends it by `signal`; its output and exit code. */
async function run(
  signal: NodeJS.Signals,
  wanted: readonly RegExp[],
): Promise<{ text: string; code: number | null; ms: number }> {
  const began = performance.now();
  const child = spawn(process.execPath, [DEMO], { stdio: ["ignore", "pipe", "inherit"] });
  let text = "";
  let ms = 0;
  child.stdout.setEncoding("utf8").on("data", (chunk: string) => {
    text += chunk;
    if (ms === 0 && wanted.every((pattern) => pattern.test(text))) {
      ms = performance.now() - began;
      child.kill(signal);
    }
  });
  const timer = setTimeout(() => child.kill("SIGKILL"), 40_000);
  const code = await new Promise<number | null>((resolve) => child.once("exit", resolve));
  clearTimeout(timer);
  return { text, code, ms };
}

describe("npm start", { skip: liveSkipReason() }, () => {
  for (const signal of ["SIGINT", "SIGTERM"] as const) {
    test(`shows live links of real traffic, and ${signal} leaves nothing behind`, async (t) => {
      const { text, code, ms } = await run(signal, [/acknowledged ([2-9]|\d\d)/, LINK]);
      assert.notEqual(ms, 0, `links were shown, and two intervals acknowledged: ${text}`);
      t.diagnostic(`second interval on the screen after ${Math.round(ms)} ms`);
      assert.match(text, /metrics {2}http:\/\/127\.0\.0\.1:\d+\/metrics/);
      assert.match(text, /API {6}http:\/\/127\.0\.0\.1:\d+\/api\/v1/);
      assert.match(text, /no drops/);
      assert.equal(code, 0);
      assertNothingLeft();
    });
  }

  test("without root it says so and runs the same pipeline on a generated capture", () => {
    const args = ["--reuid", "65534", "--regid", "65534", "--clear-groups", process.execPath, DEMO];
    const done = spawnSync("setpriv", args, { encoding: "utf8", timeout: 60_000 });
    assert.equal(done.status, 0, done.stderr);
    assert.match(done.stderr, /not root/);
    assert.match(done.stdout, /n_packets\D+1,?000,?000/);
    assertNothingLeft();
  });

  test("a sensor that does not start ends it, and leaves nothing behind", () => {
    const args = [DEMO, "--interface", "none-such"];
    const ended = spawnSync(process.execPath, args, {
      encoding: "utf8",
      timeout: 40_000,
      killSignal: "SIGKILL",
    });
    assert.match(ended.stderr, /^demo: the demonstration's sensor did not start: .*none-such.*\n$/);
    assert.equal(ended.status, 1);
    assertNothingLeft();
  });
});
