/** How a daemon comes to run without io_uring, whatever stands around it. */
import assert from "node:assert/strict";
import { fork } from "node:child_process";
import { once } from "node:events";
import { type TestContext, test } from "node:test";
import { canMakeUring } from "xdp-node";
import { BINARY, temporaryFolder } from "../cli/command.js";

const skip = canMakeUring() ? false : "this kernel, or what stands around this process, refuses io_uring";

/** An aggregator that has a channel to this process, as those have that a process manager starts. */
function forkAggregator(t: TestContext, env: NodeJS.ProcessEnv) {
  const args = ["aggregator", "--set", "listen.port=0", "--set", `store.path=${temporaryFolder(t)}/store`];
  const child = fork(BINARY, args, { silent: true, env: { ...process.env, ...env } });
  t.after(() => child.kill("SIGKILL"));
  const ended = once(child, "exit");
  let log = "";
  const isConfined = new Promise<void>((resolve, reject) => {
    child.stderr!.setEncoding("utf8").on("data", (text: string) => {
      log += text;
      if (log.includes("from here on")) resolve();
    });
    child.once("exit", () => reject(new Error(`it ended: ${log}`)));
  });
  return { child, ended, isConfined, log: () => log };
}

test("a daemon that was forked keeps its process id and its channel", { skip }, async (t) => {
  const { child, ended, isConfined, log } = forkAggregator(t, {});
  await isConfined;
  assert.equal(child.connected, true, "the channel is open");
  child.kill("SIGTERM");
  assert.deepEqual(await ended, [0, null], log());
});

test("a daemon that has an io_uring all the same refuses to confine itself, and says what to do", {
  skip,
}, async (t) => {
  // As if it had been started anew already. libuv of that name makes rings on every Node.js.
  const { ended, isConfined, log } = forkAggregator(t, {
    SPARSEWIRE_WITHOUT_URING: "1",
    UV_USE_IO_URING: "1",
  });
  await assert.rejects(isConfined, /it ended/);
  assert.deepEqual(await ended, [5, null], log());
  assert.match(
    log(),
    /^sparsewire: this process has an io_uring .*; start it where .*privileges\.sandbox = false$/m,
  );
});
