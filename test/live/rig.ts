/**
 * A sensor under test: the real command in a network namespace of its own, at the end of a veth whose other end the test
 * sends from. What it sealed is read back from its spool, by the real command as well.
 */
import { type ChildProcess, spawnSync } from "node:child_process";
import { mkdirSync, mkdtempSync, openSync, readdirSync, readFileSync, rmSync, writeFileSync } from "node:fs";
import { request } from "node:http";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { fileURLToPath } from "node:url";
import type { SensorStatus } from "../../daemon/sensor/status.js";
import { decodeArchive } from "../../lib/archive.js";
import type { Manifest } from "../../lib/manifest.js";
import { type Namespace, NetworkLab, type VethOptions } from "./tools/netns.js";

export const CLI = fileURLToPath(new URL("../../daemon/cli/main.js", import.meta.url));

export interface RigOptions extends VethOptions {
  /** Lines of sensor.toml before its first table, and tables after them. */
  top?: string;
  tables?: string;
  /** Nobody listens there by default, so that every interval stays in the spool. */
  aggregator?: string;
  spoolBytes?: string;
  sensor?: string;
  /** Arguments of node before the command, and variables of its environment. */
  nodeArgs?: string[];
  env?: NodeJS.ProcessEnv;
}

export class Rig {
  readonly lab: NetworkLab;
  readonly sender: Namespace;
  readonly receiver: Namespace;
  readonly folder = mkdtempSync(join(tmpdir(), "sparsewire-test-"));
  readonly socket = join(this.folder, "s.sock");
  readonly spool: string = join(this.folder, "spool");
  readonly #options: RigOptions;
  child: ChildProcess | undefined;

  constructor(options: RigOptions = {}) {
    this.#options = options;
    this.lab = new NetworkLab("sw-rig-");
    this.sender = this.lab.namespace("tx");
    this.receiver = this.lab.namespace("rx");
    this.lab.veth(this.sender, "tx0", this.receiver, "rx0", options);
    mkdirSync(this.spool);
    this.configure();
  }

  get log(): string {
    return readFileSync(join(this.folder, "sensor.log"), "utf8");
  }

  configure(options: RigOptions = this.#options): void {
    writeFileSync(
      join(this.folder, "sensor.toml"),
      `sensor = "${options.sensor ?? "rig"}"\ninterface = "rx0"\n${options.top ?? ""}
[control]\nsocket = "${this.socket}"\n[spool]\npath = "${this.spool}"\nmax_bytes = "${options.spoolBytes ?? "1GiB"}"\n[metrics]\nport = 0
[aggregator]\nretry_max = "1s"\nurl = "${options.aggregator ?? "http://127.0.0.1:9"}"\n${options.tables ?? ""}\n`,
    );
  }

  /** Starts the sensor and waits until it captures; rejects with its log when it ends instead. */
  async start(): Promise<void> {
    const log = openSync(join(this.folder, "sensor.log"), "a");
    const child = this.receiver.spawn(
      process.execPath,
      [...(this.#options.nodeArgs ?? []), CLI, "sensor", "--config", join(this.folder, "sensor.toml")],
      { stdio: ["ignore", log, log], env: { ...process.env, ...this.#options.env } },
    );
    this.child = child;
    for (const deadline = Date.now() + 20_000; ; ) {
      if (child.exitCode !== null || child.signalCode !== null)
        throw new Error(`the sensor ended: ${this.log}`);
      if (Date.now() > deadline) throw new Error(`the sensor does not answer: ${this.log}`);
      const status = await this.status().catch(() => undefined);
      if (status?.pid === child.pid) return;
      await sleep(25);
    }
  }

  /** Sends a signal and waits for the end; the exit code. */
  async stop(signal: NodeJS.Signals = "SIGTERM"): Promise<number | null> {
    const child = this.child!;
    if (child.exitCode === null && child.signalCode === null) {
      const gone = new Promise((resolve) => child.once("exit", resolve));
      child.kill(signal);
      await gone;
    }
    return child.exitCode;
  }

  async status(): Promise<SensorStatus> {
    return JSON.parse((await unixGet(this.socket, "/status")).toString()) as SensorStatus;
  }

  /** Waits until the sandbox has taken `frames` frames or lost them by name; the status then. */
  async settled(frames: number): Promise<SensorStatus> {
    for (const deadline = Date.now() + 10_000; ; ) {
      const status = await this.status();
      if (offered(status) >= frames || Date.now() > deadline) return status;
      await sleep(50);
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

  emptySpool(): void {
    for (const path of archivesIn(this.spool)) rmSync(path);
  }

  close(): void {
    this.lab.close();
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
export function exportLinks(sources: string[], family: 4 | 6): string[] {
  const args = [CLI, "matrix", "export", ...sources, "--format", "csv", "--family", String(family)];
  const done = spawnSync(process.execPath, args, { encoding: "utf8", maxBuffer: 1 << 28 });
  if (done.status !== 0) throw new Error(`matrix export: ${done.stderr}`);
  return sortedLines(done.stdout).filter((line) => line !== "src,dst,packets,bytes");
}

/** `sparsewire matrix export --estimate` as lines without their header. */
export function exportEstimates(sources: string[], family: 4 | 6): string[] {
  const args = [CLI, "matrix", "export", ...sources, "--estimate", "--family", String(family)];
  const done = spawnSync(process.execPath, args, { encoding: "utf8", maxBuffer: 1 << 28 });
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
    request({ socketPath, path }, (answer) => {
      const chunks: Buffer[] = [];
      answer.on("data", (chunk: Buffer) => chunks.push(chunk));
      answer.on("end", () => {
        const body = Buffer.concat(chunks);
        if (answer.statusCode === 200) resolve(body);
        else reject(new Error(`HTTP ${answer.statusCode}: ${body.toString()}`));
      });
    })
      .on("error", reject)
      .end();
  });
}
