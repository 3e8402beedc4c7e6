/** What the commands share: options, help texts, exit codes. */
import { type Command, InvalidArgumentError, Option } from "commander";
import { parseDuration } from "../../lib/duration.js";
import { EXIT, type ExitCode, SparsewireError } from "../../lib/errors.js";
import { printable } from "../../lib/printable.js";
import { sayAside } from "./output.js";

/** Where a command leaves its exit code when it ends without an error. */
export interface Result {
  code: ExitCode;
}

/** A file that defines one command: adds it to its parent. */
export type Register = (parent: Command, result: Result) => void;

/** Where control sockets of sensors are. */
export const RUN_FOLDER = "/run/sparsewire";

export const EXIT_CODES = `Exit codes:
  0  ok
  1  failure
  2  usage: a bad flag, a missing file, a broken configuration
  3  bad input: damaged or foreign data (what precedes the damage is still counted)
  4  not permitted
  5  not supported on this host`;

/** --json, and -o FILE unless the command has its own -o. */
export function withOutput(command: Command, output = true): Command {
  if (output) command.option("-o, --output <file>", "write to FILE, whole or not at all, instead of stdout");
  return command.option("--json", "print JSON for machines, also for errors");
}

/** Text below a command's help: its examples, each with what it is for. */
export function examples(command: Command, lines: [command: string, purpose: string][]): Command {
  const width = Math.max(...lines.map(([example]) => example.length));
  const text = lines.map(([example, purpose]) => `  ${example.padEnd(width)}  # ${purpose}`).join("\n");
  return command.addHelpText("after", `\nExamples:\n${text}\n\n${EXIT_CODES}`);
}

/** Parser of a whole number between two bounds. */
export function integer(min: number, max: number): (text: string) => number {
  return (text) => {
    const value = /^\d{1,16}$/.test(text) ? Number(text) : Number.NaN;
    if (!(value >= min && value <= max)) {
      throw new InvalidArgumentError(`It must be a whole number from ${min} to ${max}.`);
    }
    return value;
  };
}

/** Parser of a duration; nanoseconds. */
export function duration(text: string): bigint {
  try {
    return parseDuration(text);
  } catch (error) {
    const { message, mend } = error as SparsewireError;
    throw new InvalidArgumentError(`${message}; ${mend}.`);
  }
}

export function familyOption(): Option {
  return new Option("--family <4|6>", "address family").choices(["4", "6"]).default("4");
}

export function byteOrderOption(): Option {
  return new Option("--byte-order <order>", "index byte order of foreign archives, which do not say")
    .choices(["big", "little"])
    .default("big");
}

/** An option whose values help and completions tell; what else is given is judged by the configuration's own rules. */
export function settingOption(flags: string, description: string, values: readonly string[]): Option {
  const option = new Option(flags, description);
  option.argChoices = [...values];
  return option;
}

/** A comma-separated list out of a closed set, such as --by packets,bytes. */
export function listOf<T extends string>(choices: readonly T[]): (text: string) => T[] {
  return (text) => {
    const given = text.split(",").map((item) => item.trim());
    for (const item of given) {
      if (!choices.includes(item as T))
        throw new InvalidArgumentError(`Allowed choices are ${choices.join(", ")}.`);
    }
    return [...new Set(given)] as T[];
  };
}

export function usage(what: string, mend: string): SparsewireError {
  return new SparsewireError("USAGE", what, { exit: EXIT.usage, mend });
}

/** A line of warning; the command goes on. */
export function warn(text: string): void {
  sayAside(`sparsewire: warning: ${printable(text)}\n`);
}
