/** A confined aggregator: it stores, rolls up, answers and reloads, and an intruder in it gets nowhere. */
import assert from "node:assert/strict";
import { type ChildProcess, spawn } from "node:child_process";
import { existsSync, mkdirSync, mkdtempSync, readFileSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { test } from "node:test";
import { landlockAbi } from "xdp-node";
import { CLI, sleep } from "../live/rig.js";
import type { IntruderReport } from "../live/tools/intruder.js";

const INTRUDER = new URL("../live/tools/intruder.js", import.meta.url).href;

async function until<T>(what: () => T | undefined | Promise<T | undefined>, why: () => string): Promise<T> {
  for (const deadline = Date.now() + 10_000; ; await sleep(50)) {
    const answer = await what();
    if (answer !== undefined) return answer;
    assert.ok(Date.now() < deadline, why());
  }
}

test("an aggregator is confined and goes on working", async () => {
  const folder = mkdtempSync(join(tmpdir(), "sparsewire-confined-"));
  const [store, settings] = [join(folder, "store"), join(folder, "etc")];
  const report = join(store, "intruder.json");
  let child: ChildProcess | undefined;
  try {
    mkdirSync(settings);
    const token = join(settings, "token");
    const file = join(settings, "aggregator.toml");
    writeFileSync(token, "0123456789abcdef0123456789abcdef", { mode: 0o600 });
    writeFileSync(file, `token_file = "${token}"\n[listen]\nport = 0\n[store]\npath = "${store}"\n`);
    let log = "";
    child = spawn(process.execPath, ["--import", INTRUDER, CLI, "aggregator", "--config", file], {
      env: { ...process.env, INTRUDER_REPORT: report },
      stdio: ["ignore", "ignore", "pipe"],
    });
    child.stderr!.setEncoding("utf8").on("data", (text: string) => {
      log += text;
    });
    await until(
      () => (log.includes("from here on") ? true : undefined),
      () => log,
    );
    const url = /"url":"([^"]+)"/.exec(log)![1]!;
    const ask = async (bearer: string): Promise<Response> =>
      await fetch(`${url}/api/v1/status`, { headers: { authorization: `Bearer ${bearer}` } });

    child.kill("SIGUSR2");
    await until(
      () => (existsSync(report) ? true : undefined),
      () => log,
    );
    const { calls, tries } = JSON.parse(readFileSync(report, "utf8")) as IntruderReport;
    assert.deepEqual(calls, { main: [], early: [], late: [] });
    assert.equal(tries.spawn, "EPERM");
    if (landlockAbi() >= 2) assert.equal(tries["read a secret"], "EACCES");
    for (const way of ["bind a port", "ask a local service", "speak MPTCP", "signal by a descriptor"])
      assert.equal(tries[way], "EPERM", way);
    assert.equal(tries["open a file to all"], "EPERM");

    const { privileges } = (await (await ask("0123456789abcdef0123456789abcdef")).json()) as {
      privileges: { seccomp: { mode: string; bpf: string[] }; no_new_privs: boolean };
    };
    assert.equal(privileges.no_new_privs, true);
    assert.equal(privileges.seccomp.mode, "filter");
    assert.deepEqual(privileges.seccomp.bpf, []);

    // A token that is renewed as tools do it: another file of the same name.
    rmSync(token);
    writeFileSync(token, "fedcba9876543210fedcba9876543210", { mode: 0o600 });
    child.kill("SIGHUP");
    await until(
      () => (log.includes("configuration reloaded") ? true : undefined),
      () => log,
    );
    assert.equal((await ask("fedcba9876543210fedcba9876543210")).status, 200);
    const exit = new Promise((resolve) => child!.once("exit", resolve));
    child.kill("SIGTERM");
    assert.equal(await exit, 0, log);
    assert.ok(!existsSync(join(store, "lock")), "the store was given back");
  } finally {
    child?.kill("SIGKILL");
    rmSync(folder, { recursive: true, force: true });
  }
});
