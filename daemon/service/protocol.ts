/** What the service's thread and the thread behind it say to each other, and how a chunk of the log is laid out. */
import type { AnonymizationOptions } from "../../lib/anonymize.js";
import type { Manifest } from "../../lib/manifest.js";
import type { ShipperFigures } from "../sensor/shipper.js";

/** Observations in a chunk of IPv4: the buffer holds as many keys {u32 destination, u32 source}, then u32 bytes each. */
export const CHUNK4 = 1 << 16;
/** Bytes of every chunk, whichever its family: 768 KiB. */
export const CHUNK_BYTES = CHUNK4 * 12;
/** Words of an observation of IPv6: source (4), destination (4), bytes (1); addresses in network order in memory. */
export const WORDS6 = 9;
export const CHUNK6 = Math.floor(CHUNK_BYTES / (4 * WORDS6));
/** Chunks that exist at once, 48 MiB: what bridges a worker that is encoding or held up. */
export const CHUNKS_MAX = 64;
/** Most bytes one observation may have; the sum of an interval then stays far below 2^64. */
export const OBSERVATION_BYTES_MAX = 2 ** 40;

export interface Chunk {
  family: 4 | 6;
  buffer: ArrayBuffer;
  /** Observations in it. */
  count: number;
  /** Pairs (position, bytes) of the observations whose bytes do not fit 32 bits. */
  large: number[];
}

/** Where to ship, and the spool that bridges its absence. */
export interface DeliveryOptions {
  url: string;
  tokenFile: string | undefined;
  caFile: string | undefined;
  timeoutMs: number;
  retryMsMax: number;
  spoolPath: string;
  spoolBytesMax: number;
}

export interface ServiceWorkerData {
  sensor: string;
  service: string;
  /** When the first interval opened, ns since 1970 UTC. */
  openedNs: bigint;
  linksMax: number;
  memoryBytesMax: number;
  ipv6HashKeyFile: string | undefined;
  delivery: DeliveryOptions | undefined;
  anonymization: AnonymizationOptions | undefined;
  /** Whether intervals are to be handed back (onInterval). */
  isHandedBack: boolean;
  /** Folded chunks go back through it. */
  recycle: import("node:worker_threads").MessagePort;
}

export type ToWorker =
  | { type: "chunk"; chunk: Chunk; atMs: number }
  | { type: "seal"; endNs: bigint; cause: "clock" | "stop"; malformed: number; shed: number }
  | { type: "close"; timeoutMs: number };

export type FromWorker =
  /** An interval is sealed (handed: only when it is to be handed back). */
  | {
      type: "interval";
      observations: number;
      handed: { archive: Uint8Array<ArrayBuffer>; manifest: Manifest } | undefined;
      milliseconds: number;
    }
  | { type: "delivery"; delivery: DeliveryFigures }
  /** Observations that were folded or being folded when it failed; their interval is gone. */
  | { type: "failed"; observations: number }
  | { type: "fault"; code: string; message: string }
  | { type: "closed" };

export interface DeliveryFigures extends ShipperFigures {
  /** Intervals on disk and in memory that are not acknowledged yet. */
  waiting: number;
  /** Intervals lost, by cause. */
  lost: Record<string, number>;
}
