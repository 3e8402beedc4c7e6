/** The command tree. Commands load what they need when they run, so that help is instant. */
import { Command } from "commander";
import { registerAggregator } from "./aggregator.js";
import { registerAnonymize, registerDeanonymize } from "./anonymize.js";
import { registerCheckConfig } from "./check-config.js";
import { EXIT_CODES, type Result } from "./command.js";
import { registerCompletion } from "./completion.js";
import { registerDoctor } from "./doctor.js";
import { registerExtension } from "./extension.js";
import { registerIngest } from "./ingest.js";
import { registerDiff } from "./matrix-diff.js";
import { registerExport } from "./matrix-export.js";
import { registerPlot } from "./matrix-plot.js";
import { registerQuantities } from "./matrix-quantities.js";
import { registerSum } from "./matrix-sum.js";
import { registerMatrixTop } from "./matrix-top.js";
import { registerPrivileges } from "./privileges.js";
import { registerSensor } from "./sensor.js";
import { registerService } from "./service.js";
import { registerStatus } from "./status.js";
import { registerTop } from "./top.js";

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

/** Builds the tree; `result` receives the exit code of the command that runs. */
export function buildProgram(version: string, result: Result): Command {
  const program = new Command("sparsewire")
    .description(ABOUT)
    .version(version, "-V, --version", "print the version")
    .helpOption("-h, --help", "show help")
    .helpCommand("help [command]", "show help of a command")
    .addHelpText("after", MORE);
  const matrix = new Command("matrix").description(
    "look into matrices: archives, folders, captures, the running sensor",
  );
  registerSensor(program, result);
  registerAggregator(program, result);
  registerIngest(program, result);
  registerAnonymize(program, result);
  registerDeanonymize(program, result);
  program.addCommand(matrix);
  registerExport(matrix, result);
  registerQuantities(matrix, result);
  registerMatrixTop(matrix, result);
  registerSum(matrix, result);
  registerDiff(matrix, result);
  registerPlot(matrix, result);
  registerStatus(program, result);
  registerTop(program, result);
  registerDoctor(program, result);
  registerPrivileges(program, result);
  registerCheckConfig(program, result);
  registerExtension(program, result);
  registerService(program, result);
  registerCompletion(program, result);
  quietly(program);
  return program;
}

/** Errors are thrown, not printed: one place prints them, in one form. Usage help without a command is stderr's. */
function quietly(command: Command): void {
  command.exitOverride();
  command.configureOutput({ outputError: () => {} });
  command.allowExcessArguments(false);
  command.showSuggestionAfterError(true);
  for (const child of command.commands) quietly(child);
}
