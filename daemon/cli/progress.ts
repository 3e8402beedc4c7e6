/** A progress bar on stderr, for people only: nothing is drawn unless stderr is a terminal. */
import { formatSize } from "../../lib/duration.js";
import { untilDone } from "./cleanup.js";
import { short } from "./table.js";

export interface ProgressState {
  bytesRead: number;
  /** Unknown for pipes. */
  bytesTotal?: number;
  packets: number;
}

const REDRAW_MS = 100;

export class Progress {
  readonly #began = performance.now();
  readonly #settled: () => void;
  readonly #isShown = process.stderr.isTTY === true;
  #drawn = 0;

  constructor() {
    this.#settled = this.#isShown ? untilDone(() => this.#erase()) : () => {};
  }

  show(state: ProgressState): void {
    const now = performance.now();
    if (!this.#isShown || now - this.#drawn < REDRAW_MS) return;
    this.#drawn = now;
    process.stderr.write(
      `\r${progressLine(state, (now - this.#began) / 1000, process.stderr.columns || 80)}\x1b[K`,
    );
  }

  clear(): void {
    if (this.#isShown) this.#erase();
    this.#settled();
  }

  #erase(): void {
    if (this.#drawn > 0) process.stderr.write("\r\x1b[K");
  }
}

/** "[#####     ]  51%  1.2 GiB of 2.4 GiB  12.3M packets  8.9M/s  4 s left", cut to the width. */
export function progressLine(state: ProgressState, seconds: number, columns: number): string {
  const { bytesRead, bytesTotal, packets } = state;
  const rate = `${short(packets)} packets  ${short(packets / Math.max(seconds, 1e-3))}/s`;
  if (bytesTotal === undefined || bytesTotal === 0) return cut(`${formatSize(bytesRead)}  ${rate}`, columns);
  const part = Math.min(1, bytesRead / bytesTotal);
  const left = part > 0.01 ? `  ${Math.ceil((seconds / part) * (1 - part))} s left` : "";
  const text = `${String(Math.floor(part * 100)).padStart(3)}%  ${formatSize(bytesRead)} of ${formatSize(bytesTotal)}  ${rate}${left}`;
  const width = Math.min(30, columns - text.length - 4);
  if (width < 5) return cut(text, columns);
  const filled = Math.round(part * width);
  return `[${"#".repeat(filled)}${" ".repeat(width - filled)}] ${text}`;
}

function cut(text: string, columns: number): string {
  return text.slice(0, Math.max(1, columns - 1));
}
