import type { SensorStatus } from "../../daemon/sensor/status.js";
import { SensorProcess } from "../../test/live/sensor-process.js";
import type { Namespace } from "../../test/live/tools/netns.js";
import {
  type Figures,
  RECEIVER_INTERFACE,
  type Receiver,
  runTrial,
  type Session,
  until,
} from "./receiver.js";

const SETTLE_MS = 3_000;

/** The real sensor, as an operator starts it: the binary, its arguments, its control socket. */
export class SensorSession implements Session {
  readonly #sensor: SensorProcess;

  private constructor(sensor: SensorProcess) {
    this.#sensor = sensor;
  }

  /** Starts a sensor and waits until it is bound and has sealed its first interval. */
  static async start(namespace: Namespace, settings: readonly string[] = []): Promise<SensorSession> {
    const sensor = new SensorProcess(namespace, {
      args: ({ socket, spool }) => [
        ...["--interface", RECEIVER_INTERFACE, "--control", socket, "--log-level", "warn"],
        ...["metrics.port=0", `spool.path=${spool}`, ...settings].flatMap((setting) => ["--set", setting]),
      ],
    });
    const session = new SensorSession(sensor);
    try {
      await sensor.start(({ ready }) => ready);
    } catch (error) {
      await session.stop();
      throw error;
    }
    return session;
  }

  /** GET /status of the control socket. */
  status(): Promise<SensorStatus> {
    return this.#sensor.status();
  }

  /** Cumulative figures, once `sent` frames are accounted for (or the time for that is over). */
  async figures(sent = 0): Promise<Figures> {
    const ask = async () => figuresOf(await this.status());
    return until(SETTLE_MS, ask, ({ counted, dropped }) => counted + dropped >= sent);
  }

  async stop(): Promise<void> {
    try {
      await this.#sensor.stop();
    } finally {
      this.#sensor.close();
    }
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
