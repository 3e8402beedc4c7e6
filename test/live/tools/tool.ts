import type { ChildProcess } from "node:child_process";
import { existsSync } from "node:fs";
import { dirname, join } from "node:path";
import { pathToFileURL } from "node:url";
import type { Namespace } from "./netns.js";

/** The C tools: bench/build.mjs makes them. */
export type ToolName = "generate" | "floor" | "replay" | "tcp" | "pinger";

let folder: Promise<string> | undefined;

/** Folder of the C tools; they are built on the first call of a process where they are out of date. */
export function toolsFolder(): Promise<string> {
  folder ??= build();
  return folder;
}

async function build(): Promise<string> {
  const root = repositoryRoot();
  const module = (await import(pathToFileURL(join(root, "bench/build.mjs")).href)) as {
    buildBenchTools(root?: string): string;
  };
  return module.buildBenchTools(root);
}

/** The repository's root: the nearest folder above this file that has bench/build.mjs (dist/ has not). */
export function repositoryRoot(): string {
  for (let at = import.meta.dirname; at !== dirname(at); at = dirname(at)) {
    if (existsSync(join(at, "bench/build.mjs"))) return at;
  }
  throw new Error(`no repository above ${import.meta.dirname}`);
}

/** A tool at work; `report` is what it prints at its end, as JSON. */
export interface RunningTool<T> {
  child: ChildProcess;
  /** Resolves when the tool says that it is ready (it writes the line "ready" to stderr), or has ended. */
  ready: Promise<void>;
  report: Promise<T>;
}

/**
 * Starts a tool in a namespace. `exitCodes` are those whose report is still worth reading (default: 0 only);
 * with any other the report rejects with what the tool wrote to stderr.
 */
export async function startTool<T>(
  namespace: Namespace,
  name: ToolName,
  args: readonly string[],
  options: { input?: Uint8Array; exitCodes?: readonly number[] } = {},
): Promise<RunningTool<T>> {
  const child = namespace.spawn(join(await toolsFolder(), name), args, { stdio: ["pipe", "pipe", "pipe"] });
  let stdout = "";
  let stderr = "";
  child.stdout?.on("data", (data: Buffer) => {
    stdout += data.toString();
  });
  const { promise: ready, resolve: setReady } = withResolvers<void>();
  child.stderr?.on("data", (data: Buffer) => {
    stderr += data.toString();
    if (/^ready$/m.test(stderr)) setReady();
  });
  // A tool that ends early closes its input: its exit code tells why, EPIPE does not.
  child.stdin?.on("error", () => {});
  child.stdin?.end(options.input);
  const report = new Promise<T>((resolve, reject) => {
    child.once("error", reject);
    child.once("close", (code, signal) => {
      setReady();
      if ((options.exitCodes ?? [0]).includes(code ?? -1)) resolve(JSON.parse(stdout) as T);
      else reject(new Error(`${name} ended with ${signal ?? code}: ${stderr.trim()}`));
    });
  });
  report.catch(() => {}); // whoever awaits it later sees the rejection; until then it is nobody's surprise
  return { child, ready, report };
}

/** Runs a tool to its end. */
export async function runTool<T>(
  namespace: Namespace,
  name: ToolName,
  args: readonly string[],
  options: { input?: Uint8Array; exitCodes?: readonly number[] } = {},
): Promise<T> {
  return (await startTool<T>(namespace, name, args, options)).report;
}

function withResolvers<T>(): { promise: Promise<T>; resolve: (value: T) => void } {
  let resolve!: (value: T) => void;
  const promise = new Promise<T>((done) => {
    resolve = done;
  });
  return { promise, resolve };
}
