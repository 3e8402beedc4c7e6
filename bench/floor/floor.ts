import type { Namespace } from "../../test/live/tools/netns.js";
import { type RunningTool, startTool } from "../../test/live/tools/tool.js";

/** How the floor receives; the same choices a capture worker has. */
export interface FloorOptions {
  seconds: number;
  queue?: number;
  wake?: "sleep" | "adaptive" | "poll" | "spin";
  sleepMicroseconds?: number;
  /** adaptive: frames each wake-up should find. */
  wakeFrames?: number;
  /** Descriptors of RX and fill ring, a power of two (default 32768). */
  ring?: number;
  /** Bytes of a chunk: 2048 (default) or 4096. */
  chunk?: number;
  /** Transparent huge pages under the UMEM. */
  huge?: boolean;
  /** Reads the IPv4 addresses of each frame: the least a traffic matrix needs. */
  touch?: boolean;
  /** Does a capture thread's whole work natively; where things lie in its memory (see count.h). */
  count?: string;
  cpu?: number;
  /** Attach in generic (SKB) mode instead of native. */
  generic?: boolean;
}

export interface FloorReport {
  frames: number;
  bytes: number;
  rx_dropped: number;
  rx_invalid_descs: number;
  rx_ring_full: number;
  rx_fill_ring_empty_descs: number;
  /** CLOCK_THREAD_CPUTIME_ID of the receiving thread from bind to stop. */
  cpu_ns: number;
  cpu_ns_per_frame: number;
  breaths: number;
  wakeups: number;
  frames_per_wakeup: number;
  batch_max: number;
  wake: string;
}

/** Starts the floor on an interface; `ready` resolves once it is bound and attached; SIGINT ends it with its report. */
export function startFloor(
  namespace: Namespace,
  interfaceName: string,
  options: FloorOptions,
): Promise<RunningTool<FloorReport>> {
  const args = ["--interface", interfaceName, "--seconds", String(options.seconds)];
  const add = (name: string, value: string | number | undefined) => {
    if (value !== undefined) args.push(name, String(value));
  };
  add("--queue", options.queue);
  add("--wake", options.wake);
  add("--sleep-us", options.sleepMicroseconds);
  add("--wake-frames", options.wakeFrames);
  add("--ring", options.ring);
  add("--chunk", options.chunk);
  add("--count", options.count);
  add("--cpu", options.cpu);
  if (options.huge === true) args.push("--huge");
  if (options.touch === true) args.push("--touch");
  if (options.generic === true) args.push("--generic");
  return startTool(namespace, "floor", args);
}
