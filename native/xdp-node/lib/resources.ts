/** Limits of what this process may take. */
import { readFileSync } from "node:fs";
import { guard } from "./errors.js";
import { native } from "./native.js";

/**
 * From now on this process may take `bytes` more of memory than it has, and `cpuSeconds` of the processor in all
 * (RLIMIT_DATA, RLIMIT_CPU); it leaves no core dump. What exceeds them ends it. For good, and for all its threads.
 */
export function limitResources({ bytes, cpuSeconds }: { bytes: number; cpuSeconds: number }): void {
  const [, has = "0"] = /^VmData:\s+(\d+) kB$/m.exec(readFileSync("/proc/self/status", "latin1")) ?? [];
  guard("limit resources", () => native.limitResources(1024 * Number(has) + bytes, cpuSeconds));
}
