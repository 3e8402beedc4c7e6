/**
 * What the service manager is told (sd_notify(3)): ready, a line of status, reloading, stopping, still well. Without
 * NOTIFY_SOCKET, as when started by hand, everything here does nothing.
 */
import { getSystemErrorName } from "node:util";
import { notifyServiceManager } from "xdp-node";
import { LineLimit, type Logger } from "./log.js";

/** Sends one message; answers an errno, 0 when it was sent. */
export type Send = (socket: string, message: string) => number;

const WARN_EVERY_MS = 3_600_000;

export class ServiceManager {
  /** Longest time between two beats that the manager accepts, ms; undefined when it does not watch this process. */
  readonly watchdogMs: number | undefined;
  readonly #socket: string | undefined;
  readonly #send: Send;
  readonly #logger: Logger | undefined;
  readonly #lines = new LineLimit();

  /** Reads NOTIFY_SOCKET, WATCHDOG_USEC and WATCHDOG_PID. A socket of a kind that is not known is left alone. */
  constructor(environment: NodeJS.ProcessEnv, logger?: Logger, send: Send = notifyServiceManager) {
    const { NOTIFY_SOCKET: socket, WATCHDOG_USEC: micros, WATCHDOG_PID: pid } = environment;
    this.#send = send;
    this.#logger = logger;
    if (socket === undefined || !/^[/@]./.test(socket)) return;
    this.#socket = socket;
    const isForUs = pid === undefined || pid === "" || pid === String(process.pid);
    const isWatched = isForUs && /^[1-9]\d{0,15}$/.test(micros ?? "");
    this.watchdogMs = isWatched ? Number(micros) / 1000 : undefined;
  }

  get isThere(): boolean {
    return this.#socket !== undefined;
  }

  ready(status: string): void {
    this.#tell("READY=1", statusLine(status));
  }

  status(status: string): void {
    this.#tell(statusLine(status));
  }

  /** The configuration is being read again; ready() ends it. The clock is CLOCK_MONOTONIC, as Node's hrtime. */
  reloading(): void {
    this.#tell("RELOADING=1", `MONOTONIC_USEC=${process.hrtime.bigint() / 1000n}`, "STATUS=reloading");
  }

  stopping(): void {
    this.#tell("STOPPING=1", "STATUS=stopping");
  }

  /** Still well. */
  beat(status: string): void {
    this.#tell("WATCHDOG=1", statusLine(status));
  }

  #tell(...lines: string[]): void {
    if (this.#socket === undefined) return;
    const errno = this.#send(this.#socket, lines.join("\n"));
    if (errno === 0 || !this.#lines.once("send", WARN_EVERY_MS)) return;
    this.#logger?.warn(
      { socket: this.#socket, error: getSystemErrorName(-errno) },
      "the service manager cannot be told",
    );
  }
}

/** A message is lines, so a status is one. */
const statusLine = (text: string): string => `STATUS=${text.replaceAll(/\s*[\r\n]+\s*/g, " ")}`;
