/** `sparsewire doctor`: what this host can do, what is in the way, and which mode is best. */
import { availableParallelism } from "node:os";
import type { Command } from "commander";
import { EXIT } from "../../lib/errors.js";
import { examples, type Result, usage, withOutput } from "./command.js";
import { bindFinding } from "./doctor/bind.js";
import type { Finding } from "./doctor/finding.js";
import { interfaceFindings, isInUse, type Subject } from "./doctor/interface.js";
import { kernelFindings } from "./doctor/kernel.js";
import { advise, modeFindings, modesOf } from "./doctor/modes.js";
import { neighbourFindings } from "./doctor/neighbours.js";
import { offloadFindings } from "./doctor/offloads.js";
import { memoryFindings, processFindings } from "./doctor/process.js";
import { type DoctorReport, reportJson, reportText } from "./doctor/report.js";
import { emit } from "./output.js";

interface Options {
  try?: boolean;
  output?: string;
  json?: boolean;
}

export function registerDoctor(parent: Command, result: Result): void {
  const command = parent
    .command("doctor")
    .description(
      "tell what this host can do, what is in the way and which mode is best; exit 5 if no sensor could run",
    )
    .argument("[interface]", "network interface to look at, too")
    .option(
      "--try",
      "bind AF_XDP sockets to queue 0 for a moment: which bind mode is to be had (a driver may reset the queue)",
    )
    .action(async (name: string | undefined, options: Options) => {
      if (options.try && name === undefined)
        throw usage("--try needs an interface", "name one: sparsewire doctor eth1 --try");
      const report = await examine(name, options.try === true);
      if (report.advice.best === "pcap") result.code = EXIT.unsupported;
      const isColored =
        options.output === undefined && process.stdout.isTTY === true && !process.env.NO_COLOR;
      await emit(options.output, [options.json ? reportJson(report) : reportText(report, isColored)], {
        isPainted: isColored && options.json !== true,
      });
    });
  withOutput(command);
  examples(command, [
    ["sparsewire doctor", "the host"],
    ["sparsewire doctor eth1", "and an interface"],
    ["sparsewire doctor eth1 --try", "and the bind modes its driver offers"],
    ["sparsewire doctor eth1 --json | jq -r .best.command", "how to start a sensor there"],
  ]);
}

/** Only reads, unless it may `attempt` to bind. */
async function examine(name: string | undefined, attempt: boolean): Promise<DoctorReport> {
  const { explain } = await import("../sensor/guard.js");
  const { inspectInterface, probe } = await import("xdp-node");
  try {
    const host = probe(name);
    const subject: Subject | undefined = host.interface && {
      report: host.interface,
      details: inspectInterface(host.interface.name),
      hasMultiBuffer: host.multiBuffer.ok,
      cores: availableParallelism(),
    };
    const modes = modesOf(host, subject);
    const advice = advise(host, modes, subject);
    const bound: Finding[] = [];
    if (attempt && subject !== undefined) {
      for (const bind of ["copy", "zerocopy"] as const)
        bound.push(await bindFinding(subject.report.name, bind));
    }
    const findings = [
      ...kernelFindings(host),
      ...processFindings(host, subject?.report.channels.rxQueues),
      ...memoryFindings(host),
      ...(subject === undefined ? [] : subjectFindings(subject)),
      ...bound,
      ...modeFindings(modes, advice),
    ];
    return { interface: name ?? null, findings, modes, advice };
  } catch (error) {
    throw explain(error);
  }
}

function subjectFindings(subject: Subject): Finding[] {
  return [
    ...interfaceFindings(subject),
    ...offloadFindings(subject, !isInUse(subject.report)),
    ...neighbourFindings(subject),
  ];
}
