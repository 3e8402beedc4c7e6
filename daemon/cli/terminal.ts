/** A full-screen terminal: alternate screen, raw keys, and everything put back, however the process ends. */
import { untilDone } from "./cleanup.js";

const ENTER = "\x1b[?1049h\x1b[?25l\x1b[2J";
const LEAVE = "\x1b[?25h\x1b[?1049l";

export class Screen {
  readonly #onKey: (key: string) => void;
  readonly #settled: () => void;
  #isOpen = true;

  /** Takes over the terminal; `onKey` gets each key press, `onResize` each change of size. */
  constructor(onKey: (key: string) => void, onResize: () => void) {
    this.#onKey = onKey;
    process.stdin.setRawMode(true);
    process.stdin.setEncoding("utf8");
    process.stdin.on("data", this.#read);
    process.stdin.resume();
    process.stdout.on("resize", onResize);
    process.stdout.write(ENTER);
    this.#settled = untilDone(() => this.close());
  }

  get columns(): number {
    return process.stdout.columns || 80;
  }

  get rows(): number {
    return process.stdout.rows || 24;
  }

  /** Draws over the old picture, line by line, so that nothing flickers. */
  draw(lines: string[]): void {
    if (!this.#isOpen) return;
    const text = lines.map((line) => `${line}\x1b[K`).join("\r\n");
    process.stdout.write(`\x1b[H${text}\x1b[J`);
  }

  /** Gives the terminal back as it was; harmless when repeated. */
  close(): void {
    if (!this.#isOpen) return;
    this.#isOpen = false;
    process.stdin.off("data", this.#read);
    process.stdin.setRawMode(false);
    process.stdin.pause();
    process.stdout.write(LEAVE);
    this.#settled?.();
  }

  /** Raw mode delivers Ctrl-C as a character. */
  readonly #read = (text: string): void => {
    for (const key of text) this.#onKey(key === "\x03" ? "q" : key);
  };
}
