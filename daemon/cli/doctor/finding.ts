/** One answer of the doctor. */

/** ok; warn: it works, worse than it could; bad: something cannot work; unseen: this process may not look. */
export type Verdict = "ok" | "warn" | "bad" | "unseen";

/** Headings, in the order in which they are told. */
export const GROUPS = [
  "kernel",
  "process",
  "memory",
  "interface",
  "offloads",
  "neighbours",
  "modes",
] as const;
export type Group = (typeof GROUPS)[number];

export interface Finding {
  /** Stable, for scripts: "capabilities", "mtu". */
  check: string;
  group: Group;
  verdict: Verdict;
  text: string;
  /** The command or the setting that mends it; empty when all is well. */
  mend: string;
  /** What was found, for machines; absent where the verdict says it all. */
  value?: unknown;
}

/** Makers of the findings of one group. */
export function findingsOf(group: Group) {
  const make =
    (verdict: Verdict) =>
    (check: string, text: string, mend: string, value?: unknown): Finding => ({
      check,
      group,
      verdict,
      text,
      mend,
      ...(value === undefined ? {} : { value }),
    });
  return {
    ok: (check: string, text: string, value?: unknown): Finding => make("ok")(check, text, "", value),
    warn: make("warn"),
    bad: make("bad"),
    unseen: (check: string, text: string, mend: string): Finding => make("unseen")(check, text, mend),
  };
}

/** The worst verdict; what was not seen is not held against the host. */
export function worstOf(findings: readonly Finding[]): "ok" | "warn" | "bad" {
  return (
    (["bad", "warn"] as const).find((verdict) => findings.some((each) => each.verdict === verdict)) ?? "ok"
  );
}

export const plural = (count: number, noun: string): string => `${count} ${noun}${count === 1 ? "" : "s"}`;
