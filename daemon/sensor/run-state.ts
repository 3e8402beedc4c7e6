/**
 * What a sensor leaves for its successor: which run this is, the last interval it spooled, and whether it ended by
 * itself. A run that did not is a crash, and the interval that was open then is lost by name.
 */
import { readFileSync, renameSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { z } from "zod";
import { type Manifest, manifestSchema, runId } from "../../lib/manifest.js";
import { closeReserved, openReserved } from "../descriptors.js";
import { errnoOf } from "../errno.js";

const FILE = "run.json";

type Previous = NonNullable<Manifest["previous"]>;

/** Runs that ended before they had spooled an interval, and so could not tell of those before them. */
const UNTOLD_MAX = 100;

type State = z.infer<typeof stateSchema>;

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

const stateSchema = z.object({
  run: runId,
  sequence: z.int().nonnegative().nullable(),
  isClean: z.boolean(),
  previous: manifestSchema.shape.previous.unwrap(),
});

/** The runs before that of a state file; throws when it is not one. */
function previousOf(text: string): Previous {
  const { run, sequence, isClean, previous } = stateSchema.parse(JSON.parse(text));
  const untold = sequence === null ? previous.slice(-UNTOLD_MAX) : [];
  return [...untold, { run, sequence, ended: isClean ? "stop" : "crash" }];
}

/** The errno, or that it is not what such a file says. */
const codeOf = (error: unknown): string => errnoOf(error) ?? "not a run's state";
