/**
 * The two doors of a running sensor: a Unix socket for the CLI (status, the last interval, metrics) and a TCP port for
 * Prometheus. Beyond loopback the port needs TLS and a token.
 */
import { chmodSync, existsSync, mkdirSync, rmSync } from "node:fs";
import { connect } from "node:net";
import { dirname } from "node:path";
import Fastify, { type FastifyInstance } from "fastify";
import type { Registry } from "prom-client";
import { EXIT, SparsewireError } from "../../lib/errors.js";
import { checkListen, readTls } from "../http/listen.js";
import { Tokens } from "../http/tokens.js";
import type { SensorConfig } from "./config.js";
import type { SensorReport } from "./report.js";
import type { Sensor } from "./sensor.js";

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
  const control: FastifyInstance = Fastify() as FastifyInstance;
  addProbes(control, sensor, registry);
  control.get("/status", () => report.status());
  control.get("/interval", (_request, reply) => {
    const { latest } = sensor;
    if (latest === undefined)
      return reply.code(404).send({ error: { code: "NO_INTERVAL", message: "no interval yet" } });
    return reply
      .header("content-type", "application/x-tar")
      .header("content-disposition", `attachment; filename="${latest.name}"`)
      .send(Buffer.from(latest.archive.buffer, latest.archive.byteOffset, latest.archive.length));
  });
  await listenUnix(control, config.control.socket);
  const servers = [control];
  let metricsUrl: string | null = null;
  try {
    if (config.metrics.enabled) {
      checkListen({ listen: config.metrics, token_file: config.metrics.token_file });
      const https = readTls({ listen: config.metrics });
      const metrics = (https === undefined ? Fastify() : Fastify({ https })) as FastifyInstance;
      servers.push(metrics);
      const tokens = new Tokens({ token_file: config.metrics.token_file, read_token_file: undefined });
      metrics.addHook("onRequest", async (request, reply) => {
        if (tokens.check(request.headers.authorization, "read") !== "ok")
          await reply.code(401).send("wrong token\n");
      });
      addProbes(metrics, sensor, registry);
      metricsUrl = await listenTcp(metrics, config.metrics.address, config.metrics.port);
    }
  } catch (error) {
    await Promise.all(servers.map((server) => server.close()));
    throw error;
  }
  return {
    metricsUrl,
    async close() {
      await Promise.all(servers.map((server) => server.close()));
      try {
        rmSync(config.control.socket, { force: true });
      } catch {
        // In a folder that is not this user's any more (privileges.user) it stays: the next start replaces it.
      }
    },
  };
}

function addProbes(server: FastifyInstance, sensor: Sensor, registry: Registry): void {
  server.get("/metrics", async (_request, reply) => {
    const text = await registry.metrics();
    return reply.header("content-type", registry.contentType).send(text);
  });
  server.get("/-/healthy", (_request, reply) => reply.send("healthy\n"));
  server.get("/-/ready", (_request, reply) =>
    sensor.isReady ? reply.send("ready\n") : reply.code(503).send("the first interval is not sealed yet\n"),
  );
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
