/** Runs the real binary, as a user would. */
import { type SpawnSyncReturns, spawn, spawnSync } from "node:child_process";
import { existsSync, mkdtempSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import type { TestContext } from "node:test";
import { fileURLToPath } from "node:url";

export const ROOT = fileURLToPath(new URL("../../..", import.meta.url));
export const BINARY = join(ROOT, "dist/daemon/cli/main.js");
/** Real captures, with the csv of each beside it; not part of the repository. */
export const PCAPS = process.env.SPARSEWIRE_PCAPS ?? join(ROOT, "../shared/pcaps");

export interface Ran {
  code: number | null;
  out: string;
  err: string;
}

/** One run to its end. */
export function sparsewire(
  args: string[],
  options: { env?: Record<string, string>; input?: Uint8Array; uid?: number; cwd?: string } = {},
): Ran {
  const { env, ...rest } = options;
  const done: SpawnSyncReturns<string> = spawnSync(process.execPath, [BINARY, ...args], {
    encoding: "utf8",
    env: { ...process.env, NO_COLOR: "", ...env },
    maxBuffer: 1 << 28,
    timeout: 120_000,
    ...(rest.uid === undefined ? {} : { gid: rest.uid }),
    ...rest,
  });
  return { code: done.status, out: done.stdout, err: done.stderr };
}

/** The same without blocking this process, which then can serve it. */
export async function sparsewireAsync(args: string[], env: Record<string, string> = {}): Promise<Ran> {
  const child = spawn(process.execPath, [BINARY, ...args], { env: { ...process.env, ...env } });
  const ran: Ran = { code: null, out: "", err: "" };
  child.stdout.setEncoding("utf8").on("data", (text: string) => {
    ran.out += text;
  });
  child.stderr.setEncoding("utf8").on("data", (text: string) => {
    ran.err += text;
  });
  ran.code = await new Promise((resolve) => child.on("close", resolve));
  return ran;
}

/** A folder that goes with the test. */
export function temporaryFolder(t: TestContext): string {
  const folder = mkdtempSync(join(tmpdir(), "sparsewire-cli-"));
  t.after(() => rmSync(folder, { recursive: true, force: true }));
  return folder;
}

/** Skips, visibly, where a program is missing. */
export function requireProgram(t: TestContext, name: string): boolean {
  const found = (process.env.PATH ?? "").split(":").some((folder) => existsSync(join(folder, name)));
  if (!found) t.skip(`${name} is not installed`);
  return found;
}
