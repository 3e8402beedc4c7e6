/** `sparsewire check-config`: every fault of a configuration, with its line. */
import { basename } from "node:path";
import { type Command, Option } from "commander";
import { EXIT } from "../../lib/errors.js";
import { printable } from "../../lib/printable.js";
import { exampleConfig } from "../config/example.js";
import { type Fault, faultLine } from "../config/faults.js";
import { KINDS, type Kind, type KindOfConfig, loadKinds } from "../config/kinds.js";
import { checkDocument, readConfig } from "../config/load.js";
import { familiarity } from "../config/schema.js";
import { readToml, type TomlDocument } from "../config/toml.js";
import { isLoopback } from "../http/listen.js";
import { examples, type Result, usage, withOutput } from "./command.js";
import { instanceOf } from "./instance.js";
import { emit } from "./output.js";

interface Options {
  kind?: Kind;
  example?: Kind;
  instance?: string;
  output?: string;
  json?: boolean;
}

export function registerCheckConfig(parent: Command, result: Result): void {
  const command = parent
    .command("check-config")
    .description(
      "name every fault of a configuration file, with line, column and mend; exit 2 if there is one",
    )
    .argument("[file]", "sensor.toml or aggregator.toml")
    .addOption(
      new Option("--kind <kind>", "what it configures; by default told from its keys and its name").choices(
        KINDS,
      ),
    )
    .addOption(
      new Option(
        "--example <kind>",
        "print a configuration with every key, its meaning and its default",
      ).choices(KINDS),
    )
    .option("--instance <name>", "check what sparsewire-sensor@NAME reads")
    .action(async (given: string | undefined, options: Options) => {
      const kinds = await loadKinds();
      if (options.example !== undefined) {
        return emit(options.output, [exampleConfig(options.example, kinds[options.example])]);
      }
      const instance = options.instance === undefined ? undefined : instanceOf(options.instance);
      const file = given ?? instance?.path;
      if (file === undefined) throw usage("there is no file to check", "name one, or use --example sensor");
      const document = readToml(readConfig(file));
      const kind = options.kind ?? (instance === undefined ? kindOf(file, document.value, kinds) : "sensor");
      const checked = checkDocument(document, kinds[kind].schema, instance?.overrides);
      const faults = checked.ok ? listenFaults(kinds[kind], checked.value, document) : checked.faults;
      if (faults.length > 0) result.code = EXIT.usage;
      await emit(options.output, [options.json ? asJson(file, kind, faults) : asText(file, kind, faults)]);
    });
  withOutput(command);
  examples(command, [
    ["sparsewire check-config /etc/sparsewire/sensor.toml", "before a reload"],
    ["sparsewire check-config new.toml --kind aggregator --json", "for an editor or a pipeline"],
    ["sparsewire check-config --example sensor > sensor.toml", "to start from"],
  ]);
}

/**
 * Who listens beyond loopback needs a certificate, whatever credentials bring keys and tokens (daemon/http/listen.ts
 * has the whole rule).
 */
function listenFaults({ listens }: KindOfConfig, config: unknown, document: TomlDocument): Fault[] {
  const server = listens(config);
  if (server === undefined || server.tls_cert !== undefined || isLoopback(server.address)) return [];
  const { table, address } = server;
  const key = `${table}.address`;
  const what = `${address} can be reached by others, and ${table}.tls_cert is not set`;
  const mend = `set ${table}.tls_cert, ${table}.tls_key and ${table === "listen" ? "" : `${table}.`}token_file, or listen on 127.0.0.1`;
  return [{ ...document.position([table, "address"]), key, what, mend }];
}

/** The schema that knows more of the file's tables and keys; of equals, the one its name speaks of. */
function kindOf(file: string, value: Record<string, unknown>, kinds: Record<Kind, KindOfConfig>): Kind {
  const lead = familiarity(kinds.aggregator.schema, value) - familiarity(kinds.sensor.schema, value);
  if (lead !== 0) return lead > 0 ? "aggregator" : "sensor";
  return basename(file).includes("aggregator") ? "aggregator" : "sensor";
}

function asText(file: string, kind: Kind, faults: Fault[]): string {
  if (faults.length === 0) return `${printable(file)}: ok (${kind})\n`;
  return faults.map((fault) => `${faultLine(file, fault)}\n`).join("");
}

function asJson(file: string, kind: Kind, faults: Fault[]): string {
  return `${JSON.stringify({ file, kind, ok: faults.length === 0, faults }, null, 1)}\n`;
}
