import type { Namespace } from "../../test/live/tools/netns.js";
import { type RunningTool, startTool } from "../../test/live/tools/tool.js";

export const DISTRIBUTIONS = ["uniform", "zipf", "distinct"] as const;
export type Distribution = (typeof DISTRIBUTIONS)[number];

/** What to send. One of `count` and `seconds` is needed; with both, whichever comes first ends it. */
export interface GeneratorOptions {
  count?: number;
  seconds?: number;
  /** Frames a second, paced inside the XDP program; 0 or nothing: as fast as it goes. */
  rate?: number;
  distribution?: Distribution;
  /** Links of uniform and zipf (default 262,144). */
  links?: number;
  /** Zipf's exponent (default 1). */
  exponent?: number;
  /** Share of IPv6 links, 0..1. */
  ipv6?: number;
  /** Frame length without FCS, in bytes (default 60), or its lowest and highest. */
  size?: number | readonly [number, number];
  seed?: number;
  /** One sending thread per CPU (default [0]); on veth the sender's CPU decides the receiving queue. */
  cpus?: readonly number[];
  /** Frames between two flushes (default 64, at most 256). */
  batch?: number;
  /** Scheduling priority of the sending threads, -20..19 (default 0). */
  nice?: number;
  /** Writes the matrix of what was sent to `${truth}.v4.csv` and `${truth}.v6.csv`. */
  truth?: string;
}

/** What was sent: `frames` are those the device says it handed to its peer. */
export interface GeneratorReport {
  interface: string;
  distribution: Distribution;
  frames: number;
  /** Wire bytes of the redirected frames. */
  bytes: number;
  /** Frames the program redirected: frames + xmit_errors + redirect_errors. */
  redirected: number;
  /** Frames the device dropped: its peer's ring was full (veth: 256 frames), or its peer had no NAPI. */
  xmit_errors: number;
  /** Frames the kernel refused before the device: longer than its MTU, or the device was down. */
  redirect_errors: number;
  /** True when every redirected frame was handed over; the truth files are true only then. */
  exact: boolean;
  seconds: number;
  rate: number;
  rate_asked: number;
  /** Paced only: the latest any frame left behind its time. */
  lag_max_us: number;
  /** Most frames in one flush. */
  burst_max: number;
  calls: number;
  cpu_ns_per_frame: number;
  /** Distinct links of the truth files, -1 without. */
  truth_links: number;
}

/** Starts sending out of an interface of a namespace; SIGINT to the child ends it early, with its report. */
export function startGenerator(
  namespace: Namespace,
  interfaceName: string,
  options: GeneratorOptions,
): Promise<RunningTool<GeneratorReport>> {
  // Exit code 3: not every frame was handed over. The report says so; judging it is the caller's.
  return startTool(namespace, "generate", argumentsOf(interfaceName, options), { exitCodes: [0, 3] });
}

/** Sends, and waits for the end. */
export async function generate(
  namespace: Namespace,
  interfaceName: string,
  options: GeneratorOptions,
): Promise<GeneratorReport> {
  return (await startGenerator(namespace, interfaceName, options)).report;
}

function argumentsOf(interfaceName: string, options: GeneratorOptions): string[] {
  const { cpus, size, ...plain } = options;
  const args = ["--interface", interfaceName];
  for (const [name, value] of Object.entries(plain))
    if (value !== undefined) args.push(`--${name}`, String(value));
  if (cpus !== undefined) args.push("--cpus", cpus.join(","));
  if (size !== undefined) args.push("--size", typeof size === "number" ? String(size) : size.join("-"));
  return args;
}
