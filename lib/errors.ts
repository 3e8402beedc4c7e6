import { printable } from "./printable.js";

/** Exit codes of every command; the same everywhere, so that scripts can rely on them. */
export const EXIT = { ok: 0, failure: 1, usage: 2, badInput: 3, notPermitted: 4, unsupported: 5 } as const;
export type ExitCode = (typeof EXIT)[keyof typeof EXIT];

/**
 * An error meant for the person at the terminal: what happened, why, and what mends it.
 *
 * `code` is stable (scripts and tests match on it, never on the text), `exit` is the process's exit
 * code when the error ends a command, `mend` is one imperative sentence.
 */
export class SparsewireError extends Error {
  readonly code: string;
  readonly exit: ExitCode;
  readonly mend: string;

  constructor(code: string, what: string, options: { exit?: ExitCode; mend?: string; cause?: unknown } = {}) {
    super(what, options.cause === undefined ? undefined : { cause: options.cause });
    this.name = "SparsewireError";
    this.code = code;
    this.exit = options.exit ?? EXIT.failure;
    this.mend = options.mend ?? "";
  }
}

/** The one line a command prints on stderr for an error: what and why, then the mend. */
export function errorLine(error: unknown): string {
  const mend = mendOf(error);
  const what = error instanceof Error ? error.message : String(error);
  const line = mend === "" ? what : `${what}; ${mend}`;
  return printable(line.replaceAll(/\s*\n\s*/g, " "));
}

/** The exit code an error asks for; foreign errors are plain failures unless they are about permissions. */
export function exitCodeOf(error: unknown): ExitCode {
  const { code, name, exit } = (error ?? {}) as Partial<Record<"code" | "name" | "exit", unknown>>;
  // From another thread comes a copy, which is of no class.
  const own = name === "SparsewireError" ? Object.values(EXIT).find((each) => each === exit) : undefined;
  if (own !== undefined) return own;
  return code === "EACCES" || code === "EPERM" ? EXIT.notPermitted : EXIT.failure;
}

function mendOf(error: unknown): string {
  const mend = (error as { mend?: unknown } | null)?.mend;
  return typeof mend === "string" ? mend : "";
}
