/**
 * The spool: sealed intervals on disk until the aggregator has acknowledged them. A file appears whole or not at all
 * (write to a temporary name, fsync, rename, fsync of the folder); oldest first out. A full spool drops its oldest
 * interval, counted. An error of the disk or of this process never takes an entry out: the caller tries again.
 */
import { fstat, fsync, mkdirSync, read, readdirSync, statSync, unlinkSync, write } from "node:fs";
import { rename, stat, unlink } from "node:fs/promises";
import { join } from "node:path";
import { promisify } from "node:util";
import { parseArchiveName } from "../../lib/archive.js";
import { SparsewireError } from "../../lib/errors.js";
import { keepDescriptors, withFile } from "../descriptors.js";
import { errnoOf } from "../errno.js";
import { type Fate, SetAside } from "./set-aside.js";

const TEMPORARY = ".tmp-";

const fsyncLater = promisify(fsync);
const fstatLater = promisify(fstat);
const readLater = promisify(read);
const writeLater = promisify(write);

interface Entry {
  name: string;
  bytes: number;
}

export class Spool {
  readonly path: string;
  bytesMax: number;
  /** Refused or damaged intervals that are kept beside the entries. */
  readonly aside: SetAside;
  /** Oldest first: names begin with the interval's start. */
  #entries: Entry[] = [];
  #bytes = 0;
  /** The entry that is being shipped now: never dropped under the shipper's hands. */
  #held: string | undefined;
  /** The entry whose rename may not be durable yet. */
  #unsynced: string | undefined;
  /** Which folder this is: another one in its place (a mount that went) says nothing of the entries. */
  readonly #identity: string;

