/** One run of the command line: arguments in, exit code out, every error one line on stderr. */
import { CommanderError } from "commander";
import { EXIT, type ExitCode, errorLine, exitCodeOf, SparsewireError } from "../../lib/errors.js";
import { faultLine } from "../config/faults.js";
import { ConfigError } from "../config/load.js";
import type { Result } from "./command.js";
import { sayAside, writeError } from "./output.js";
import { daemonProgram } from "./root.js";

/** Runs one command to its end. Ends the process quietly when whoever reads stdout has gone. */
export async function run(args: string[], version: string): Promise<ExitCode> {
  process.stdout.on("error", (error: NodeJS.ErrnoException) => {
    if (error.code === "EPIPE") process.exit(EXIT.ok);
    const known = writeError("standard output", error);
    report(known, args.includes("--json"));
    process.exit(exitCodeOf(known));
  });
  // With stderr gone there is nobody left to tell.
  process.stderr.on("error", () => {});
  const result: Result = { code: EXIT.ok };
  const program =
    (await daemonProgram(args, version, result)) ??
    (await import("./program.js")).buildProgram(version, result);
  try {
    await program.parseAsync(args, { from: "user" });
    return result.code;
  } catch (error) {
    if (error instanceof CommanderError && isHelp(error))
      return error.code === "commander.help" ? EXIT.usage : EXIT.ok;
    const known = error instanceof CommanderError ? usageError(error) : error;
    report(known, args.includes("--json"));
    return exitCodeOf(known);
  }
}

function isHelp(error: CommanderError): boolean {
  return ["commander.helpDisplayed", "commander.version", "commander.help"].includes(error.code);
}

function usageError(error: CommanderError): SparsewireError {
  const what = error.message.replace(/^error: /, "").replaceAll(/\s*\n\s*/g, " ");
  return new SparsewireError("USAGE", what, { exit: EXIT.usage, mend: "see sparsewire --help" });
}

/** One line; a broken configuration gets one for each fault. For machines the last line is JSON. */
function report(error: unknown, json: boolean): void {
  if (json) {
    const { code, mend } = error as { code?: unknown; mend?: unknown };
    const message = error instanceof Error ? error.message : String(error);
    const faults = error instanceof ConfigError ? { faults: error.faults } : {};
    const body = { code: String(code ?? "FAILURE"), message, mend: String(mend ?? ""), ...faults };
    sayAside(`${JSON.stringify({ error: body })}\n`);
    return;
  }
  if (error instanceof ConfigError) {
    for (const fault of error.faults) sayAside(`sparsewire: ${faultLine(error.file, fault)}\n`);
    return;
  }
  sayAside(`sparsewire: ${errorLine(error)}\n`);
  if (process.env.SPARSEWIRE_DEBUG && error instanceof Error) sayAside(`${error.stack}\n`);
}
