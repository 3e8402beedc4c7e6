/** What the main thread and the thread of an extension tell each other. */
import type { ExtensionDescription, ExtensionLayout } from "../../lib/extension-abi.js";

/** What can be wrong with an extension that runs. Also a label of metrics: a closed set. */
export const SUSPENSIONS = [
  "trap", // it trapped: out of bounds, unreachable, stack overflow
  "timeout", // a call took too long
  "rows", // it claims more rows, labels or events than there is room for
  "events", // it floods the log
  "memory", // it took memory that is not its own
  "overtaken", // its batch was overtaken by a whole ring of frames
  "late", // what it made of an interval was not there in time, twice in a row
  "refused", // its module may not run at all
  "failed", // its thread ended, or could not start
] as const;
export type Suspension = (typeof SUSPENSIONS)[number];

export interface ExtensionSettings {
  name: string;
  memoryMax: number;
  batchTimeoutMs: number;
  rowsMax: number;
  labelsBytesMax: number;
  eventsMax: number;
}

export interface ExtensionWorkerData {
  settings: ExtensionSettings;
  /** The module, compiled by the main thread. */
  wasm: Uint8Array;
  layout: ExtensionLayout;
  /** Descriptors of the memfds that are mapped at layout.regions. */
  fds: number[];
  /** Each capture sandbox: its memory, and the region that is its ring of descriptors. */
  rings: { memory: WebAssembly.Memory; region: number }[];
  /** Which tap of the rings. */
  index: number;
  mode: number;
  /** Files: nobody takes a frame away from it, and it is woken, not timed. */
  isLossless: boolean;
  givesVerdicts: boolean;
  /** Float64, see VITALS. */
  vitals: SharedArrayBuffer;
  /** Int32, see CALLS. */
  calls: SharedArrayBuffer;
}

/** Written by the extension's thread, read by the main thread. */
export const VITALS = { cpuNs: 0, memory: 1, words: 2 } as const;

/** `call` is odd while the extension runs; `thread` is the kernel's id; `stop` asks it to end. */
export const CALLS = { call: 0, thread: 1, stop: 2, words: 3 } as const;

export interface SealedExtension {
  type: "sealed";
  /** 1 is the first seal. */
  seal: number;
  frames: number;
  rows: number;
  rowsLost: number;
  labelsLost: number;
  events: number;
  blob: Uint8Array<ArrayBuffer>;
  dict: Uint8Array<ArrayBuffer>;
}

export type ExtensionMessage =
  | { type: "loaded" }
  | { type: "ready"; description: ExtensionDescription }
  | { type: "joined"; seal: number }
  | { type: "refused"; code: string; what: string; mend: string }
  | SealedExtension
  | { type: "event"; level: number; text: string }
  | { type: "suspended"; suspension: Suspension; detail: string }
  | { type: "ended" };
