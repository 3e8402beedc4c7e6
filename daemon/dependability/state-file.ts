/**
 * A small file of records that survives the process: a header line, then one JSON record a line. It is replaced as a whole
 * (temporary name, fsync, rename, fsync of the folder). What is damaged is put aside under a name, and begun anew.
 */
import { renameSync } from "node:fs";
import { open, rename, rm } from "node:fs/promises";
import { dirname } from "node:path";
import type { SavedClock } from "../../lib/dependability/service-clock.js";
import type { Logger } from "../log.js";
import { readRegular, type Unfit } from "../regular-file.js";

const FORMAT = "sparsewire-dependability/1";
/** A file that is larger than any we write is not read. */
const FILE_BYTES_MAX = 256 << 20;
/** A clock that has run for longer than 30,000 years is damaged. */
const CLOCK_MS_MAX = 1e15;
/** Records made into text before others get their turn on this thread. */
const LINES_AT_ONCE = 64;

interface Header extends SavedClock {
  format: string;
  records: number;
}

export interface SavedState {
  clock: SavedClock;
  /** As they were given to save(); what is in them is the caller's to check. */
  records: unknown[];
}

export class StateFile {
  readonly path: string;
  readonly #logger: Logger;
  #isFailing = false;
  #saving: Promise<void> = Promise.resolve();

  constructor(path: string, logger: Logger) {
    this.path = path;
    this.#logger = logger;
  }

  /** What the run before left; undefined when there is nothing, or nothing sound. */
  load(): SavedState | undefined {
    let text: string;
    try {
      text = readRegular(this.path, FILE_BYTES_MAX, unfit, { followsLinks: false }).toString("utf8");
    } catch (error) {
      if ((error as NodeJS.ErrnoException).code !== "ENOENT") this.setAside((error as Error).message);
      return undefined;
    }
    try {
      return parseState(text);
    } catch (error) {
      this.setAside((error as Error).message);
      return undefined;
    }
  }

  /** Says that the file is not sound, and keeps it as FILE.damaged for whoever wants to look. */
  setAside(why: string): void {
    this.#logger.error(
      { file: this.path, why },
      `${this.path} is damaged and kept as ${this.path}.damaged; dependability is measured anew`,
    );
    try {
      renameSync(this.path, `${this.path}.damaged`);
    } catch {
      // It cannot be moved: the next save replaces it.
    }
  }

  /** Replaces the file; resolves when it is on stable storage. A disk that fails is logged once, and tried again. */
  save(clock: SavedClock, records: readonly unknown[]): Promise<void> {
    // Begun now, so that it is the state of now; saves are written one after the other.
    const lines = textOf(clock, records);
    this.#saving = this.#saving.then(async () => {
      try {
        await replaceFile(this.path, await lines);
        this.#isFailing = false;
      } catch (error) {
        const { code } = error as NodeJS.ErrnoException;
        if (!this.#isFailing)
          this.#logger.warn(
            { file: this.path, code },
            "dependability cannot be saved: it lasts until a restart",
          );
        this.#isFailing = true;
      }
    });
    return this.#saving;
  }
}

const unfit = ({ size }: Unfit): Error =>
  new Error(size === undefined ? "it is no regular file" : "it is absurdly long");

/** Throws an Error that says what is wrong. */
export function parseState(text: string): SavedState {
  if (text.length > FILE_BYTES_MAX) throw new Error("it is absurdly long");
  const [first = "", ...lines] = text.split("\n");
  const header = JSON.parse(first) as Partial<Header> | null;
  const { format, wall_ms, clock_ms, records } = header ?? {};
  if (format !== FORMAT) throw new Error(`it is not ${FORMAT}`);
  if (![wall_ms, clock_ms, records].every((number) => Number.isSafeInteger(number) && number! >= 0))
    throw new Error("its header is not sound");
  if (clock_ms! > CLOCK_MS_MAX) throw new Error("its clock is absurd");
  if (lines.length !== records! + 1 || lines.pop() !== "") throw new Error("it is not whole");
  return {
    clock: { wall_ms: wall_ms!, clock_ms: clock_ms! },
    records: lines.map((line) => JSON.parse(line) as unknown),
  };
}

async function textOf(clock: SavedClock, records: readonly unknown[]): Promise<string> {
  const header: Header = { format: FORMAT, ...clock, records: records.length };
  const lines = [JSON.stringify(header)];
  for (let i = 0; i < records.length; i += LINES_AT_ONCE) {
    for (const record of records.slice(i, i + LINES_AT_ONCE)) lines.push(JSON.stringify(record));
    if (i + LINES_AT_ONCE < records.length) await new Promise((resolve) => setImmediate(resolve));
  }
  return `${lines.join("\n")}\n`;
}

async function replaceFile(path: string, text: string): Promise<void> {
  const temporary = `${path}.tmp`;
  try {
    // What a crash left may belong to another user: root, before it became this one.
    await rm(temporary, { force: true });
    const file = await open(temporary, "wx", 0o640);
    try {
      await file.writeFile(text);
      await file.sync();
    } finally {
      await file.close();
    }
    await rename(temporary, path);
  } catch (error) {
    await rm(temporary, { force: true }).catch(() => undefined);
    throw error;
  }
  const folder = await open(dirname(path), "r");
  try {
    await folder.sync();
  } finally {
    await folder.close();
  }
}
