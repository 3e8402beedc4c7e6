/** Namespaces and veth pairs for tests: those of the demonstration, and when a test must skip. */
import { spawnSync } from "node:child_process";

export * from "../../../daemon/demo/netns.js";

/** What is in the way of live tests here, or undefined when nothing is: to be given as a test's `skip`. */
export function liveSkipReason(): string | undefined {
  if (process.platform !== "linux") return "live tests need Linux";
  if (process.getuid?.() !== 0) return "live tests need root (network namespaces, XDP)";
  for (const tool of ["ip", "ethtool"]) {
    if (spawnSync(tool, ["-V"], { stdio: "ignore" }).error !== undefined) return `live tests need ${tool}`;
  }
  return undefined;
}

/** Skips the test `t`, visibly and with the reason, where live tests cannot run. Returns whether they can. */
export function requireRoot(t: { skip(message?: string): void }): boolean {
  const reason = liveSkipReason();
  if (reason !== undefined) t.skip(reason);
  return reason === undefined;
}
