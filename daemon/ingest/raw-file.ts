/** The bytes of a file, FIFO or standard input as they are stored. */
import { closeSync, fstatSync, open, read, readSync } from "node:fs";
import { setTimeout as sleep } from "node:timers/promises";
import { promisify } from "node:util";
import { EXIT, SparsewireError } from "../../lib/errors.js";

const STDIN = 0;
/** A standard input that somebody set non-blocking is asked again this often, ms. */
const EAGAIN_PAUSE_MS = 5;

export class RawFile {
  bytesRead = 0;
  private isClosed = false;

  private constructor(
    readonly name: string,
    private readonly fd: number,
    /** Size of a regular file; undefined for pipes. */
    readonly bytesTotal: number | undefined,
  ) {}

  /** Opens a path, or standard input for "-". Throws SparsewireError CANNOT_READ. */
  static async open(name: string): Promise<RawFile> {
    try {
      // Not openSync: opening a FIFO waits for its writer.
      const fd = name === "-" ? STDIN : await promisify(open)(name, "r");
      const stat = fstatSync(fd);
      if (stat.isDirectory()) throw cannotRead(name, "it is a directory");
      return new RawFile(name, fd, stat.isFile() ? stat.size : undefined);
    } catch (error) {
      throw error instanceof SparsewireError ? error : cannotRead(name, reasonOf(error), error);
    }
  }

  /** Regular files answer at once, pipes with a promise; 0 is the end. */
  read(view: Uint8Array): number | Promise<number> {
    if (this.bytesTotal === undefined) return this.readPipe(view);
    try {
      const bytes = readSync(this.fd, view, 0, view.length, null);
      this.bytesRead += bytes;
      return bytes;
    } catch (error) {
      throw cannotRead(this.name, reasonOf(error), error);
    }
  }

  private async readPipe(view: Uint8Array): Promise<number> {
    for (;;) {
      try {
        const { bytesRead } = await promisify(read)(this.fd, view, 0, view.length, null);
        this.bytesRead += bytesRead;
        return bytesRead;
      } catch (error) {
        const code = (error as { code?: string }).code;
        if (code === "EOF") return 0;
        if (code !== "EAGAIN") throw cannotRead(this.name, reasonOf(error), error);
        await sleep(EAGAIN_PAUSE_MS);
      }
    }
  }

  close(): void {
    if (this.isClosed || this.fd === STDIN) return;
    this.isClosed = true;
    closeSync(this.fd);
  }
}

const REASONS: Record<string, string> = {
  ENOENT: "there is no such file",
  EACCES: "permission denied",
  EPERM: "permission denied",
  EISDIR: "it is a directory",
  EIO: "the disk reports an error",
};

function reasonOf(error: unknown): string {
  const code = (error as { code?: string }).code ?? "";
  return REASONS[code] ?? (code === "" ? String(error) : code);
}

function cannotRead(name: string, why: string, cause?: unknown): SparsewireError {
  const denied = why === REASONS.EACCES;
  return new SparsewireError("CANNOT_READ", `cannot read ${name === "-" ? "standard input" : name}: ${why}`, {
    exit: denied ? EXIT.notPermitted : EXIT.badInput,
    mend: denied ? "run as a user who may read it" : "name a capture file (pcap or pcapng), or - for stdin",
    cause,
  });
}
