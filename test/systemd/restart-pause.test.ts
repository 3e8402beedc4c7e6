/** A sensor that cannot start does not spend its host's CPU on trying. */
import assert from "node:assert/strict";
import { spawn } from "node:child_process";
import { once } from "node:events";
import { test } from "node:test";
import { ServiceManager } from "../../daemon/sd-notify.js";
import { pauseBeforeRestart } from "../../daemon/sensor/restart-pause.js";
import { EXIT, SparsewireError } from "../../lib/errors.js";
import { temporaryFolder } from "../cli/command.js";
import { CLI } from "../live/rig.js";
import { openReceiver } from "./receiver.js";

const failure = (exit: 1 | 2 | 4 | 5): SparsewireError =>
  new SparsewireError("TEST", "it does not start", { exit, mend: "" });

async function pauseOf(error: unknown, interfaces: string[], socket?: string): Promise<[number, string[]]> {
  const told: string[] = [];
  const manager = new ServiceManager(
    socket === undefined ? {} : { NOTIFY_SOCKET: socket },
    undefined,
    (_, text) => {
      told.push(text);
      return 0;
    },
  );
  const start = performance.now();
  await pauseBeforeRestart(error, { manager, interfaces, pauseMs: 100, awayMsMax: 600 });
  return [performance.now() - start, told];
}

test("a failed start is paused where it will be repeated, longer while an interface is away", async () => {
  const [plain, told] = await pauseOf(failure(EXIT.failure), ["lo"], "/notify");
  assert.ok(plain >= 90 && plain < 500, `${plain}`);
  assert.deepEqual(told, ["STATUS=cannot start: it does not start"]);
  const [away] = await pauseOf(failure(EXIT.failure), ["lo", "sw-nowhere"], "/notify");
  assert.ok(away >= 550, `${away}`);
  for (const exit of [EXIT.usage, EXIT.notPermitted, EXIT.unsupported] as const)
    assert.ok((await pauseOf(failure(exit), [], "/notify"))[0] < 50, "systemd does not start it again");
  assert.ok((await pauseOf(failure(EXIT.failure), ["sw-nowhere"]))[0] < 50, "somebody waits at a terminal");
});

test("a sensor whose interface is away says so, and stays", async (t) => {
  const receiver = await openReceiver(t);
  if (receiver === undefined) return;
  const args = [CLI, "sensor", "--interface", "sw-nowhere", "--set", `spool.path=${temporaryFolder(t)}`];
  const child = spawn(process.execPath, args, {
    env: { ...process.env, NOTIFY_SOCKET: receiver.path },
    stdio: ["ignore", "ignore", "pipe"],
  });
  t.after(() => child.kill("SIGKILL"));
  const status = await receiver.wait(/^STATUS=cannot start/, 10_000);
  assert.match(status ?? "", /there is no interface sw-nowhere/);
  await new Promise((resolve) => setTimeout(resolve, 500));
  assert.equal(child.exitCode, null);
  const ended = once(child, "exit");
  child.kill("SIGTERM");
  assert.equal((await ended)[1], "SIGTERM", "and is stopped at once");
});
