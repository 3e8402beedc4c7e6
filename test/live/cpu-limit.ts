/** A share of the CPU for a process, by a control group of version 1 or 2: a machine as slow as a test wants it. */
import { existsSync, mkdirSync, readdirSync, rmdirSync, writeFileSync } from "node:fs";
import { join } from "node:path";

const PERIOD_US = 100_000;
/** It gets what it may have, whatever else runs: a slow machine is not one whose CPU others take. */
const SHARES = 262_144;
const WEIGHT_MAX = 10_000;

/** Where groups of the CPU controller are made, or undefined where there is none that this process may use. */
function cpuRoot(): { path: string; version: 1 | 2 } | undefined {
  if (existsSync("/sys/fs/cgroup/cpu/cpu.cfs_quota_us") || existsSync("/sys/fs/cgroup/cpu/cgroup.procs"))
    return { path: "/sys/fs/cgroup/cpu", version: 1 };
  if (existsSync("/sys/fs/cgroup/cgroup.subtree_control")) return { path: "/sys/fs/cgroup", version: 2 };
  return undefined;
}

export class CpuLimit {
  readonly #path: string;

  private constructor(path: string) {
    this.#path = path;
  }

  /** A process with `percent` of one CPU; undefined where it cannot be limited. */
  static of(pid: number, percent: number): CpuLimit | undefined {
    const root = cpuRoot();
    if (root === undefined) return undefined;
    const path = join(root.path, `swshed-${process.pid}`);
    const quota = Math.round((PERIOD_US * percent) / 100);
    try {
      mkdirSync(path, { recursive: true });
      if (root.version === 1) {
        writeFileSync(join(path, "cpu.cfs_period_us"), String(PERIOD_US));
        writeFileSync(join(path, "cpu.cfs_quota_us"), String(quota));
        writeFileSync(join(path, "cpu.shares"), String(SHARES));
      } else {
        writeFileSync(join(path, "cpu.max"), `${quota} ${PERIOD_US}`);
        writeFileSync(join(path, "cpu.weight"), String(WEIGHT_MAX));
      }
      writeFileSync(join(path, "cgroup.procs"), String(pid));
      return new CpuLimit(path);
    } catch {
      remove(path);
      return undefined;
    }
  }

  /** After the process has ended. */
  close(): void {
    remove(this.#path);
  }
}

function remove(path: string): void {
  try {
    if (readdirSync(path).length > 0) rmdirSync(path);
  } catch {
    // It holds a process that is just ending, or was never made: an empty group is nothing.
  }
}
