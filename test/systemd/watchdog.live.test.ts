import assert from "node:assert/strict";
import { type ChildProcess, spawn } from "node:child_process";
import { once } from "node:events";
import { join } from "node:path";
import { createInterface } from "node:readline";
import { test } from "node:test";
import { ROOT } from "../cli/command.js";
import { Rig, sleep } from "../live/rig.js";
import { requireRoot } from "../live/tools/netns.js";
import { openReceiver } from "./receiver.js";

const WATCHDOG_MS = 1000;

test("a sensor with an aggregator that is away beats; with a capture thread that stands still it does not", async (t) => {
  if (!requireRoot(t)) return;
  const receiver = await openReceiver(t);
  if (receiver === undefined) return;
  // A traced thread holds its process up: whatever fails below, the tracer goes first.
  let tracer: ChildProcess | undefined;
  t.after(() => tracer?.kill("SIGKILL"));
  const rig = new Rig({
    env: { NOTIFY_SOCKET: receiver.path, WATCHDOG_USEC: String(WATCHDOG_MS * 1000) },
    top: 'interval = "200ms"',
  });
  t.after(() => rig.close());
  await rig.start();
  t.after(() => rig.stop("SIGKILL"));
  const ready = await receiver.wait(/^READY=1/, 10_000);
  assert.match(ready ?? "", /STATUS=mirror on rx0, native, copy; \d+ intervals sealed/, rig.log);
  assert.equal((await rig.status()).ready, true, "READY comes after the first seal");
  const beats = (from: number) =>
    receiver.messages.slice(from).filter(({ text }) => text.startsWith("WATCHDOG=1"));
  const start = receiver.messages.length;
  await sleep(3 * WATCHDOG_MS);
  assert.ok(beats(start).length >= 4, `${beats(start).length} beats although nobody takes the intervals`);

  const stopper = spawn(
    "python3",
    [join(ROOT, "test/systemd/stop-thread.py"), String(rig.child!.pid), "sw-capture-0"],
    {
      stdio: ["pipe", "pipe", "inherit"],
    },
  );
  tracer = stopper;
  const [said] = (await once(createInterface(stopper.stdout), "line")) as [string];
  assert.equal(said, "stopped");
  const stopped = receiver.messages.length;
  const why = await receiver.wait(/^STATUS=no progress/, 3 * WATCHDOG_MS, stopped);
  assert.match(why ?? "", /capture worker 0 has stood still/, rig.log);
  const silent = receiver.messages.length;
  await sleep(2 * WATCHDOG_MS);
  assert.deepEqual(beats(silent), [], "no beat while it stands still: systemd would end and restart it");
  assert.equal((await rig.status()).pid, rig.child!.pid, "the rest of the process answers all the while");

  stopper.stdin.end("\n");
  await once(stopper, "exit");
  assert.ok(await receiver.wait(/^WATCHDOG=1/, 2 * WATCHDOG_MS, silent), "it moves again");
  assert.equal(await rig.stop(), 0);
  assert.ok(await receiver.wait(/^STOPPING=1/, 1000, silent));
});
