/** The command tree, whole. Commands load what they need when they run, so that help is instant. */
import { Command } from "commander";
import { registerAggregator } from "./aggregator.js";
import { registerAnonymize, registerDeanonymize } from "./anonymize.js";
import { registerCheckConfig } from "./check-config.js";
import type { Result } from "./command.js";
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
import { quietly, rootCommand } from "./root.js";
import { registerSensor } from "./sensor.js";
import { registerService } from "./service.js";
import { registerStatus } from "./status.js";
import { registerTop } from "./top.js";

/** Builds the tree; `result` receives the exit code of the command that runs. */
export function buildProgram(version: string, result: Result): Command {
  const program = rootCommand(version);
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
