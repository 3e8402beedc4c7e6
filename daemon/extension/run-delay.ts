/** How long a thread of this process could have run and had no processor: who waits is not to blame for being late. */
import { readFileSync } from "node:fs";

/** ns since the thread began; 0 where the kernel does not tell. Source: Documentation/scheduler/sched-stats.rst. */
export function runDelayNs(thread: number): number {
  try {
    return Number(readFileSync(`/proc/self/task/${thread}/schedstat`, "latin1").split(" ")[1] ?? 0);
  } catch {
    return 0;
  }
}
