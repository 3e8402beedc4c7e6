/** The command tree as data, read off the very commands that run: manual pages and completions are made from it. */
import type { Command, Option } from "commander";

export interface OptionEntry {
  /** As help shows them: "-o, --output <file>". */
  flags: string;
  /** Each spelling: ["-o", "--output"]. */
  names: string[];
  description: string;
  /** "file", "a name"; undefined for switches. */
  value: string | undefined;
  choices: readonly string[];
}

export interface ArgumentEntry {
  name: string;
  description: string;
  isRequired: boolean;
  isVariadic: boolean;
  choices: readonly string[];
}

export interface CommandEntry {
  /** Words below `sparsewire`: ["matrix", "top"]; empty for the program itself. */
  path: string[];
  description: string;
  /** "[options] <file...>" */
  usage: string;
  arguments: ArgumentEntry[];
  options: OptionEntry[];
  commands: CommandEntry[];
  /** What help prints below the options: examples, exit codes. */
  after: string;
}

/** Describes a command and everything below it; hidden ones are left out. */
export function describeCommand(command: Command, path: string[] = []): CommandEntry {
  const help = command.createHelp();
  return {
    path,
    description: command.description(),
    usage: command.usage(),
    arguments: command.registeredArguments.map((argument) => ({
      name: argument.name(),
      description: argument.description,
      isRequired: argument.required,
      isVariadic: argument.variadic,
      choices: argument.argChoices ?? [],
    })),
    options: help.visibleOptions(command).map(describeOption),
    commands: help
      .visibleCommands(command)
      .filter((child) => child.name() !== "help")
      .map((child) => describeCommand(child, [...path, child.name()])),
    after: textAfter(command),
  };
}

function describeOption(option: Option): OptionEntry {
  const takesValue = option.required || option.optional;
  const isTold = option.defaultValue !== undefined && typeof option.defaultValue !== "boolean";
  return {
    flags: option.flags,
    names: [option.short, option.long].filter((name) => name !== undefined),
    description: `${option.description}${isTold ? ` (default: ${option.defaultValueDescription ?? String(option.defaultValue)})` : ""}`,
    value: takesValue ? (/[<[]([^\]>]+)[\]>]/.exec(option.flags)?.[1] ?? "value") : undefined,
    choices: option.argChoices ?? [],
  };
}

/** Help texts that were added are events; asked for without printing anything. */
function textAfter(command: Command): string {
  let text = "";
  const write = (piece: string): void => {
    text += piece;
  };
  const events = command as unknown as { emit(event: string, context: object): void };
  events.emit("afterHelp", { write, error: false, command });
  return text.trim();
}

/** A command and all below it, from the top. */
export function* everyCommand(entry: CommandEntry): Generator<CommandEntry> {
  yield entry;
  for (const child of entry.commands) yield* everyCommand(child);
}
