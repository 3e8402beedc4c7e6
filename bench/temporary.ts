import { mkdtempSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";

/** A folder that goes away with `[Symbol.dispose]()`, or with the process. */
export class TemporaryFolder implements Disposable {
  readonly path = mkdtempSync(join(tmpdir(), "sparsewire-bench-"));
  readonly #remove = () => rmSync(this.path, { recursive: true, force: true });

  constructor() {
    process.once("exit", this.#remove);
  }

  /** Path of a file inside. */
  file(name: string): string {
    return join(this.path, name);
  }

  [Symbol.dispose](): void {
    process.off("exit", this.#remove);
    this.#remove();
  }
}
