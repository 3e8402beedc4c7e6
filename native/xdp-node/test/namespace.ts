/**
 * Live tests run in a network namespace of their own that has no name and ends with its last process: nothing
 * is left behind however they end. A test file enters it by running itself again under unshare.
 */
import { spawnSync } from "node:child_process";
import { test } from "node:test";
import { fileURLToPath } from "node:url";

const INSIDE = "XDP_NODE_TEST_NAMESPACE";

/** True in the namespace: define the tests. False outside: they are running, or skipped with a reason. */
export function enterNamespace(moduleUrl: string): boolean {
  if (process.env[INSIDE] !== undefined) return true;
  const file = fileURLToPath(moduleUrl);
  const why = refusal();
  if (why !== undefined) {
    test("live tests", { skip: why }, () => {});
    return false;
  }
  // Under `node --test` the inner process speaks to the runner through the inherited standard output.
  const env = { ...process.env, [INSIDE]: "1" };
  const nodeArguments = ["--expose-gc", "--enable-source-maps", file];
  const inner = spawnSync("unshare", ["--net", "--", process.execPath, ...nodeArguments], {
    stdio: "inherit",
    env,
  });
  process.exitCode = inner.status ?? 1;
  return false;
}

function refusal(): string | undefined {
  if (process.getuid?.() !== 0) return "needs root: run as root to test on real interfaces";
  const tried = spawnSync("unshare", ["--net", "--", "ip", "link", "add", "type", "veth"], {
    encoding: "utf8",
  });
  if (tried.status === 0) return undefined;
  return `no network namespace with a veth to be had here: ${tried.stderr?.trim() || tried.error?.message}`;
}

/** Runs ip(8), which must succeed. */
export function ip(command: string): void {
  const done = spawnSync("ip", command.split(" "), { encoding: "utf8" });
  if (done.status !== 0) throw new Error(`ip ${command}: ${done.stderr}`);
}
