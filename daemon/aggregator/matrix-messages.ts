/** What the main thread and a matrix worker say to each other. */
import type { Family } from "../../lib/address.js";
import type { ExportFormat } from "../../lib/export.js";
import type { Manifest } from "../../lib/manifest.js";
import type { TopOrder } from "../../lib/top.js";
import type { PlannedFile } from "./plan.js";
import type { BadFile, SumFault } from "./sum.js";

export interface WorkerSettings {
  memoryBytes: number;
}

/** A part of a roll-up, as a file. */
export interface RollupWanted {
  kind: "rollup";
  path: string;
  temporary: string;
  period: number;
  part: number;
  start: bigint;
  end: bigint;
  /** One file, whose matrices do not fit in memory, is taken over as it is. */
  asIs: boolean;
}

/** What is wanted of the sum of the files. */
export type Wanted =
  | RollupWanted
  | { kind: "top"; by: TopOrder; n: number; family: Family }
  | { kind: "quantities" }
  | {
      kind: "export";
      format: ExportFormat | "tar";
      family: Family;
      plane: "packets" | "bytes";
      /** Estimates too, or as values (ExportOptions.estimate). */
      estimated: boolean;
    };

export interface Task {
  files: readonly PlannedFile[];
  wanted: Wanted;
}

export type ToWorker =
  | { type: "task"; id: number; task: Task }
  /** One piece of an answer has been taken: another may follow. */
  | { type: "more"; id: number }
  | { type: "cancel"; id: number };

/** Counts of a sum, for the headers of its answer. */
export interface SumFacts {
  intervals: number;
  packets: number;
  bytes: number;
  /** Frames that were not counted, shed ones included. */
  lost: number;
  /** Share of the traffic that was counted on purpose; 1: all. */
  sampling: number;
}

export interface RolledUp {
  size: number;
  manifest: Pick<Manifest, "intervals" | "parts">;
}

export type FromWorker =
  /** The sum is made; what follows is its text. */
  | { type: "facts"; id: number; facts: SumFacts }
  | { type: "piece"; id: number; bytes: Uint8Array }
  | { type: "done"; id: number; value: unknown }
  /** Counters of a sum, or values of its matrices, have stopped at their end. */
  | { type: "saturated"; id: number; names: readonly string[] }
  | {
      type: "failed";
      id: number;
      fault: SumFault | "disk" | "empty" | "internal";
      message: string;
      path: string;
      /** More files that are bad. */
      others: readonly BadFile[];
    };
