/**
 * A capture sandbox: capture.wasm over one fixed shared memory. The memory may be made by another thread (the main
 * thread maps AF_XDP rings and frames into it before the capture worker starts); the instance lives in the thread
 * that runs it.
 */
import { readFileSync } from "node:fs";
import { SparsewireError } from "../../lib/errors.js";
import { ControlView } from "./control-view.js";

/** The exports of native/sandbox (see the C sources for shapes and costs). */
export interface SandboxExports {
  init(): number;
  queue_start(index: number): number;
  host_start(index: number): number;
  breathe(maxFrames: number): number;
  seal_begin(cause: number): number;
  seal_step(maxEntries: number): number;
  inline_waiting(): number;
  inline_uncounted(maxBuffers: number): number;
  file_open(): void;
  file_feed(available: number, eof: number): number;
  file_pending(): number;
}

/** The sandbox's module. */
export const WASM_URL = new URL("../../../native/sandbox/build/capture.wasm", import.meta.url);

/** A memory that never moves: initial = maximum, shared, so that mappings inside it stay where they are. */
export function sandboxMemory(pages: number): WebAssembly.Memory {
  try {
    return new WebAssembly.Memory({ initial: pages, maximum: pages, shared: true });
  } catch (cause) {
    throw new SparsewireError(
      "SANDBOX_MEMORY",
      `no ${pages / 16} MiB of address space for the capture sandbox`,
      {
        mend: "lower frames or link_budget, or raise the limit on virtual memory",
        cause,
      },
    );
  }
}

export class Sandbox {
  readonly memory: WebAssembly.Memory;
  readonly control: ControlView;
  readonly exports: SandboxExports;

  /** Instantiates the sandbox over `memory`, whose control block has been configured, and runs init(). */
  constructor(memory: WebAssembly.Memory) {
    this.memory = memory;
    this.control = new ControlView(memory);
    const module = new WebAssembly.Module(readFileSync(WASM_URL));
    const instance = new WebAssembly.Instance(module, { env: { memory } });
    this.exports = instance.exports as unknown as SandboxExports;
    const result = this.exports.init();
    if (result !== 0) {
      throw new SparsewireError("SANDBOX_INIT", `the capture sandbox refused its configuration (${result})`, {
        mend: "this is a defect of Sparsewire: please report it with your configuration",
      });
    }
  }
}
