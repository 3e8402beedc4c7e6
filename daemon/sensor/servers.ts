/**
 * The two doors of a running sensor: a Unix socket for the CLI (status, the last interval, metrics) and a TCP port for
 * Prometheus. Beyond loopback the port needs TLS and a token.
 */
import { chmodSync, existsSync, mkdirSync, rmSync } from "node:fs";
import { connect } from "node:net";
import { dirname } from "node:path";
import type { FastifyInstance } from "fastify";
import { Counter, Gauge, type Registry } from "prom-client";
import { EXIT, SparsewireError } from "../../lib/errors.js";
import { CLOSE_CAUSES } from "../http/connections.js";
import { createDoor, type Door } from "../http/door.js";
import { certificateNames } from "../http/host-check.js";
import { checkListen, readTls } from "../http/listen.js";
import { SharedAnswer } from "../http/shared-answer.js";
import { Tokens } from "../http/tokens.js";
import type { SensorConfig } from "./config.js";
import type { SensorReport } from "./report.js";
import type { Sensor } from "./sensor.js";

/** Connections of the control socket at one time. */
const CONTROL_CONNECTIONS_MAX = 64;

export interface SensorServers {
  metricsUrl: string | null;
  close(): Promise<void>;
}

export async function openServers(
  sensor: Sensor,
  report: SensorReport,
  registry: Registry,
  config: SensorConfig,
): Promise<SensorServers> {
  const control = createDoor({
    connectionsMax: CONTROL_CONNECTIONS_MAX,
    hosts: { names: [], key: "" },
  });
  const doors: Record<string, Door> = { control };
  const probes = probesOf(sensor, registry);
  controlRoutes(control.server, sensor, report, probes);
  await listenUnix(control.server, config.control.socket);
  let metricsUrl: string | null = null;
  try {
    if (config.metrics.enabled) {
      checkListen({ listen: config.metrics, token_file: config.metrics.token_file });
      const tls = readTls({ listen: config.metrics });
      const names = [...config.metrics.names, ...certificateNames(tls)];
      const metrics = createDoor({
        tls,
        connectionsMax: config.metrics.connections_max,
        hosts: { names, key: "metrics.names" },
      });
      doors.metrics = metrics;
      const tokens = new Tokens({ token_file: config.metrics.token_file, read_token_file: undefined });
      metrics.server.addHook("onRequest", async (request, reply) => {
        if (tokens.check(request.headers.authorization, "read") !== "ok")
          await reply.code(401).send("wrong token\n");
      });
      probes(metrics.server);
      metricsUrl = await listenTcp(metrics.server, config.metrics.address, config.metrics.port);
    }
  } catch (error) {
    await closeAll(doors);
    throw error;
  }
  addConnectionMetrics(registry, doors);
  return {
    metricsUrl,
    async close() {
      await closeAll(doors);
      try {
        rmSync(config.control.socket, { force: true });
      } catch {
        // In a folder that is not this user's any more (privileges.user) it stays: the next start replaces it.
      }
    },
  };
}

const closeAll = async (doors: Record<string, Door>): Promise<void> => {
  await Promise.all(Object.values(doors).map(({ server }) => server.close()));
};

function controlRoutes(
  control: FastifyInstance,
  sensor: Sensor,
  report: SensorReport,
  addProbes: (server: FastifyInstance) => void,
): void {
  addProbes(control);
  const status = new SharedAnswer(() => report.status());
  control.get("/status", () => status.get());
  control.get("/interval", (_request, reply) => {
    const { latest } = sensor;
    if (latest === undefined)
      return reply.code(404).send({ error: { code: "NO_INTERVAL", message: "no interval yet" } });
    return reply
      .header("content-type", "application/x-tar")
      .header("content-disposition", `attachment; filename="${latest.name}"`)
      .send(Buffer.from(latest.archive.buffer, latest.archive.byteOffset, latest.archive.length));
  });
}

/** The routes that both doors have. */
function probesOf(sensor: Sensor, registry: Registry): (server: FastifyInstance) => void {
  const text = new SharedAnswer(() => registry.metrics());
  return (server) => {
    server.get("/metrics", async (_request, reply) =>
      reply.header("content-type", registry.contentType).send(await text.get()),
    );
    server.get("/-/healthy", (_request, reply) => reply.send("healthy\n"));
    server.get("/-/ready", (_request, reply) =>
      sensor.isReady ? reply.send("ready\n") : reply.code(503).send("the first interval is not sealed yet\n"),
    );
  };
}

function addConnectionMetrics(registry: Registry, doors: Record<string, Door>): void {
  const registers = [registry];
  new Gauge({
    name: "sparsewire_connections",
    help: "Open connections, by server",
    labelNames: ["server"],
    registers,
    collect() {
      for (const [server, { connections }] of Object.entries(doors)) this.set({ server }, connections.open);
    },
  });
  new Counter({
    name: "sparsewire_connections_closed_total",
    help: "Connections that a server ended, by cause: idle made room, greedy peers', slow readers' ...",
    labelNames: ["server", "cause"],
    registers,
    collect() {
      this.reset();
      for (const [server, { connections }] of Object.entries(doors))
        for (const cause of CLOSE_CAUSES) this.inc({ server, cause }, connections.closed[cause]);
    },
  });
}

async function listenTcp(server: FastifyInstance, host: string, port: number): Promise<string> {
  try {
    return await server.listen({ host, port });
  } catch (cause) {
    const { code } = cause as NodeJS.ErrnoException;
    throw new SparsewireError("LISTEN", `cannot serve metrics on ${host}:${port} (${code})`, {
      exit: code === "EACCES" ? EXIT.notPermitted : EXIT.failure,
      mend:
        code === "EADDRINUSE" ? "another program has the port: set metrics.port" : "correct metrics.address",
      cause,
    });
  }
}

/** A socket file that nobody answers at is left over from a crash and replaced; a live one is another sensor's. */
async function listenUnix(server: FastifyInstance, path: string): Promise<void> {
  if (existsSync(path)) {
    if (await isAnswering(path)) {
      throw new SparsewireError("ALREADY_RUNNING", `another sensor answers at ${path}`, {
        mend: "stop it, or give this one a socket of its own: control.socket (--control)",
      });
    }
    rmSync(path, { force: true });
  }
  try {
    mkdirSync(dirname(path), { recursive: true });
    await server.listen({ path });
    chmodSync(path, 0o660);
  } catch (cause) {
    const { code } = cause as NodeJS.ErrnoException;
    throw new SparsewireError("CONTROL_SOCKET", `cannot open the control socket ${path} (${code})`, {
      exit: code === "EACCES" || code === "EPERM" ? EXIT.notPermitted : EXIT.failure,
      mend: "give this user a writable folder: control.socket (--control)",
      cause,
    });
  }
}

function isAnswering(path: string): Promise<boolean> {
  return new Promise((resolve) => {
    const socket = connect(path);
    socket.once("connect", () => {
      socket.destroy();
      resolve(true);
    });
    socket.once("error", () => resolve(false));
  });
}
