/**
 * A sensor under test as a process: the real command in a network namespace, with a folder of its own for its
 * configuration, control socket, spool and log. How tests and the bench start, ask, end and read one.
 */
import { type ChildProcess, spawnSync } from "node:child_process";
import { closeSync, mkdtempSync, openSync, readdirSync, readFileSync, rmSync, writeFileSync } from "node:fs";
import { request } from "node:http";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { fileURLToPath } from "node:url";
import type { SensorStatus } from "../../daemon/sensor/status.js";
import { decodeArchive } from "../../lib/archive.js";
import type { Manifest } from "../../lib/manifest.js";
import type { Namespace } from "./tools/netns.js";

export const CLI = fileURLToPath(new URL("../../daemon/cli/main.js", import.meta.url));

/** Of a machine that is busy with others; one that starts at all does so in a second or two. */
const START_MS = 60_000;
/** Longer than a sensor takes for its spool and its aggregator; one that has not ended then never does. */
const STOP_MS = 30_000;
const LOOK_MS = 25;

export interface ProcessOptions {
  /** Arguments of the command; default: those that read the file that `write` has written. */
  args?: (own: SensorProcess) => readonly string[];
  /** The Node.js that runs it; default: the one that runs the tests. */
  node?: string;
  /** Arguments of node before the command, and variables of its environment. */
  nodeArgs?: readonly string[];
  env?: NodeJS.ProcessEnv;
  /** How long it may take to start, ms. */
  startMs?: number;
}

export class SensorProcess {
  readonly folder: string = mkdtempSync(join(tmpdir(), "sparsewire-test-"));
  readonly socket: string = join(this.folder, "s.sock");
  readonly spool: string = join(this.folder, "spool");
  readonly config: string = join(this.folder, "sensor.toml");
  readonly #namespace: Namespace;
  readonly #options: ProcessOptions;
  /** The last one that was started. */
  child: ChildProcess | undefined;

  constructor(namespace: Namespace, options: ProcessOptions = {}) {
    this.#namespace = namespace;
    this.#options = options;
  }

  /** Everything that its processes have written so far. */
  get log(): string {
    return readFileSync(join(this.folder, "sensor.log"), "utf8");
  }

  /** Writes sensor.toml; nobody listens at the aggregator's default, so that every interval stays in the spool. */
  write({ top = "", tables = "", spoolBytes = "1GiB", aggregator = "http://127.0.0.1:9" }): void {
    writeFileSync(
      this.config,
      `${top}\n[control]\nsocket = "${this.socket}"\n[spool]\npath = "${this.spool}"\nmax_bytes = "${spoolBytes}"
[metrics]\nport = 0\n[aggregator]\nretry_max = "1s"\nurl = "${aggregator}"\n${tables}\n`,
    );
  }

