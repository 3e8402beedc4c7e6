/**
 * Intervals that will never be delivered and are kept all the same: refused for good by the aggregator, or damaged on
 * disk. They lie beside the spool's own files, give way to those, and can be put back by renaming them.
 */
import { rename, unlink } from "node:fs/promises";
import { join } from "node:path";
import { parseArchiveName } from "../../lib/archive.js";

/** Why one is set aside; the end of its file name. */
export type Fate = "refused" | "damaged";

const FILES_MAX = 1000;
/** Share of the spool's bytes that they may take. */
const SHARE = 1 / 8;

interface Kept {
  name: string;
  bytes: number;
}

export class SetAside {
  bytes = 0;
  readonly #path: string;
  readonly #kept: Kept[] = [];

  constructor(path: string) {
    this.#path = path;
  }

  get depth(): number {
    return this.#kept.length;
  }

  /** Whether a file's name is that of an interval set aside. */
  static isName(name: string): boolean {
    const base = /^(.+)\.(?:refused|damaged)$/.exec(name)?.[1];
    return base !== undefined && parseArchiveName(base) !== undefined;
  }

  /** Takes note of one that an earlier run left. */
  add(name: string, bytes: number): void {
    this.#kept.push({ name, bytes });
    this.bytes += bytes;
  }

  /** Sets an entry of the spool aside; its new name. Rejects with the error of the disk: then nothing has changed. */
  async take(name: string, bytes: number, fate: Fate): Promise<string> {
    const kept = `${name}.${fate}`;
    await rename(join(this.#path, name), join(this.#path, kept));
    this.add(kept, bytes);
    return kept;
  }

  /** Deletes the oldest until the rest has room in a spool of `bytesMax`, of which `used` bytes are taken. */
  async trim(used: number, bytesMax: number): Promise<void> {
    const most = Math.min(bytesMax * SHARE, bytesMax - used);
    while (this.#kept.length > 0 && (this.bytes > most || this.#kept.length > FILES_MAX)) {
      const { name, bytes } = this.#kept[0]!;
      await unlink(join(this.#path, name)).catch((error: NodeJS.ErrnoException) => {
        if (error.code !== "ENOENT") throw error;
      });
      this.#kept.shift();
      this.bytes -= bytes;
    }
  }
}
