/**
 * The spool: sealed intervals on disk until the aggregator has acknowledged them. A file appears whole or not at all
 * (write to a temporary name, fsync, rename, fsync of the folder); oldest first out. A full spool drops its oldest
 * interval, counted.
 */
import { mkdirSync, readdirSync, rmSync, statSync } from "node:fs";
import { open, readFile, rename, rm } from "node:fs/promises";
import { join } from "node:path";
import { parseArchiveName } from "../../lib/archive.js";
import { SparsewireError } from "../../lib/errors.js";

const TEMPORARY = ".tmp-";

interface Entry {
  name: string;
  bytes: number;
}

export class Spool {
  readonly path: string;
  bytesMax: number;
  /** Oldest first: names begin with the interval's start. */
  #entries: Entry[] = [];
  #bytes = 0;
  /** The entry that is being shipped now: never dropped under the shipper's hands. */
  #held: string | undefined;

  /** Opens the folder, creating it; unfinished files of a crash are removed. Throws SPOOL_UNUSABLE. */
  constructor(path: string, bytesMax: number) {
    this.path = path;
    this.bytesMax = bytesMax;
    try {
      mkdirSync(path, { recursive: true, mode: 0o750 });
      for (const name of readdirSync(path)) {
        if (name.startsWith(TEMPORARY)) rmSync(join(path, name), { force: true });
        else if (parseArchiveName(name) !== undefined) this.#add(name, statSync(join(path, name)).size);
      }
    } catch (cause) {
      const code = (cause as NodeJS.ErrnoException).code;
      throw new SparsewireError("SPOOL_UNUSABLE", `the spool ${path} cannot be used (${code})`, {
        exit: code === "EACCES" || code === "EPERM" || code === "EROFS" ? 4 : 1,
        mend: "give this user a writable folder: spool.path in sensor.toml",
        cause,
      });
    }
  }

  get depth(): number {
    return this.#entries.length;
  }

  get bytes(): number {
    return this.#bytes;
  }

  /** Age order; undefined when empty. */
  oldest(): string | undefined {
    return this.#entries[0]?.name;
  }

  /** All entries, oldest first. */
  names(): string[] {
    return this.#entries.map(({ name }) => name);
  }

  /**
   * Stores one archive. Returns the names of older ones that were dropped to make room. Rejects with the errno of the
   * disk (ENOSPC ...); nothing half-written stays.
   */
  async put(name: string, archive: Uint8Array): Promise<string[]> {
    const dropped: string[] = [];
    while (this.#bytes + archive.length > this.bytesMax) {
      const victim = this.#entries.find((entry) => entry.name !== this.#held);
      if (victim === undefined) break;
      await this.remove(victim.name);
      dropped.push(victim.name);
    }
    // Not *.tar: whoever reads the folder meanwhile must not take it for an archive.
    const temporary = join(this.path, `${TEMPORARY}${name}.part`);
    try {
      const file = await open(temporary, "w", 0o640);
      try {
        await file.writeFile(archive);
        await file.sync();
      } finally {
        await file.close();
      }
      await rename(temporary, join(this.path, name));
      await syncFolder(this.path);
    } catch (error) {
      await rm(temporary, { force: true });
      throw error;
    }
    this.#add(name, archive.length);
    return dropped;
  }

  /** Reads an entry and protects it from being dropped until release(). */
  async hold(name: string): Promise<Uint8Array<ArrayBuffer>> {
    this.#held = name;
    return Uint8Array.from(await readFile(join(this.path, name)));
  }

  release(): void {
    this.#held = undefined;
  }

  /** Takes an entry out: acknowledged, refused or dropped. */
  async remove(name: string): Promise<void> {
    await rm(join(this.path, name), { force: true });
    const at = this.#entries.findIndex((entry) => entry.name === name);
    if (at >= 0) this.#bytes -= this.#entries.splice(at, 1)[0]!.bytes;
  }

  #add(name: string, bytes: number): void {
    let at = this.#entries.length;
    while (at > 0 && this.#entries[at - 1]!.name > name) at--;
    this.#entries.splice(at, 0, { name, bytes });
    this.#bytes += bytes;
  }
}

async function syncFolder(path: string): Promise<void> {
  const folder = await open(path, "r");
  try {
    await folder.sync();
  } finally {
    await folder.close();
  }
}
