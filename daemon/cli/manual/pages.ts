/**
 * The manual pages, made from the command tree and from the configurations' schemas, so that they say what the program
 * does. `npm run package` writes them.
 */
import { type ConfigKey, configKeys } from "../../config/keys.js";
import { KINDS, type Kind, loadKinds } from "../../config/kinds.js";
import { SOFTWARE, VERSION } from "../../software.js";
import { EXIT_CODES } from "../command.js";
import { buildProgram } from "../program.js";
import { bold, entry, heading, paragraph, plain, subheading, title, verbatim } from "./roff.js";
import { type CommandEntry, describeCommand, everyCommand } from "./tree.js";

export interface ManualPage {
  name: string;
  section: number;
  /** roff. */
  text: string;
}

/** sparsewire(1), sparsewire-sensor.toml(5) and sparsewire-aggregator.toml(5). `date` as in "2026-01-31"; may be empty. */
export async function manualPages(date = ""): Promise<ManualPage[]> {
  const kinds = await loadKinds();
  const program = describeCommand(buildProgram(VERSION, { code: 0 }));
  return [
    { name: "sparsewire", section: 1, text: programPage(program, date) },
    ...KINDS.map((kind) => ({
      name: `sparsewire-${kind}.toml`,
      section: 5,
      text: configPage(kind, configKeys(kinds[kind]), date),
    })),
  ];
}

function programPage(program: CommandEntry, date: string): string {
  const commands = [...everyCommand(program)].slice(1);
  return [
    title("sparsewire", 1, date, SOFTWARE, "who talks to whom on a network, exactly"),
    heading("Synopsis"),
    ...commands.filter(({ commands: below }) => below.length === 0).map(synopsis),
    heading("Description"),
    paragraph(program.description),
    heading("Commands"),
    ...commands.map(commandText),
    heading("Exit status"),
    verbatim(EXIT_CODES.split("\n").slice(1).join("\n")),
    heading("Files"),
    entry("/etc/sparsewire/sensor.toml", "configuration of sensors; see sparsewire-sensor.toml(5)"),
    entry(
      "/etc/sparsewire/sensor-NAME.toml",
      "that of one instance (sparsewire-sensor@NAME), instead of sensor.toml",
    ),
    entry(
      "/etc/sparsewire/aggregator.toml",
      "configuration of the aggregator; see sparsewire-aggregator.toml(5)",
    ),
    entry("/etc/credstore/sparsewire.*", "tokens and keys that the units hand over (LoadCredential=)"),
    entry("/run/sparsewire/sensor*.sock", "control sockets of running sensors"),
    entry("/var/lib/sparsewire/", "spools of sensors, and the aggregator's store"),
    heading("Environment"),
    entry("NO_COLOR", "no colour, whatever its value"),
    entry(
      "NOTIFY_SOCKET, WATCHDOG_USEC, CREDENTIALS_DIRECTORY, STATE_DIRECTORY",
      "set by the service manager",
    ),
    heading("See also"),
    paragraph("sparsewire-sensor.toml(5), sparsewire-aggregator.toml(5), systemctl(1), journalctl(1)"),
  ].join("");
}

function synopsis({ path, usage }: CommandEntry): string {
  return `${bold(["sparsewire", ...path].join(" "))} ${plain(usage)}\n.br\n`;
}

function commandText({
  path,
  usage,
  description,
  arguments: operands,
  options,
  commands,
  after,
}: CommandEntry): string {
  if (commands.length > 0) return `${subheading(`sparsewire ${path.join(" ")}`)}${paragraph(description)}`;
  // The exit codes are the same everywhere; they have a section of their own.
  const examples = after
    .replace(EXIT_CODES, "")
    .replace(/^Examples:\n/, "")
    .trimEnd();
  return [
    subheading(`sparsewire ${path.join(" ")} ${usage}`),
    paragraph(`${description}.`),
    ...operands.map(({ name, description: what }) => entry(name.toUpperCase(), what)),
    ...options.map(({ flags, description: what }) => entry(flags, what)),
    ...(examples === "" ? [] : [paragraph("Examples:"), verbatim(examples)]),
  ].join("");
}

function configPage(kind: Kind, keys: ConfigKey[], date: string): string {
  const name = `sparsewire-${kind}.toml`;
  const tables = [...new Set(keys.map(({ table }) => table))];
  return [
    title(name, 5, date, SOFTWARE, `configuration of sparsewire ${kind}`),
    heading("Synopsis"),
    paragraph(`/etc/sparsewire/${kind}.toml${kind === "sensor" ? ", /etc/sparsewire/sensor-NAME.toml" : ""}`),
    heading("Description"),
    paragraph(
      "A TOML file. Keys marked (reload) take effect on SIGHUP (systemctl reload); the others at the next start. " +
        "A file name that begins with %d/ names a credential of the service (LoadCredential=). " +
        `sparsewire check-config names every fault; sparsewire check-config --example ${kind} prints all keys.`,
    ),
    ...tables.flatMap((table) => [
      table === "" ? heading("Keys") : heading(`[${table}]`),
      ...keys.filter((key) => key.table === table).map(keyText),
    ]),
    heading("See also"),
    paragraph("sparsewire(1)"),
  ].join("");
}

function keyText({ key, description, defaultText, isReloadable }: ConfigKey): string {
  const notes = `${defaultText === undefined ? "" : ` Default: ${defaultText}.`}${isReloadable ? " (reload)" : ""}`;
  return entry(key, `${description}.${notes}`);
}
