/** The root of the command tree, and the tree of a daemon, which has one branch. */
import { Command } from "commander";
import { EXIT_CODES, type Result } from "./command.js";

const ABOUT = "Who talks to whom on a network, exactly: packets in, hypersparse traffic matrices out.";

const MORE = `
A first look:
  sparsewire doctor eth1                         # what this host can do, and what is in the way
  sparsewire matrix export trace.pcap            # who sent how much to whom, as csv
  sparsewire ingest trace.pcap -o intervals      # a capture to one archive a second
  sparsewire sensor --interface eth1             # capture from a mirror port
  sparsewire top                                 # watch it

Every command: --help with examples. ${EXIT_CODES}

Colour is off with NO_COLOR set, or without a terminal.`;

/** `sparsewire` without its commands. */
export function rootCommand(version: string): Command {
  return new Command("sparsewire")
    .description(ABOUT)
    .version(version, "-V, --version", "print the version")
    .helpOption("-h, --help", "show help")
    .helpCommand("help [command]", "show help of a command")
    .addHelpText("after", MORE);
}

/**
 * The tree for a daemon's command line, undefined for others: a daemon that was killed is back the sooner, the fewer
 * modules it loads.
 */
export async function daemonProgram(
  args: readonly string[],
  version: string,
  result: Result,
): Promise<Command | undefined> {
  const program = rootCommand(version);
  if (args[0] === "sensor") (await import("./sensor.js")).registerSensor(program, result);
  else if (args[0] === "aggregator") (await import("./aggregator.js")).registerAggregator(program, result);
  else return undefined;
  quietly(program);
  return program;
}

/** Errors are thrown, not printed: one place prints them, in one form. Usage help without a command is stderr's. */
export function quietly(command: Command): void {
  command.exitOverride();
  command.configureOutput({ outputError: () => {} });
  command.allowExcessArguments(false);
  command.showSuggestionAfterError(true);
  for (const child of command.commands) quietly(child);
}
