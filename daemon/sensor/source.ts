/**
 * Where frames come from, seen from the rest of a sensor: something that fills sandboxes and seals intervals. Live
 * interfaces and capture files stand behind the same face, so everything after the seal is one code path.
 */

import type { SealCause } from "../../lib/abi.js";
import type { Forward } from "../../lib/forward.js";
import type { Manifest } from "../../lib/manifest.js";
import type { DropCause } from "../../lib/reasons.js";
import type { ExtensionHost } from "../extension/extension-host.js";
import type { HostStatus } from "./host-source.js";
import type { Shedding } from "./shedding.js";

/** One interval, sealed in every sandbox: slots wait until the matrix worker has copied them. */
export interface SealedInterval {
  /** 1 for the first seal of the run. */
  sequence: number;
  cause: SealCause;
  slots: { memory: number; slot: number }[];
  /** Files: the window by the packets' own timestamps. */
  window?: { start: bigint; end: bigint };
  /** From the request until the last sandbox was done. */
  sealMs: number;
}

export interface SourceEvents {
  sealed(interval: SealedInterval): void;
  /** Nothing more will come: the file is read, or stop() is done. `damage`: why a file ended early. */
  ended(damage?: string): void;
  /** Something that was asked for cannot be done; capture goes on without it. */
  warned?(error: unknown): void;
  /** A worker died; the sensor cannot go on. */
  failed(error: Error): void;
}

/** Live figures of one capture worker. */
export interface WorkerVitals {
  cpuNs: number;
  wakeups: number;
  heartbeat: number;
  /** With extensions: the longest time between two breaths so far. */
  pauseMs?: number;
}

export interface FrameSource {
  /** What manifests say under `interface`. */
  readonly name: string;
  /** Programs that see its frames; the source starts them, the sensor gathers what they make and ends them. */
  readonly extensions?: ExtensionHost | undefined;
  readonly effective: Manifest["effective"];
  readonly memories: readonly WebAssembly.Memory[];
  /** Seals asked for so far. */
  readonly sequence: number;
  start(events: SourceEvents): Promise<void>;
  /** Ends interval `sequence` unless it has ended; false when it had. Files end their intervals themselves. */
  ask(sequence: number, cause: SealCause): boolean;
  /** Frames lost before the sandbox since start, by exclusive cause. */
  drops(): Record<DropCause, number>;
  /** Raw XDP_STATISTICS and interface counters, for status and metrics. */
  statistics(): { xdp: Record<string, number>[]; interface: Record<string, number> };
  vitals(): WorkerVitals[];
  /** The RX queues of each capture worker; empty where there are none. */
  readonly queues: number[][];
  /** Frames that reached the program in the kernel, and those that it left to the stack, since the start; null: no program. */
  seen(): { frames: number; passed: number } | null;
  /** Mode inline: what became of the frames of each direction, since the start. */
  forward?(): Forward[];
  /** Load shedding, where the kernel can do it for this source. */
  readonly shedding?: Shedding | undefined;
  /** Mode host: interfaces, and what the programs counted. */
  hostStatus?(): HostStatus;
  /** Seals the last interval and releases everything; `ended` follows. */
  stop(): Promise<void>;
}
