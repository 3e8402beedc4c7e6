import { get } from "node:http";
import { join } from "node:path";
import type { SensorStatus } from "../../daemon/sensor/status.js";
import type { Namespace } from "../../test/live/tools/netns.js";
import { repositoryRoot } from "../../test/live/tools/tool.js";
import { TemporaryFolder } from "../temporary.js";
import {
  type Figures,
  RECEIVER_INTERFACE,
  type Receiver,
  runTrial,
  type Session,
  until,
} from "./receiver.js";

const READY_MS = 15_000;
const SETTLE_MS = 3_000;
const STOP_MS = 15_000;

/** The real sensor, as an operator starts it: the binary, a configuration, its control socket. */
export class SensorSession implements Session {
  readonly #folder = new TemporaryFolder();
  readonly #child;
  readonly #ended: Promise<void>;
  #stderr = "";

  constructor(namespace: Namespace, settings: readonly string[] = []) {
    const main = join(repositoryRoot(), "dist/daemon/cli/main.js");
    const args = [main, "sensor", "--interface", RECEIVER_INTERFACE, "--control", this.#socket];
    args.push(
      "--log-level",
      "warn",
      "--set",
      "metrics.port=0",
      "--set",
      `spool.path=${this.#folder.file("spool")}`,
    );
    for (const setting of settings) args.push("--set", setting);
    this.#child = namespace.spawn(process.execPath, args, { stdio: ["ignore", "ignore", "pipe"] });
    this.#child.stderr?.on("data", (data: Buffer) => {
      this.#stderr += String(data);
    });
    this.#ended = new Promise((resolve) => this.#child.once("close", () => resolve()));
  }

  /** Starts a sensor and waits until it is bound and has sealed its first interval. */
  static async start(namespace: Namespace, settings: readonly string[] = []): Promise<SensorSession> {
    const session = new SensorSession(namespace, settings);
    const ask = () => session.status().catch(() => undefined);
    const isOver = (status: SensorStatus | undefined) =>
      status?.ready === true || session.#child.exitCode !== null;
    const status = await until(READY_MS, ask, isOver);
    if (status?.ready === true) return session;
    await session.stop();
    throw new Error(
      `the sensor does not start: ${session.#stderr.trim() || "no answer on its control socket"}`,
    );
  }

  /** GET /status of the control socket. */
  status(): Promise<SensorStatus> {
    return new Promise((resolve, reject) => {
      get({ socketPath: this.#socket, path: "/status", timeout: 2000 }, (response) => {
        let text = "";
        response.on("data", (chunk) => {
          text += chunk;
        });
        response.on("error", reject);
        response.on("end", () => resolve(JSON.parse(text) as SensorStatus));
      }).on("error", reject);
    });
  }

  /** Cumulative figures, once `sent` frames are accounted for (or the time for that is over). */
  async figures(sent = 0): Promise<Figures> {
    const ask = async () => figuresOf(await this.status());
    return until(SETTLE_MS, ask, ({ counted, dropped }) => counted + dropped >= sent);
  }

  async stop(): Promise<void> {
    this.#child.kill("SIGTERM");
    const timer = setTimeout(() => this.#child.kill("SIGKILL"), STOP_MS);
    if (this.#child.exitCode === null) await this.#ended;
    clearTimeout(timer);
    this.#folder[Symbol.dispose]();
  }

  get #socket(): string {
    return this.#folder.file("sensor.sock");
  }
}

function figuresOf(status: SensorStatus): Figures {
  const sum = (values: number[]) => values.reduce((total, value) => total + value, 0);
  return {
    counted: status.counters.frames,
    dropped: sum(Object.values(status.drops)),
    cpuNs: {
      "capture thread": sum(status.workers.map(({ cpu_ns }) => cpu_ns)),
      ...(status.extensions === undefined
        ? {}
        : { extensions: sum(status.extensions.map(({ cpu_ns }) => cpu_ns)) }),
      process: status.process.cpu_ns,
    },
  };
}

export const sensor: Receiver = {
  name: "sparsewire",
  trial: (traffic) => runTrial(traffic, {}, (namespace) => SensorSession.start(namespace)),
};
