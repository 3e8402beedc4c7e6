/**
 * Both daemons on every other Node.js that is in the cache (`npm run test:nodes` fills it): they start, give up their
 * rights, live and end, with no io_uring anywhere. Releases differ in what their event loop makes before we run.
 */
import assert from "node:assert/strict";
import { type ChildProcess, spawn } from "node:child_process";
import { once } from "node:events";
import { mkdtempSync, readdirSync, readlinkSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { type TestContext, test } from "node:test";
import { generate } from "../../bench/generator/generator.js";
import type { PrivilegesStatus } from "../../daemon/privileges/confine.js";
import { BINARY } from "../cli/command.js";
import { Rig } from "../live/rig.js";
import { liveSkipReason } from "../live/tools/netns.js";
import { cachedNodes, TRIED_NODES } from "./releases.js";

const FRAMES = 2000;
const cached = new Map(cachedNodes());

function skipReason(version: string): string | undefined {
  if (version === process.versions.node) return "these tests run on it";
  return cached.has(version) ? liveSkipReason() : "not in the cache: npm run test:nodes";
}

/** What no daemon has: a ring of its event loop, or of one of its threads. */
function assertNoUring(pid: number): void {
  const targets = readdirSync(`/proc/${pid}/fd`).flatMap((fd) => {
    try {
      return [readlinkSync(`/proc/${pid}/fd/${fd}`)];
    } catch {
      return [];
    }
  });
  assert.ok(targets.includes("anon_inode:[eventpoll]"), "its descriptors can be seen");
  assert.deepEqual(
    targets.filter((target) => target.includes("io_uring")),
    [],
  );
}

function assertConfined({ seccomp, no_new_privs, capabilities }: PrivilegesStatus): void {
  assert.deepEqual([seccomp.mode, no_new_privs, capabilities.permitted], ["filter", true, []]);
}

/** An aggregator with a store of its own; it has confined itself when this resolves. */
async function startAggregator(t: TestContext, node: string, env: NodeJS.ProcessEnv) {
  const folder = mkdtempSync(join(tmpdir(), "sparsewire-nodes-"));
  const args = ["--set", "listen.port=0", "--set", `store.path=${folder}/store`];
  const child: ChildProcess = spawn(node, [BINARY, "aggregator", ...args], {
    env: { ...process.env, ...env },
    stdio: ["ignore", "ignore", "pipe"],
  });
  t.after(() => {
    child.kill("SIGKILL");
    rmSync(folder, { recursive: true, force: true });
  });
  let log = "";
  child.stderr!.setEncoding("utf8");
  for await (const text of child.stderr!.iterator({ destroyOnReturn: false })) {
    log += text;
    if (log.includes("from here on")) break;
  }
  assert.match(log, /from here on/);
  child.stderr!.on("data", (text: string) => {
    log += text;
  });
  return { child, url: /"url":"([^"]+)"/.exec(log)![1]!, log: () => log };
}

for (const version of TRIED_NODES) {
  const node = cached.get(version) ?? "";

  test(`a sensor on Node.js ${version} is confined and captures every frame`, {
    skip: skipReason(version) ?? false,
  }, async (t) => {
    const rig = new Rig({ node, top: 'interval = "200ms"\n', tables: "[shedding]\nenabled = false\n" });
    t.after(() => rig.close());
    await rig.start();
    await rig.until(() => rig.log.includes("from here on") || rig.hasEnded);
    const sent = await generate(rig.sender, "tx0", { count: FRAMES, rate: 20_000 });
    const { counters, privileges } = await rig.settled(sent.frames);
    assert.equal(counters.frames, FRAMES, rig.log);
    assertConfined(privileges);
    assertNoUring(rig.child!.pid!);
    assert.equal(await rig.stop(), 0, rig.log);
  });

  test(`an aggregator on Node.js ${version} is confined and answers`, {
    skip: skipReason(version) ?? false,
  }, async (t) => {
    // Libuv of that name uses rings for files as well.
    const { child, url, log } = await startAggregator(t, node, { UV_USE_IO_URING: "1" });
    const { privileges } = (await (await fetch(`${url}/api/v1/status`)).json()) as {
      privileges: PrivilegesStatus;
    };
    assertConfined(privileges);
    assertNoUring(child.pid!);
    const ended = once(child, "exit");
    child.kill("SIGTERM");
    assert.deepEqual(await ended, [0, null], log());
  });
}
