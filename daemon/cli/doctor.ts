/** `sparsewire doctor`: what this host can do, and what is in the way. */
import type { Command } from "commander";
import { EXIT } from "../../lib/errors.js";
import { examples, type Result, usage, withOutput } from "./command.js";
import { bad, type Finding, hostFindings, interfaceFindings, ok } from "./doctor-checks.js";
import { emit } from "./output.js";

interface Options {
  try?: boolean;
  output?: string;
  json?: boolean;
}

const COLORS = { ok: "\x1b[32m", warn: "\x1b[33m", bad: "\x1b[31m" } as const;

export function registerDoctor(parent: Command, result: Result): void {
  const command = parent
    .command("doctor")
    .description("tell what this host can do and what is in the way; exit 5 if a sensor could not run")
    .argument("[interface]", "network interface to look at, too")
    .option(
      "--try",
      "bind AF_XDP sockets to queue 0 for a moment: which bind mode is to be had (a driver may reset the queue)",
    )
    .action(async (name: string | undefined, options: Options) => {
      if (options.try && name === undefined)
        throw usage("--try needs an interface", "name one: sparsewire doctor eth1 --try");
      const findings = await examine(name, options.try === true);
      if (findings.some(({ verdict }) => verdict === "bad")) result.code = EXIT.unsupported;
      await emit(options.output, [options.json ? asJson(name, findings) : asText(findings, options.output)]);
    });
  withOutput(command);
  examples(command, [
    ["sparsewire doctor", "the host"],
    ["sparsewire doctor eth1", "and an interface"],
    ["sparsewire doctor eth1 --try", "and the bind modes its driver offers"],
  ]);
}

async function examine(name: string | undefined, attempt: boolean): Promise<Finding[]> {
  const { explain } = await import("../sensor/guard.js");
  const { probe } = await import("xdp-node");
  try {
    const report = probe(name);
    const findings = hostFindings(report);
    if (report.interface === undefined) return findings;
    findings.push(...interfaceFindings(report, report.interface));
    if (attempt)
      findings.push(
        await bindFinding(report.interface.name, "copy"),
        await bindFinding(report.interface.name, "zerocopy"),
      );
    return findings;
  } catch (error) {
    throw explain(error);
  }
}

/** Opens a small socket on queue 0 and closes it again; no XDP program is attached, so no frame is taken. */
async function bindFinding(name: string, bind: "copy" | "zerocopy"): Promise<Finding> {
  const { XskSocket } = await import("xdp-node");
  const sizes = { rxSize: 64, fillSize: 64, completionSize: 64 };
  const umem = { size: 64 * 4096, chunkSize: 4096 as const };
  const total = umem.size + XskSocket.ringBytes(sizes);
  const pages = Math.ceil(total / 65_536) + 1;
  const memory = new WebAssembly.Memory({ initial: pages, maximum: pages, shared: true });
  const check = `bind_${bind}`;
  try {
    const socket = new XskSocket({
      memory,
      umem: { offset: 0, ...umem },
      interface: name,
      queue: 0,
      rings: { offset: umem.size },
      bind,
      ...sizes,
    });
    socket.close();
    return ok(check, `queue 0 binds in ${bind} mode`);
  } catch (error) {
    const { message, mend } = error as { message: string; mend?: string };
    if (bind === "zerocopy") return { check, verdict: "warn", text: message, mend: mend ?? "" };
    return bad(check, message, mend ?? "");
  }
}

function asJson(name: string | undefined, findings: Finding[]): string {
  const worst = (["bad", "warn", "ok"] as const).find((verdict) =>
    findings.some((finding) => finding.verdict === verdict),
  );
  return `${JSON.stringify({ interface: name ?? null, verdict: worst, findings }, null, 1)}\n`;
}

function asText(findings: Finding[], output: string | undefined): string {
  const isColored = output === undefined && process.stdout.isTTY && !process.env.NO_COLOR;
  const width = Math.max(...findings.map(({ check }) => check.length));
  return findings
    .map(({ check, verdict, text, mend }) => {
      const label = verdict.padEnd(4);
      const shown = isColored ? `${COLORS[verdict]}${label}\x1b[0m` : label;
      return `${shown}  ${check.padEnd(width)}  ${text}${mend === "" ? "" : `\n${" ".repeat(width + 8)}-> ${mend}`}\n`;
    })
    .join("");
}
