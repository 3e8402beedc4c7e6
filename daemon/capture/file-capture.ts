/** Capture files behind a sandbox of their own: the memory, the thread that fills it, and what it says. */
import { Worker } from "node:worker_threads";
import { memoryLayout } from "../../lib/abi.js";
import type { ExtensionHost } from "../extension/extension-host.js";
import { backHeld, type HeldMemory, heldPlan, shareMemory } from "../extension/held-memory.js";
import { HeldView } from "../extension/held-view.js";
import { configureSandbox } from "./configure.js";
import { ControlView } from "./control-view.js";
import type { FileReport, FileWorkerData, FileWorkerMessage } from "./file-worker.js";
import { sandboxMemory } from "./sandbox.js";
import { SealLine } from "./seal-line.js";

/** Bytes of a file that lie in the sandbox at one time. */
const FILE_BUFFER_BYTES = 4 << 20;

/** No ring waits while a log is sorted: longer ones save merges where links hardly repeat. */
const LOG_ENTRIES = 1 << 19;

export interface FileCaptureOptions {
  files: string[];
  hashKey: readonly [bigint, bigint];
  linkBudget: number;
  addressBudget: number;
  windowPackets?: number;
  windowNs?: bigint;
  ipv4Only?: boolean;
  extensions?: ExtensionHost | undefined;
}

/** A record takes 16 bytes at least, so that the frames of a full buffer always fit the ring. */
const HELD = heldPlan({ frames: FILE_BUFFER_BYTES / 16 / 2 });

export interface FileCaptureEvents {
  sealed(sealed: Extract<FileWorkerMessage, { type: "sealed" }>): void;
  progress?(progress: Extract<FileWorkerMessage, { type: "progress" }>): void;
  file(report: FileReport): void;
  ended(): void;
  failed(error: Error): void;
}

export class FileCapture {
  readonly memory: WebAssembly.Memory;
  readonly control: ControlView;
  readonly #line = new SealLine();
  readonly #files: string[];
  readonly #taps: number;
  #held: HeldMemory | undefined;
  #worker: Worker | undefined;
  cpuNs = 0;

  constructor(options: FileCaptureOptions) {
    this.#files = options.files;
    const layout = memoryLayout({
      logEntries: LOG_ENTRIES,
      linkBudget: options.linkBudget,
      addressBudget: options.addressBudget,
      fileBufferBytes: FILE_BUFFER_BYTES,
      heldBytes: options.extensions === undefined ? 0 : HELD.bytes,
    });
    this.memory = sandboxMemory(layout.pages);
    this.control = new ControlView(this.memory);
    configureSandbox(this.control, layout, { ...options, logEntries: LOG_ENTRIES, queues: 0 });
    this.#taps = options.extensions?.count ?? 0;
    if (options.extensions !== undefined) this.#share(layout.fileBuffer, layout.held);
  }

  /** What extensions are to see: their start() wants it. */
  get shared(): HeldMemory[] {
    return this.#held === undefined ? [] : [this.#held];
  }

  #share(fileBuffer: number, held: number): void {
    // Nothing is ever taken from an extension that is slow: the file waits.
    this.#held = backHeld(this.memory, held, HELD, { limit: 0xffffffff, taps: this.#taps });
    const view = new HeldView(this.memory);
    const range = shareMemory(this.memory, fileBuffer, FILE_BUFFER_BYTES);
    this.#held.frames.push({ ...range, place: (base) => view.configure({ base }) });
  }

  start(events: FileCaptureEvents): void {
    const data: FileWorkerData = {
      memory: this.memory,
      sealLine: this.#line.buffer,
      files: this.#files,
      taps: this.#taps,
    };
    const worker = new Worker(new URL("./file-worker.js", import.meta.url), {
      workerData: data,
      name: "file",
    });
    this.#worker = worker;
    let hasEnded = false;
    worker.on("message", (message: FileWorkerMessage) => {
      if (message.type === "sealed") events.sealed(message);
      else if (message.type === "progress") {
        this.cpuNs = message.cpuNs;
        events.progress?.(message);
      } else if (message.type === "file") events.file(message);
      else {
        hasEnded = true;
        this.cpuNs = message.cpuNs;
        events.ended();
      }
    });
    worker.on("error", (error) => {
      hasEnded = true;
      events.failed(error instanceof Error ? error : new Error(String(error)));
    });
    worker.on("exit", (code) => {
      if (!hasEnded) events.failed(new Error(`the file worker ended with code ${code}`));
    });
  }

  /** Lets the worker seal what it has read, and end. */
  async stop(): Promise<void> {
    this.#line.stop();
    const worker = this.#worker;
    if (worker === undefined || worker.threadId < 0) return;
    await new Promise((resolve) => worker.once("exit", resolve));
  }
}
