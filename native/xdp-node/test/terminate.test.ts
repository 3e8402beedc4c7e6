// A thread may be ended at any moment, also while it loads the addon: the process must live on.
import assert from "node:assert/strict";
import { spawnSync } from "node:child_process";
import { test } from "node:test";
import { fileURLToPath } from "node:url";

const ADDON = fileURLToPath(new URL("../../build/Release/xdp_node.node", import.meta.url));
const SECONDS = 2;

const THREAD = `
process.dlopen(module, ${JSON.stringify(ADDON)});
require("node:worker_threads").parentPort.postMessage(0);`;

/** A process of its own, because what is feared is an abort. */
const SCRIPT = `
const THREAD = ${JSON.stringify(THREAD)};
const { Worker } = require("node:worker_threads");
const { setTimeout: sleep } = require("node:timers/promises");
(async () => {
  let ended = 0;
  const until = Date.now() + ${SECONDS * 1000};
  // Around the time that a thread takes to start; the first ones measure it.
  let usual = 15;
  while (Date.now() < until) {
    const start = performance.now();
    const worker = new Worker(THREAD, { eval: true });
    worker.on("message", () => { usual = (performance.now() - start + 3 * usual) / 4; });
    worker.on("error", () => undefined);
    await sleep(usual * (0.5 + Math.random() * 0.6));
    await worker.terminate();
    ended++;
  }
  console.log(ended);
})();`;

test("threads that are ended while they load the addon do not take the process with them", () => {
  const { status, signal, stdout, stderr } = spawnSync(process.execPath, ["-e", SCRIPT], {
    encoding: "utf8",
  });
  assert.deepEqual({ status, signal }, { status: 0, signal: null }, stderr);
  assert.ok(Number(stdout) >= 5, `only ${stdout} threads were ended`);
});
