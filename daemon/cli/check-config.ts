/** `sparsewire check-config`: every fault of a configuration, with its line. */
import { basename } from "node:path";
import { type Command, Option } from "commander";
import type { z } from "zod";
import { EXIT } from "../../lib/errors.js";
import { type Fault, faultLine } from "../config/faults.js";
import { checkDocument, readConfig } from "../config/load.js";
import { familiarity } from "../config/schema.js";
import { readToml } from "../config/toml.js";
import { examples, type Result, withOutput } from "./command.js";
import { emit } from "./output.js";

type Kind = "sensor" | "aggregator";

export function registerCheckConfig(parent: Command, result: Result): void {
  const command = parent
    .command("check-config")
    .description(
      "name every fault of a configuration file, with line, column and mend; exit 2 if there is one",
    )
    .argument("<file>", "sensor.toml or aggregator.toml")
    .addOption(
      new Option("--kind <kind>", "what it configures; by default told from its keys and its name").choices([
        "sensor",
        "aggregator",
      ]),
    )
    .action(async (file: string, options: { kind?: Kind; json?: boolean; output?: string }) => {
      const document = readToml(readConfig(file));
      const schemas = await loadSchemas();
      const kind = options.kind ?? kindOf(file, document.value, schemas);
      const checked = checkDocument(document, schemas[kind]);
      const faults = checked.ok ? [] : checked.faults;
      if (faults.length > 0) result.code = EXIT.usage;
      await emit(options.output, [options.json ? asJson(file, kind, faults) : asText(file, kind, faults)]);
    });
  withOutput(command);
  examples(command, [
    ["sparsewire check-config /etc/sparsewire/sensor.toml", "before a reload"],
    ["sparsewire check-config new.toml --kind aggregator --json", "for an editor or a pipeline"],
  ]);
}

async function loadSchemas(): Promise<Record<Kind, z.ZodType>> {
  const [sensor, aggregator] = await Promise.all([
    import("../sensor/config.js"),
    import("../aggregator/config.js"),
  ]);
  return { sensor: sensor.sensorConfigSchema, aggregator: aggregator.aggregatorConfigSchema };
}

/** The schema that knows more of the file's tables and keys; of equals, the one its name speaks of. */
function kindOf(file: string, value: Record<string, unknown>, schemas: Record<Kind, z.ZodType>): Kind {
  const lead = familiarity(schemas.aggregator, value) - familiarity(schemas.sensor, value);
  if (lead !== 0) return lead > 0 ? "aggregator" : "sensor";
  return basename(file).includes("aggregator") ? "aggregator" : "sensor";
}

function asText(file: string, kind: Kind, faults: Fault[]): string {
  if (faults.length === 0) return `${file}: ok (${kind})\n`;
  return faults.map((fault) => `${faultLine(file, fault)}\n`).join("");
}

function asJson(file: string, kind: Kind, faults: Fault[]): string {
  return `${JSON.stringify({ file, kind, ok: faults.length === 0, faults }, null, 1)}\n`;
}
