/**
 * Files that turned out not to be sound. They are kept to be looked at, but they are of no use to sums: so they count as
 * bytes of the store, and when room is needed they are the first to go.
 */
import { mkdir, readdir, rename, stat } from "node:fs/promises";
import { basename, join } from "node:path";
import { removeIfThere } from "./durable.js";

interface Kept {
  size: number;
  /** ms since 1970, when it was moved here. */
  since: number;
}

export class Quarantine {
  /** Files moved here since the start. */
  moved = 0;
  bytes = 0;
  readonly #files = new Map<string, Kept>();

  constructor(readonly folder: string) {}

  get files(): number {
    return this.#files.size;
  }

  /** Finds what is there. Folders and other things that somebody has put here are left alone. */
  async load(): Promise<void> {
    for (const entry of await readdir(this.folder, { withFileTypes: true })) {
      if (entry.isFile()) await this.#note(entry.name);
    }
  }

  /** Moves a file here; one that has gone is fine. Throws the file system's error otherwise. */
  async take(path: string, now: number): Promise<void> {
    const name = `${now}-${this.moved + 1}-${basename(path)}`;
    await mkdir(this.folder, { recursive: true, mode: 0o750 });
    try {
      await rename(path, join(this.folder, name));
    } catch (error) {
      if ((error as NodeJS.ErrnoException).code === "ENOENT") return;
      throw error;
    }
    this.moved++;
    await this.#note(name);
  }

  /** Deletes files, the oldest first, as long as `isDue` says so. Returns the number and the bytes. */
  async expire(isDue: (since: number) => boolean): Promise<{ files: number; bytes: number }> {
    const gone = { files: 0, bytes: 0 };
    for (const [name, { size, since }] of [...this.#files].sort(([, a], [, b]) => a.since - b.since)) {
      if (!isDue(since)) continue;
      await removeIfThere(join(this.folder, name));
      this.#files.delete(name);
      this.bytes -= size;
      gone.files++;
      gone.bytes += size;
    }
    return gone;
  }

  async #note(name: string): Promise<void> {
    const found = await stat(join(this.folder, name)).catch(() => undefined);
    if (found === undefined) return;
    const moved = /^(\d{1,15})-/.exec(name)?.[1];
    this.#files.set(name, { size: found.size, since: moved === undefined ? found.mtimeMs : Number(moved) });
    this.bytes += found.size;
  }
}