  /** Starts the sensor and waits until it answers, and `isUp`; rejects with its log when it ends instead, or does not. */
  async start(isUp: (status: SensorStatus) => boolean = () => true): Promise<void> {
    const log = openSync(join(this.folder, "sensor.log"), "a");
    const {
      node = process.execPath,
      nodeArgs = [],
      args = ({ config }) => ["--config", config],
      env,
      startMs = START_MS,
    } = this.#options;
    const child = this.#namespace.spawn(node, [...nodeArgs, CLI, "sensor", ...args(this)], {
      stdio: ["ignore", log, log],
      env: { ...process.env, ...env },
    });
    closeSync(log);
    this.child = child;
    for (const deadline = Date.now() + startMs; ; await sleep(LOOK_MS)) {
      if (this.hasEnded) throw new Error(`the sensor ended: ${this.log}`);
      if (Date.now() > deadline) throw new Error(`the sensor does not answer: ${this.log}`);
      const status = await this.status().catch(() => undefined);
      if (status?.pid === child.pid && isUp(status!)) return;
    }
  }

  get hasEnded(): boolean {
    const { child } = this;
    return child === undefined || child.exitCode !== null || child.signalCode !== null;
  }

  /** Waits until it has ended by itself: its exit code. Rejects with its log when it has not within `milliseconds`. */
  async ended(milliseconds = STOP_MS): Promise<number | null> {
    const child = this.child!;
    if (this.hasEnded) return child.exitCode;
    await new Promise<void>((resolve, reject) => {
      const timer = setTimeout(() => reject(new Error(`the sensor does not end: ${this.log}`)), milliseconds);
      child.once("exit", () => {
        clearTimeout(timer);
        resolve();
      });
    });
    return child.exitCode;
  }

  /** Sends a signal and waits for the end; the exit code. One that goes on is killed, and rejects. */
  async stop(signal: NodeJS.Signals = "SIGTERM"): Promise<number | null> {
    if (this.hasEnded) return this.child?.exitCode ?? null;
    this.child!.kill(signal);
    try {
      return await this.ended();
    } catch (error) {
      this.child!.kill("SIGKILL");
      throw error;
    }
  }

  async status(): Promise<SensorStatus> {
    return JSON.parse((await unixGet(this.socket, "/status")).toString()) as SensorStatus;
  }

  async metrics(): Promise<string> {
    return (await unixGet(this.socket, "/metrics")).toString();
  }

  /** Waits until something holds; rejects with the log when it does not within `milliseconds`. */
  async until(holds: () => boolean | Promise<boolean>, milliseconds = 10_000): Promise<void> {
    for (const deadline = Date.now() + milliseconds; !(await holds()); await sleep(LOOK_MS)) {
      if (Date.now() > deadline) throw new Error(`it did not happen in ${milliseconds} ms: ${this.log}`);
    }
  }

  /** The first status that is as wanted, or the last one when the time is over: the caller says what is wrong with it. */
  async statusWhen(isSo: (status: SensorStatus) => boolean, milliseconds = 10_000): Promise<SensorStatus> {
    for (const deadline = Date.now() + milliseconds; ; await sleep(LOOK_MS)) {
      const status = await this.status();
      if (isSo(status) || Date.now() > deadline) return status;
    }
  }

  /** Manifests of everything in the spool, oldest first. */
  manifests(): Manifest[] {
    return archivesIn(this.spool).map((path) => decodeArchive(readFileSync(path)).manifest);
  }

  /** The sum of the spool as lines `src,dst,packets,bytes`, sorted as text. */
  links(family: 4 | 6): string[] {
    return exportLinks([this.spool], family);
  }

  /** The sum of an extension's matrices, in the spool or in some of its archives, as lines `row,column,value`, in the order of the export. */
  extensionLines(name: string, sources: readonly string[] = [this.spool]): string[] {
    return exported([...sources, "--extension", name]);
  }

  emptySpool(): void {
    for (const path of archivesIn(this.spool)) rmSync(path);
  }

  /** Removes the folder; whoever made the namespace has ended what runs there. */
  close(): void {
    rmSync(this.folder, { recursive: true, force: true });
  }
}

export const sleep = (ms: number): Promise<void> => new Promise((resolve) => setTimeout(resolve, ms));

/** Frames counted or lost by name, since the start. */
export const offered = (status: SensorStatus): number =>
  status.counters.frames + Object.values(status.drops).reduce((sum, count) => sum + count, 0);

export const archivesIn = (folder: string): string[] =>
  readdirSync(folder, { recursive: true, encoding: "utf8" })
    .filter((name) => name.endsWith(".tar"))
    .sort()
    .map((name) => join(folder, name));

/** `sparsewire matrix export` as lines without their header, in the byte order of the C locale. */
export const exportLinks = (sources: readonly string[], family: 4 | 6): string[] =>
  exported([...sources, "--format", "csv", "--family", String(family)]).sort();

/** `sparsewire matrix export --estimate` as lines without their header. */
export const exportEstimates = (sources: readonly string[], family: 4 | 6): string[] =>
  exported([...sources, "--estimate", "--family", String(family)]);

function exported(args: readonly string[]): string[] {
  const done = spawnSync(process.execPath, [CLI, "matrix", "export", ...args], {
    encoding: "utf8",
    maxBuffer: 1 << 28,
  });
  if (done.status !== 0) throw new Error(`matrix export: ${done.stderr}`);
  return done.stdout.split("\n").slice(1, -1);
}

export const sortedLines = (text: string): string[] =>
  text
    .split("\n")
    .filter((line) => line !== "")
    .sort();

export function unixGet(socketPath: string, path: string): Promise<Buffer> {
  return new Promise((resolve, reject) => {
    const asked = request({ socketPath, path, timeout: START_MS }, (answer) => {
      const chunks: Buffer[] = [];
      answer.on("data", (chunk: Buffer) => chunks.push(chunk));
      answer.on("error", reject);
      answer.on("end", () => {
        const body = Buffer.concat(chunks);
        if (answer.statusCode === 200) resolve(body);
        else reject(new Error(`HTTP ${answer.statusCode}: ${body.toString()}`));
      });
    });
    asked.on("timeout", () => asked.destroy(new Error(`no answer to ${path}`)));
    asked.on("error", reject).end();
  });
}
