/**
 * What a sensor leaves for its successor: which run this is, the last interval it spooled, and whether it ended by
 * itself. A run that did not is a crash, and the interval that was open then is lost by name.
 */
import { readFileSync, renameSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import type { Manifest } from "../../lib/manifest.js";
import { closeReserved, openReserved } from "../descriptors.js";

const FILE = "run.json";

type Previous = NonNullable<Manifest["previous"]>;

/** Runs that ended before they had spooled an interval, and so could not tell of those before them. */
const UNTOLD_MAX = 100;

interface State {
  run: string;
  sequence: number | null;
  isClean: boolean;
  previous: Previous;
}

export class RunState {
  readonly previous: Previous;
  readonly #path: string;
  readonly #state: State;
  readonly #warn: (line: string) => void;
  #isFailing = false;

  /**
   * Reads what the run before left in `folder`, and begins the new one. A missing file is no run before; one that
   * cannot be read, or is damaged, is told and kept beside as run.json.damaged.
   */
  constructor(folder: string, run: string, warn: (line: string) => void = () => undefined) {
    this.#path = join(folder, FILE);
    this.#warn = warn;
    this.previous = this.#readPrevious();
    this.#state = { run, sequence: null, isClean: false, previous: this.previous };
    this.#write();
  }

  spooled(sequence: number): void {
    this.#state.sequence = sequence;
    this.#write();
  }

  /** The sensor stops by itself, with everything spooled. */
  end(): void {
    this.#state.isClean = true;
    this.#write();
  }

  /** Not fsynced: it explains a loss, it does not prevent one. A full disk must not stop the sensor either. */
  #write(): void {
    try {
      const fd = openReserved(`${this.#path}.tmp`, "w");
      try {
        writeFileSync(fd, JSON.stringify(this.#state));
      } finally {
        closeReserved(fd);
      }
      renameSync(`${this.#path}.tmp`, this.#path);
      this.#isFailing = false;
    } catch (error) {
      // The next interval tries again; until then the file tells of an earlier one.
      if (!this.#isFailing)
        this.#warn(`${this.#path} cannot be written (${codeOf(error)}); it tells of earlier`);
      this.#isFailing = true;
    }
  }

  #readPrevious(): Previous {
    try {
      return previousOf(this.#read());
    } catch (error) {
      if (codeOf(error) === "ENOENT") return [];
      const kept = `${this.#path}.damaged`;
      this.#warn(
        `${this.#path} is damaged (${codeOf(error)}): how the run before ended is unknown; it is kept as ${kept}`,
      );
      try {
        renameSync(this.#path, kept);
      } catch {
        // Then this run's own takes its place.
      }
      return [];
    }
  }

  #read(): string {
    const fd = openReserved(this.#path, "r");
    try {
      return readFileSync(fd, "utf8");
    } finally {
      closeReserved(fd);
    }
  }
}

/** The runs before that of a state file; throws when it is not one. */
function previousOf(text: string): Previous {
  const { run, sequence, isClean, previous } = JSON.parse(text) as State;
  if (typeof run !== "string" || !/^[0-9a-f]{16}$/.test(run)) throw new Error("no run");
  const last = Number.isSafeInteger(sequence) ? sequence : null;
  const untold = last === null && Array.isArray(previous) ? previous.slice(-UNTOLD_MAX) : [];
  return [...untold, { run, sequence: last, ended: isClean ? "stop" : "crash" }];
}

const codeOf = (error: unknown): string => (error as NodeJS.ErrnoException).code ?? (error as Error).message;