  /**
   * Opens the folder, creating it; unfinished files of a crash are removed. What cannot be done with a single file is
   * told to `warn` and no reason to forget it. Throws SPOOL_UNUSABLE when the folder cannot be made or listed.
   */
  constructor(path: string, bytesMax: number, warn: (line: string) => void = () => undefined) {
    this.path = path;
    this.bytesMax = bytesMax;
    this.aside = new SetAside(path);
    keepDescriptors();
    try {
      mkdirSync(path, { recursive: true, mode: 0o750 });
      this.#identity = identityOf(statSync(path));
      for (const name of readdirSync(path)) this.#found(name, warn);
    } catch (cause) {
      const code = errnoOf(cause);
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

  /** The first in age order that is `wanted`; undefined when there is none. */
  oldest(wanted: (name: string) => boolean = () => true): string | undefined {
    return this.#entries.find(({ name }) => wanted(name))?.name;
  }

  /** All entries, oldest first. */
  names(): string[] {
    return this.#entries.map(({ name }) => name);
  }

  /** Whether its bytes are in the spool, or were until they were delivered. */
  has(name: string): boolean {
    return this.#unsynced === name || this.#entries.some((entry) => entry.name === name);
  }

  /**
   * Stores one archive; `dropped` is told of each older one that went to make room. Rejects with the errno of the disk
   * (ENOSPC ...), to be called again with the same: nothing half-written stays.
   */
  async put(name: string, archive: Uint8Array, dropped: (name: string) => void): Promise<void> {
    if (this.#unsynced !== name) {
      await this.#makeRoom(archive.length, dropped);
      await this.#write(name, archive);
      this.#unsynced = name;
      this.#add(name, archive.length);
    }
    await withFile(this.path, "r", (folder) => fsyncLater(folder));
    this.#unsynced = undefined;
  }

  /** Reads an entry whole and protects it from being dropped until release(). */
  async hold(name: string): Promise<Uint8Array<ArrayBuffer>> {
    this.#held = name;
    return await withFile(join(this.path, name), "r", readWhole);
  }

  release(): void {
    this.#held = undefined;
  }

  /** Whether an entry's file is certainly not there any more, though its folder is. Rejects when that cannot be told. */
  async isGone(name: string): Promise<boolean> {
    if (identityOf(await stat(this.path)) !== this.#identity) return false;
    try {
      await stat(join(this.path, name));
      return false;
    } catch (error) {
      if ((error as NodeJS.ErrnoException).code === "ENOENT") return true;
      throw error;
    }
  }

  /** Takes an entry out: acknowledged, dropped or gone. Rejects when its file cannot be deleted: then it stays. */
  async remove(name: string): Promise<void> {
    await unlink(join(this.path, name)).catch((error: NodeJS.ErrnoException) => {
      if (error.code !== "ENOENT") throw error;
    });
    this.#forget(name);
  }

  /** Sets an entry aside; the name it has then. Rejects with the error of the disk: then it stays. */
  async setAside(name: string, fate: Fate): Promise<string> {
    const bytes = this.#entries.find((entry) => entry.name === name)?.bytes ?? 0;
    const kept = await this.aside.take(name, bytes, fate);
    this.#forget(name);
    await this.aside.trim(this.#bytes, this.bytesMax).catch(() => undefined);
    return kept;
  }

  async #makeRoom(bytes: number, dropped: (name: string) => void): Promise<void> {
    await this.aside.trim(this.#bytes + bytes, this.bytesMax);
    while (this.#bytes + bytes > this.bytesMax) {
      const victim = this.#entries.find((entry) => entry.name !== this.#held);
      if (victim === undefined) break;
      await this.remove(victim.name);
      dropped(victim.name);
    }
  }

  async #write(name: string, archive: Uint8Array): Promise<void> {
    // Not *.tar: whoever reads the folder meanwhile must not take it for an archive.
    const temporary = join(this.path, `${TEMPORARY}${name}.part`);
    try {
      await withFile(temporary, "w", async (fd) => {
        for (let at = 0; at < archive.length; ) {
          const { bytesWritten } = await writeLater(fd, archive, at, archive.length - at, at);
          at += bytesWritten;
        }
        await fsyncLater(fd);
      });
      await rename(temporary, join(this.path, name));
    } catch (error) {
      await unlink(temporary).catch(() => undefined);
      throw error;
    }
  }

  /** A file that was there at the start. */
  #found(name: string, warn: (line: string) => void): void {
    const path = join(this.path, name);
    const isEntry = parseArchiveName(name) !== undefined;
    try {
      if (name.startsWith(TEMPORARY)) unlinkSync(path);
      else if (isEntry) this.#add(name, statSync(path).size);
      else if (SetAside.isName(name)) this.aside.add(name, statSync(path).size);
    } catch (error) {
      warn(`${path} cannot be looked at (${errnoOf(error)}); it stays where it is`);
      // Its size will be told by whoever reads it.
      if (isEntry) this.#add(name, 0);
    }
  }

  #add(name: string, bytes: number): void {
    let at = this.#entries.length;
    while (at > 0 && this.#entries[at - 1]!.name > name) at--;
    this.#entries.splice(at, 0, { name, bytes });
    this.#bytes += bytes;
  }

  #forget(name: string): void {
    const at = this.#entries.findIndex((entry) => entry.name === name);
    if (at >= 0) this.#bytes -= this.#entries.splice(at, 1)[0]!.bytes;
  }
}

/** All bytes of a file. Not fs.readFile(fd), which takes an error of read(2) for the end of the file. */
async function readWhole(fd: number): Promise<Uint8Array<ArrayBuffer>> {
  const bytes = new Uint8Array((await fstatLater(fd)).size);
  for (let at = 0; at < bytes.length; ) {
    const { bytesRead } = await readLater(fd, bytes, at, bytes.length - at, at);
    if (bytesRead === 0) throw new Error("it became shorter while it was read");
    at += bytesRead;
  }
  return bytes;
}

const identityOf = ({ dev, ino }: { dev: number; ino: number }): string => `${dev}:${ino}`;
