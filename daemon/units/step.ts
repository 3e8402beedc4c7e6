/** What installing or removing the services does, as data: shown, printed as a shell script, or carried out. */

export type Step =
  /** A file of ours: replaced when it differs. */
  | { kind: "file"; path: string; content: string; why: string }
  /** A configuration: one that differs stays, and ours goes beside it as .new. */
  | { kind: "config"; path: string; content: string; why: string }
  | { kind: "remove"; path: string; why: string }
  /** `isOffline`: touches files below the prefix alone, so it is also run for an image. */
  | { kind: "run"; command: string[]; why: string; isOffline?: boolean };

/** What becomes of a step on this host. */
export type Outcome = "written" | "unchanged" | "kept" | "removed" | "absent" | "ran" | "left to you";

export interface DoneStep {
  outcome: Outcome;
  /** The path, or the command. */
  what: string;
  why: string;
}

/** Where a configuration goes whose place holds another one: what dpkg does, too. */
export const besidePath = (path: string): string => `${path}.new`;

/** A word as a shell takes it. */
export function shellWord(word: string): string {
  return /^[\w@%+=:,./-]+$/.test(word) ? word : `'${word.replaceAll("'", "'\\''")}'`;
}

/** A shell script that does what the steps do; `current` answers what is in a file now. */
export function shellScript(steps: readonly Step[], current: (path: string) => string | undefined): string {
  return steps.map((step) => `# ${step.why}\n${shellLines(step, current)}\n`).join("");
}

function shellLines(step: Step, current: (path: string) => string | undefined): string {
  switch (step.kind) {
    case "run":
      return step.command.map(shellWord).join(" ");
    case "remove":
      return `rm -f ${shellWord(step.path)}`;
    case "file":
    case "config": {
      const before = current(step.path);
      if (before === step.content) return `: ${shellWord(step.path)} is there already`;
      const isKept = step.kind === "config" && before !== undefined;
      const path = isKept ? besidePath(step.path) : step.path;
      return `install -D -m 0644 /dev/stdin ${shellWord(path)} <<'END-OF-FILE'\n${step.content}END-OF-FILE`;
    }
  }
}
