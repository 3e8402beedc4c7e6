/** Carries steps out, and says what became of each. */
import { spawnSync } from "node:child_process";
import { chmodSync, mkdirSync, readFileSync, renameSync, rmSync, writeFileSync } from "node:fs";
import { dirname } from "node:path";
import { EXIT, SparsewireError } from "../../lib/errors.js";
import { besidePath, type DoneStep, type Outcome, type Step, shellWord } from "./step.js";

/** A stop waits for the last intervals. */
const COMMAND_MS = 120_000;

/** What is in a file; undefined when there is none. */
export function currentText(path: string): string | undefined {
  try {
    return readFileSync(path, "utf8");
  } catch (error) {
    if ((error as NodeJS.ErrnoException).code === "ENOENT") return undefined;
    throw unusable(path, error);
  }
}

/**
 * Carries one step out. With `runs` false commands are left to whoever boots the image.
 *
 * @throws SparsewireError SERVICE_FILE, SERVICE_COMMAND
 */
export function applyStep(step: Step, runs: boolean): DoneStep {
  const { why } = step;
  if (step.kind === "run") {
    const what = step.command.map(shellWord).join(" ");
    if (!runs && !step.isOffline) return { outcome: "left to you", what, why };
    runCommand(step.command);
    return { outcome: "ran", what, why };
  }
  if (step.kind === "remove") {
    const was = currentText(step.path);
    rmSync(step.path, { force: true });
    return { outcome: was === undefined ? "absent" : "removed", what: step.path, why };
  }
  const [outcome, what] = writeStep(step);
  return { outcome, what, why };
}

function writeStep({ kind, path, content }: Extract<Step, { content: string }>): [Outcome, string] {
  const before = currentText(path);
  if (before === content) return ["unchanged", path];
  if (kind === "file" || before === undefined) {
    replace(path, content);
    return ["written", path];
  }
  const beside = besidePath(path);
  if (currentText(beside) !== content) replace(beside, content);
  return ["kept", `${path} (the default is in ${beside})`];
}

/** A file appears whole or not at all: systemd may read it at any time. */
function replace(path: string, content: string): void {
  try {
    mkdirSync(dirname(path), { recursive: true, mode: 0o755 });
    const temporary = `${path}.${process.pid}.tmp`;
    writeFileSync(temporary, content, { mode: 0o644 });
    chmodSync(temporary, 0o644); // whatever the umask
    renameSync(temporary, path);
  } catch (error) {
    throw unusable(path, error);
  }
}

function unusable(path: string, error: unknown): SparsewireError {
  const { code } = error as NodeJS.ErrnoException;
  const isDenied = code === "EACCES" || code === "EPERM" || code === "EROFS";
  return new SparsewireError("SERVICE_FILE", `cannot install ${path} (${code})`, {
    exit: isDenied ? EXIT.notPermitted : EXIT.failure,
    mend: isDenied ? "run as root" : "see that its folder can be written",
    cause: error,
  });
}

function runCommand([name, ...args]: string[]): void {
  const done = spawnSync(name!, args, { encoding: "utf8", timeout: COMMAND_MS });
  if (done.status === 0) return;
  const command = [name!, ...args].map(shellWord).join(" ");
  // systemctl tells of the links that it made, and warns, before it tells of what went wrong.
  const lines = done.error === undefined ? done.stderr.split("\n") : [done.error.message];
  const said = lines.find((line) => /^(Job|Failed) /.test(line)) ?? lines.find((line) => line.trim() !== "");
  throw new SparsewireError("SERVICE_COMMAND", `${command} failed: ${said ?? `status ${done.status}`}`, {
    mend: "what came before it is done; mend the cause and run this again",
  });
}
