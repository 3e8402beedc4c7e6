/**
 * The time that ages go by, kept over a restart: `ages.json` beside the store. Without it the newest file of the store tells,
 * whose date may come from a clock that was wrong.
 */
import { readFileSync } from "node:fs";
import { rename, writeFile } from "node:fs/promises";
import { join } from "node:path";
import type { Logger } from "../log.js";
import { removeIfThere } from "./durable.js";
import type { Store } from "./store.js";

const FILE = "ages.json";
/** Monotonic ms. */
const SAVE_EVERY_MS = 60_000;

export class AgeFile {
  readonly #store: Store;
  readonly #path: string;
  readonly #logger: Logger;
  #savedAt = Number.NEGATIVE_INFINITY;

  constructor(store: Store) {
    this.#store = store;
    this.#path = join(store.path, FILE);
    this.#logger = store.logger;
  }

  /** ms since 1970; undefined when there is no such file, or not a sound one. */
  load(): number | undefined {
    let text: string;
    try {
      text = readFileSync(this.#path, "utf8");
    } catch (error) {
      const { code } = error as NodeJS.ErrnoException;
      if (code !== "ENOENT") this.#logger.warn({ file: this.#path, code }, "cannot be read");
      return undefined;
    }
    const found = /^\{"trusted_ms":(\d{1,15})\}\n$/.exec(text)?.[1];
    if (found === undefined)
      this.#logger.warn({ file: this.#path }, "damaged: the newest file tells the time");
    return found === undefined ? undefined : Number(found);
  }

  /** Saves now and then. A disk that is full is no reason to stop: then the next start has an older time. */
  async save(trustedMs: number): Promise<void> {
    const now = this.#store.clocks.monotonic();
    if (now - this.#savedAt < SAVE_EVERY_MS) return;
    this.#savedAt = now;
    const temporary = this.#store.temporaryPath();
    try {
      await writeFile(temporary, `{"trusted_ms":${Math.floor(trustedMs)}}\n`, { mode: 0o640 });
      await rename(temporary, this.#path);
    } catch (error) {
      await removeIfThere(temporary).catch(() => undefined);
      const { code } = error as NodeJS.ErrnoException;
      this.#logger.debug({ file: this.#path, code }, "cannot be saved");
    }
  }
}
