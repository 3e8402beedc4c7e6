/** What the main thread and a capture worker tell each other. */

import type { ForwardData } from "./forwarder.js";

export interface LiveWorkerData {
  memory: WebAssembly.Memory;
  sealLine: SharedArrayBuffer;
  /** Float64: [cpuNs, wakeups, heartbeat, breaths that found frames]. Written here, read by the main thread. */
  vitals: SharedArrayBuffer;
  index: number;
  /** Workers that share the seal line, this one included. */
  workers: number;
  queues: number;
  /** Mode host: BPF ring buffers of this sandbox. */
  hostRings?: number;
  /** Sockets that want a system call before the driver looks at the fill ring (zero-copy), else empty. */
  wakeFds: number[];
  /** Mode inline: frames go on to another interface. */
  forward?: ForwardData;
  /** Scheduling priority to ask for, -20 to 19. */
  nice: number;
  sleepMsMin: number;
  sleepMsMax: number;
  windowPackets: number;
}

/** What a worker posts, once per interval. */
export type LiveWorkerMessage =
  | { type: "ready" }
  | { type: "sealed"; worker: number; sequence: number; cause: number; slot: number; sealMs: number }
  | { type: "ended"; worker: number };

export const VITALS = {
  cpuNs: 0,
  wakeups: 1,
  heartbeat: 2,
  frames: 3,
  pauseMs: 4,
  parking: 5,
  words: 6,
} as const;
/** Values of VITALS.parking: the main thread asks, the worker parks when its rings are empty. */
export const PARKING = { none: 0, asked: 1, parked: 2 } as const;

/** What resumes a parked worker: it starts its queues anew, on rings that have been put in place of the old ones. */
export interface Resume {
  type: "resume";
  wakeFds: number[];
}
