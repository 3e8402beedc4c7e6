/** The log of both daemons: pino, JSON lines on stderr for machines, pretty lines on a terminal. */
import { createRequire } from "node:module";
import { type DestinationStream, type Logger, pino, stdTimeFunctions } from "pino";
import type pinoPretty from "pino-pretty";
import { printable, printableText } from "../lib/printable.js";

export const LOG_LEVELS = ["trace", "debug", "info", "warn", "error", "fatal", "silent"] as const;
export type LogLevel = (typeof LOG_LEVELS)[number];
export type { Logger } from "pino";

export interface LogOptions {
  level?: LogLevel;
  /** auto: pretty when stderr is a terminal, JSON otherwise (systemd, containers, pipes). */
  format?: "auto" | "json" | "pretty";
  /** Fields of every line, such as {sensor: "edge-1"}. */
  fields?: Record<string, unknown>;
}

/**
 * Opens the log on stderr. Lines are written synchronously: the line that says why a daemon ends must
 * not be lost with it, and daemons log seconds apart, not packets apart.
 */
export function openLog(options: LogOptions = {}): Logger {
  const format = options.format ?? "auto";
  const human = format === "pretty" || (format === "auto" && process.stderr.isTTY === true);
  const stream = human
    ? prettyStream({
        destination: 2,
        sync: true,
        colorize: process.stderr.isTTY === true && !process.env.NO_COLOR,
        translateTime: "SYS:HH:MM:ss.l",
        ignore: "pid,hostname",
      })
    : pino.destination({ dest: 2, sync: true });
  return pino(
    {
      level: options.level ?? "info",
      base: options.fields ?? null,
      timestamp: stdTimeFunctions.isoTime,
      formatters: { level: (label) => ({ level: label }) },
    },
    stream,
  );
}

/** Loaded for people only: a service does without its thirty modules. */
function prettyStream(options: pinoPretty.PrettyOptions): DestinationStream {
  const pretty = (createRequire(import.meta.url)("pino-pretty") as typeof pinoPretty)(options);
  return { write: (line) => void pretty.write(`${JSON.stringify(shown(JSON.parse(line)))}\n`) };
}

/** A line's fields, fit for a terminal: others choose names, and what they write into requests. Stacks keep their lines. */
function shown(value: unknown, isLine = true): unknown {
  if (typeof value === "string") return isLine ? printable(value) : printableText(value);
  if (Array.isArray(value)) return value.map((each) => shown(each));
  if (typeof value !== "object" || value === null) return value;
  return Object.fromEntries(
    Object.entries(value).map(([key, each]) => [printable(key), shown(each, key !== "stack")]),
  );
}

/** Distinct keys remembered at once; when full, the oldest is forgotten (its line may then repeat early). */
const KEYS_MAX = 1024;

/**
 * A gate for lines that an outside party can provoke without end: `once(key, ms)` is true at most once
 * per `perMs` milliseconds and key. `suppressed(key)` is how many were held back since the last true.
 *
 *     if (limit.once(`${peer} ${cause}`, 60_000)) log.warn({ peer, cause }, "upload refused");
 */
export class LineLimit {
  readonly #seen = new Map<string, { since: number; held: number; heldBefore: number }>();
  readonly #now: () => number;

  constructor(now: () => number = () => performance.now()) {
    this.#now = now;
  }

  once(key: string, perMs = 60_000): boolean {
    const now = this.#now();
    const entry = this.#seen.get(key);
    if (entry !== undefined && now - entry.since < perMs) {
      entry.held++;
      return false;
    }
    this.#seen.delete(key);
    this.#seen.set(key, { since: now, held: 0, heldBefore: entry?.held ?? 0 });
    if (this.#seen.size > KEYS_MAX) this.#seen.delete(this.#seen.keys().next().value!);
    return true;
  }

  /** Lines held back between the last two times `once(key)` was true. */
  suppressed(key: string): number {
    return this.#seen.get(key)?.heldBefore ?? 0;
  }
}
