/**
 * What a sensor leaves for its successor: which run this is, the last interval it spooled, and whether it ended by
 * itself. A run that did not is a crash, and the interval that was open then is lost by name.
 */
import { readFileSync, renameSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import type { Manifest } from "../../lib/manifest.js";

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

  /** Reads what the run before left in `folder`, and begins the new one. A missing or broken file is no run. */
  constructor(folder: string, run: string) {
    this.#path = join(folder, FILE);
    this.previous = readPrevious(this.#path);
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
      writeFileSync(`${this.#path}.tmp`, JSON.stringify(this.#state));
      renameSync(`${this.#path}.tmp`, this.#path);
    } catch {
      // The next interval tries again; until then the file tells of an earlier one.
    }
  }
}

function readPrevious(path: string): Previous {
  try {
    const { run, sequence, isClean, previous } = JSON.parse(readFileSync(path, "utf8")) as State;
    if (!/^[0-9a-f]{16}$/.test(run)) return [];
    const last = Number.isSafeInteger(sequence) ? sequence : null;
    const untold = last === null && Array.isArray(previous) ? previous.slice(-UNTOLD_MAX) : [];
    return [...untold, { run, sequence: last, ended: isClean ? "stop" : "crash" }];
  } catch {
    return [];
  }
}
