/** A sensor and an aggregator of the demonstration, as the real commands, in a scratch folder of their own. */
import { type ChildProcess, spawn } from "node:child_process";
import { mkdtempSync, openSync, readFileSync, rmSync, writeFileSync } from "node:fs";
import { request } from "node:http";
import { createServer } from "node:net";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { fileURLToPath } from "node:url";
import { SparsewireError } from "../../lib/errors.js";

export const CLI = fileURLToPath(new URL("../cli/main.js", import.meta.url));
const STOP_MS = 12_000;

/** How a child is started: as it is, or inside a namespace. */
export type Start = (
  command: string,
  args: string[],
  options: { stdio: ["ignore", number, number] },
) => ChildProcess;
export const startHere: Start = (command, args, options) => spawn(command, args, options);

export class Scratch {
  readonly path = mkdtempSync(join(tmpdir(), "sparsewire-demo-"));
  readonly #children: { name: string; child: ChildProcess; gone: Promise<void> }[] = [];

  file(name: string): string {
    return join(this.path, name);
  }

  /** Starts a child whose output goes to NAME.log in the folder. */
  start(name: string, start: Start, args: string[]): ChildProcess {
    const log = openSync(this.file(`${name}.log`), "w");
    const child = start(process.execPath, args, { stdio: ["ignore", log, log] });
    const gone = new Promise<void>((resolve) => child.once("exit", () => resolve()));
    this.#children.push({ name, child, gone });
    return child;
  }

  startCli(name: "sensor" | "aggregator", start: Start, config: string): ChildProcess {
    writeFileSync(this.file(`${name}.toml`), config);
    return this.start(name, start, [CLI, name, "--config", this.file(`${name}.toml`)]);
  }

  /** Waits for something that a child provides; throws DEMO_FAILED with the child's last words when it ends first. */
  async until(name: string, what: () => Promise<boolean>, timeoutMs = 20_000): Promise<void> {
    const { child } = this.#children.find((entry) => entry.name === name)!;
    const deadline = Date.now() + timeoutMs;
    while (!(await what().catch(() => false))) {
      if (child.exitCode === null && child.signalCode === null && Date.now() < deadline) {
        await new Promise((resolve) => setTimeout(resolve, 50));
        continue;
      }
      const words = readFileSync(this.file(`${name}.log`), "utf8")
        .trim()
        .split("\n")
        .slice(-5)
        .join("\n");
      throw new SparsewireError("DEMO_FAILED", `the demonstration's ${name} did not start: ${words}`, {
        mend: "sparsewire doctor tells what this host lacks",
      });
    }
  }

  /** Ends the children, the last started first, and removes the folder. */
  async close(): Promise<void> {
    for (const { child, gone } of this.#children.toReversed()) {
      if (child.exitCode !== null || child.signalCode !== null) continue;
      child.kill("SIGTERM");
      const timer = setTimeout(() => child.kill("SIGKILL"), STOP_MS);
      await gone;
      clearTimeout(timer);
    }
    rmSync(this.path, { recursive: true, force: true });
  }
}

/** JSON (or text) of a path, over a Unix socket or a URL's port. Rejects unless the answer is 200. */
export function get(target: { socketPath: string } | { port: number }, path: string): Promise<string> {
  return new Promise((resolve, reject) => {
    const options = "port" in target ? { host: "127.0.0.1", ...target, path } : { ...target, path };
    const sent = request(options, (answer) => {
      let text = "";
      answer.setEncoding("utf8").on("data", (chunk: string) => {
        text += chunk;
      });
      answer.on("end", () => (answer.statusCode === 200 ? resolve(text) : reject(new Error(text))));
    });
    sent.on("error", reject).end();
  });
}

/** A TCP port of loopback that nobody has right now. */
export function freePort(): Promise<number> {
  return new Promise((resolve) => {
    const server = createServer().listen(0, "127.0.0.1", () => {
      const { port } = server.address() as { port: number };
      server.close(() => resolve(port));
    });
  });
}

export const aggregatorToml = (folder: string, port: number): string => `
[listen]
port = ${port}
[store]
path = "${folder}/store"
`;

export const sensorToml = (
  folder: string,
  options: Record<string, string | number | boolean>,
  port: number,
): string => `
sensor = "demo"
${Object.entries(options)
  .map(([key, value]) => `${key} = ${JSON.stringify(value)}`)
  .join("\n")}
[control]
socket = "${folder}/sensor.sock"
[spool]
path = "${folder}/spool"
[aggregator]
url = "http://127.0.0.1:${port}"
[metrics]
port = 0
`;
