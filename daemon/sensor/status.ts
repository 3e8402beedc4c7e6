/** What GET /status of the control socket answers: the figures behind `sparsewire status` and `top`. */
import type { CounterName } from "../../lib/abi.js";
import type { Forward } from "../../lib/forward.js";
import type { Manifest } from "../../lib/manifest.js";
import type { DropCause } from "../../lib/reasons.js";
import type { Quantities } from "../../lib/traffic.js";
import type { DependabilityStatus } from "../dependability/sensor-dependability.js";
import type { ExtensionStatus } from "../extension/extension-host.js";
import type { PrivilegesStatus } from "../privileges/confine.js";
import type { HostStatus } from "./host-source.js";
import type { ShedStatus } from "./shedding.js";
import type { ShipperFigures } from "./shipper.js";

export interface WorkerStatus {
  cpu_ns: number;
  wakeups: number;
  queues: number;
  frames: number;
  /** With extensions: the longest time between two breaths so far. */
  pause_ms?: number;
}

/** JSON of the last sealed interval. Times are ms since 1970 UTC. */
export interface IntervalStatus {
  sequence: number;
  start_ms: number;
  end_ms: number;
  sealed_by: string;
  frames: number;
  packets: number;
  bytes: number;
  drops: Record<DropCause, number>;
  /** Share of the packets that was counted; 1: all. */
  sampling: number;
  /** 1 - relative error bound of the busiest links together (lib/sampling.ts). */
  accuracy: number;
  quantities: Partial<Record<string, Quantities>>;
}

/** Where a sandbox's memory is in the process, and its UMEMs in that: what proves that frames are inside. */
export interface SandboxStatus {
  /** Hexadecimal process address of the memory's first byte. */
  address: string;
  bytes: number;
  queues: { queue: number; umem_offset: number; umem_bytes: number; chunk_bytes: number }[];
}

export interface SensorStatus {
  software: string;
  sensor: string;
  run: string;
  interface: string;
  mode: string;
  effective: Manifest["effective"];
  /** Scheme and key id; "none" where addresses are clear. */
  anonymization: Manifest["anonymization"];
  pid: number;
  uptime_s: number;
  ready: boolean;
  /** Cumulative since the start. */
  counters: Record<CounterName, number>;
  /** Cumulative, exclusive causes: frames offered = counters.frames + their sum. */
  drops: Record<DropCause, number>;
  /** Load shedding; null where the source has none. */
  shedding: ShedStatus | null;
  xdp_statistics: Record<string, number>[];
  interface_counters: Record<string, number>;
  /** Frames that reached the XDP program, and those it left to the host's stack; null for files. */
  xdp_seen: { frames: number; passed: number } | null;
  /** Mode inline: per direction, cumulative; null in other modes. */
  forward: Forward[] | null;
  /** Mode host: its interfaces; null in other modes. */
  host: HostStatus | null;
  workers: WorkerStatus[];
  sandboxes: SandboxStatus[];
  matrix: { cpu_ns: number; memory_bytes: number; pending: number };
  process: { cpu_ns: number; resident_bytes: number };
  intervals: { sealed: number; lost: Record<string, number>; lag_s: number | null };
  last_interval: IntervalStatus | null;
  /** set_aside: intervals refused for good or damaged, kept beside the others. */
  spool: { depth: number; bytes: number; waiting: number; set_aside: number; path: string } | null;
  ship: (ShipperFigures & { target: string }) | null;
  /** Availability, reliability, ... over 1 h, 1 day and 30 days; null for files. */
  dependability: DependabilityStatus | null;
  /** What the process holds, as the kernel says of each thread. */
  privileges: PrivilegesStatus;
  /** Cumulative, as of the last interval: frames + missed are all descriptors up to its end. */
  extensions?: ExtensionStatus[];
  metrics_url: string | null;
}
