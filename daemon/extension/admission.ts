/** Which of the configured modules may run: read, looked at, and compiled in a process apart before a thread has one. */
import { SparsewireError } from "../../lib/errors.js";
import { compileFault } from "./compile.js";
import type { ExtensionConfig } from "./extension-host.js";
import { badExtension, loadExtension } from "./files.js";

/** A module's bytes, or why it may not run. */
export interface AdmittedModule {
  wasm: Uint8Array;
  fault?: SparsewireError;
}

export class Admission {
  readonly #configs: readonly ExtensionConfig[];
  readonly #isNeeded: (name: string) => boolean;
  readonly modules: AdmittedModule[];

  /**
   * Reads the modules and looks at their sections. `isNeeded`: nothing goes on without this one. Throws CANNOT_READ, or
   * BAD_EXTENSION for one that is needed and may not run.
   */
  constructor(configs: readonly ExtensionConfig[], isNeeded: (name: string) => boolean) {
    this.#configs = configs;
    this.#isNeeded = isNeeded;
    this.modules = configs.map((config) => this.#load(config));
  }

  /** Compiles them, one at a time, so that what it takes is bounded for one. Throws as the constructor does. */
  async compile(): Promise<void> {
    for (const [i, { name, file }] of this.#configs.entries()) {
      const { wasm, fault } = this.modules[i]!;
      if (fault !== undefined) continue;
      try {
        const what = await compileFault(wasm);
        if (what !== undefined) this.modules[i] = this.#refused(name, badExtension(name, file, what));
      } catch (error) {
        this.modules[i] = this.#refused(name, error as SparsewireError);
      }
    }
  }

  #load({ name, file, memoryMax }: ExtensionConfig): AdmittedModule {
    try {
      return { wasm: loadExtension(name, file, memoryMax) };
    } catch (error) {
      if (!(error instanceof SparsewireError) || error.code !== "BAD_EXTENSION") throw error;
      return this.#refused(name, error);
    }
  }

  #refused(name: string, fault: SparsewireError): AdmittedModule {
    if (this.#isNeeded(name)) throw fault;
    return { wasm: new Uint8Array(), fault };
  }
}
