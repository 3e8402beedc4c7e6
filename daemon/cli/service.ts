/** `sparsewire service`: installs the systemd units of this very program, and removes them. */
import { existsSync } from "node:fs";
import { Command, Option } from "commander";
import { EXIT, SparsewireError } from "../../lib/errors.js";
import { loadKinds } from "../config/kinds.js";
import { applyStep, currentText } from "../units/apply.js";
import { installPlan, SERVICE_MODES, type ServiceMode, uninstallPlan } from "../units/plan.js";
import { type DoneStep, type Step, shellScript } from "../units/step.js";
import { examples, type Result, usage, withOutput } from "./command.js";
import { isInstanceName } from "./instance.js";
import { emit } from "./output.js";

interface Options {
  interface?: string;
  mode?: ServiceMode;
  aggregator?: boolean;
  now?: boolean;
  purge?: boolean;
  prefix?: string;
  dryRun?: boolean;
  output?: string;
  json?: boolean;
}

/** Present where systemd is the service manager: sd_booted(3). */
const BOOTED = "/run/systemd/system";

export function registerService(parent: Command, _result: Result): void {
  const service = new Command("service").description("run sensors and the aggregator as systemd services");
  parent.addCommand(service);
  const common = (command: Command): Command =>
    withOutput(
      command
        .option("--prefix <dir>", "install below DIR and run no command: for images")
        .option("--dry-run", "print a shell script that does the same, and do nothing"),
    );
  const install = common(
    service
      .command("install")
      .description("install units, user, folders and default configurations; doing it again changes nothing")
      .option("--interface <name>", "enable a sensor on this interface")
      .addOption(
        new Option(
          "--mode <mode>",
          "of that sensor, in a configuration of its own; mirror takes every frame, host watches this host's own traffic",
        ).choices(SERVICE_MODES),
      )
      .option("--aggregator", "enable the aggregator")
      .option("--now", "also start what is enabled"),
  ).action(async (options: Options) => {
    if (options.interface !== undefined && !isInstanceName(options.interface))
      throw usage(`${JSON.stringify(options.interface)} is no interface name`, "as in --interface eth1");
    if (options.mode !== undefined && options.interface === undefined)
      throw usage("--mode is that of a sensor", "name its interface, too: --interface NAME");
    if (options.now && options.interface === undefined && !options.aggregator)
      throw usage("there is nothing to start", "give --interface NAME, --aggregator or both");
    requireSystemd(options);
    await carryOut(installPlan(options, await loadKinds()), options);
  });
  examples(install, [
    ["sparsewire service install --interface eth1 --now", "a sensor, now and at every boot"],
    [
      "sparsewire service install --interface eth0 --mode host --now",
      "one that watches this host's own traffic",
    ],
    ["sparsewire service install --aggregator --now", "the aggregator"],
    ["sparsewire service install --dry-run", "what would be done, as a shell script"],
  ]);
  const uninstall = common(
    service
      .command("uninstall")
      .description("stop and disable the services, remove their units; configurations and data stay")
      .option("--purge", "remove configurations, spools and the store, too"),
  ).action(async (options: Options) => {
    requireSystemd(options);
    await carryOut(uninstallPlan(options), options);
  });
  examples(uninstall, [
    ["sparsewire service uninstall", "configurations, spools and the store stay"],
    ["sparsewire service uninstall --dry-run", "what would be done"],
  ]);
}

function requireSystemd({ prefix, dryRun }: Options): void {
  if (prefix !== undefined || dryRun) return;
  if (!existsSync(BOOTED))
    throw new SparsewireError("NO_SYSTEMD", `this host is not run by systemd (there is no ${BOOTED})`, {
      exit: EXIT.unsupported,
      mend: "start sparsewire sensor by the service manager that is here; --prefix DIR prepares an image",
    });
  if (process.getuid?.() !== 0)
    throw new SparsewireError("NOT_ROOT", "only root can install services", {
      exit: EXIT.notPermitted,
      mend: "run it with sudo",
    });
}

async function carryOut(steps: Step[], { prefix, dryRun, json, output }: Options): Promise<void> {
  if (dryRun)
    return emit(output, [json ? `${JSON.stringify(steps, null, 1)}\n` : shellScript(steps, currentText)]);
  const done: DoneStep[] = [];
  try {
    for (const step of steps) done.push(applyStep(step, prefix === undefined));
  } finally {
    // Also before an error: what was done is done.
    await emit(output, [json ? `${JSON.stringify(done, null, 1)}\n` : done.map(line).join("")]);
  }
}

const line = ({ outcome, what, why }: DoneStep): string =>
  `${outcome.padEnd(11)}  ${what}\n${" ".repeat(13)}${why}\n`;
