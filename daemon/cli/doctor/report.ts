/** The doctor's answer as a whole: as JSON of a stable shape, and as text in groups. */
import { printable } from "../../../lib/printable.js";
import { type Finding, GROUPS, type Group, type Verdict, worstOf } from "./finding.js";
import type { Advice, ModeAnswer } from "./modes.js";

export interface DoctorReport {
  interface: string | null;
  findings: Finding[];
  modes: ModeAnswer[];
  advice: Advice;
}

const TITLES: Record<Group, string> = {
  kernel: "kernel",
  process: "this process",
  memory: "memory",
  interface: "interface",
  offloads: "offloads",
  neighbours: "who else is there",
  modes: "modes",
};
const COLORS: Record<Verdict, string> = {
  ok: "\x1b[32m",
  warn: "\x1b[33m",
  bad: "\x1b[31m",
  unseen: "\x1b[36m",
};
const BOLD = "\x1b[1m";
const RESET = "\x1b[0m";
const LABEL_WIDTH = Math.max(...Object.keys(COLORS).map((verdict) => verdict.length));

/** {interface, verdict, findings: [{check, group, verdict, text, mend, value}], modes, best}. */
export function reportJson({ interface: name, findings, modes, advice }: DoctorReport): string {
  const whole = { interface: name, verdict: worstOf(findings), findings, modes, best: advice };
  return `${JSON.stringify(whole, null, 1)}\n`;
}

export function reportText({ interface: name, findings, advice }: DoctorReport, isColored: boolean): string {
  const paint = (color: string, text: string): string =>
    isColored ? `${color}${printable(text)}${RESET}` : printable(text);
  const width = Math.max(...findings.map(({ check }) => check.length));
  const lines = GROUPS.flatMap((group) => {
    const inGroup = findings.filter((each) => each.group === group);
    if (inGroup.length === 0) return [];
    const title =
      group === "interface" || group === "modes" ? `${TITLES[group]} ${name ?? ""}` : TITLES[group];
    return [
      paint(BOLD, `${title}:`),
      ...inGroup.flatMap(({ check, verdict, text, mend }, i) => {
        const label = paint(COLORS[verdict], verdict.padEnd(LABEL_WIDTH));
        const line = `${label}  ${check.padEnd(width)}  ${printable(text)}`;
        // A mend that the next finding has, too, is told once.
        return mend === "" || mend === inGroup[i + 1]?.mend
          ? [line]
          : [line, `${" ".repeat(LABEL_WIDTH + width + 4)}-> ${printable(mend)}`];
      }),
      "",
    ];
  });
  return `${lines.join("\n")}${paint(BOLD, "start it:")} ${printable(advice.command)}\n`;
}
