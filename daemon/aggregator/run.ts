/** The aggregator as a whole: its parts put together, started, reloaded and closed. */
import type { AddressInfo } from "node:net";
import { Server as TlsServer } from "node:tls";
import type { FastifyInstance } from "fastify";
import { SparsewireError } from "../../lib/errors.js";
import type { Sign } from "../../lib/progress.js";
import { diffConfig } from "../config/schema.js";
import { Fleet } from "../dependability/fleet.js";
import { addDependability } from "../dependability/metrics.js";
import { checkListen, readTls } from "../http/listen.js";
import { Tokens } from "../http/tokens.js";
import { LineLimit, type Logger } from "../log.js";
import type { Privileges } from "../privileges/confine.js";
import { addPrivilegeGauges } from "../privileges/metrics.js";
import { VERSION } from "../software.js";
import { type AggregatorConfig, aggregatorConfigSchema } from "./config.js";
import { applyLimits, createHttp, type HttpState, serverNames } from "./http.js";
import { IntakeWorker } from "./intake-worker.js";
import { Maintenance } from "./maintenance.js";
import { MatrixWorker } from "./matrix-worker.js";
import { addGauges, createMetrics, PREFIX } from "./metrics.js";
import { Queries } from "./queries.js";
import { Reads } from "./reads.js";
import { Retention } from "./retention.js";
import { Rollups } from "./rollups.js";
import { intervalRoutes } from "./routes-intervals.js";
import { matrixRoutes } from "./routes-matrix.js";
import { probeRoutes } from "./routes-probes.js";
import { Sensors } from "./sensors.js";
import { statusOf } from "./status.js";
import { Store } from "./store.js";
import { Uploads } from "./upload.js";

export interface Aggregator {
  /** Where it listens, as http(s)://ADDRESS:PORT. */
  readonly url: string;
  /** What shows that it gets on, for the service manager's watchdog. */
  signs(): Sign[];
  /** The line that `systemctl status` shows. */
  statusLine(): string;
  /** Takes over what can change while running; returns the keys that need a restart. Throws and keeps all as it was. */
  reload(config: AggregatorConfig): Promise<{ restart: string[] }>;
  /** Lets uploads and answers in flight finish (bounded), then gives back port, threads and store. */
  close(): Promise<void>;
}

/** Longest that a close waits for requests in flight. */
const CLOSE_MS_MAX = 10_000;
/** A sum that saturates does so each time it is asked for. */
const SATURATED_LINE_MS = 3_600_000;
/** Longest step of maintenance: the sum of a day of many sensors, from a slow disk. */
const MAINTENANCE_MS = 15 * 60_000;

/**
 * Starts an aggregator; resolves when it listens and the store has been read. Throws SparsewireError: INSECURE_LISTEN,
 * TLS_FILES, TOKEN_FILE (usage), LISTEN, STORE_UNUSABLE, STORE_LOCKED. `privileges`, which the caller confines once this
 * has resolved, are shown in status and metrics.
 */
export async function startAggregator(
  config: AggregatorConfig,
  { logger, privileges }: { logger: Logger; privileges?: Privileges | undefined },
): Promise<Aggregator> {
  checkListen(config);
  const tls = readTls(config);
  const state: HttpState = { tokens: new Tokens(config), open: false, names: serverNames(config, tls) };
  const store = new Store(config.store.path, logger);
  const metrics = createMetrics(VERSION);
  const fleet = new Fleet({
    folder: config.store.path,
    graceMs: config.dependability.lateness,
    logger,
  });
  const sensors = new Sensors(store, fleet);
  const settings = { memoryBytes: config.limits.memory_bytes };
  const onDeath = (why: string): void => {
    metrics.workerRestarts.inc();
    logger.error({ why }, "a matrix worker ended; another one takes over");
  };
  const lines = new LineLimit();
  const onSaturated = (names: readonly string[]): void => {
    metrics.saturated.inc();
    if (lines.once("saturated", SATURATED_LINE_MS))
      logger.warn({ names }, "a sum counts more than can be said: it stopped at 2^53 - 1");
  };
  const worker = () => new MatrixWorker(settings, { onDeath, onSaturated });
  const workers = { intake: new IntakeWorker(settings, onDeath), rollups: worker(), queries: worker() };
  const room = () => config.store.max_bytes - store.bytes;
  const uploads = new Uploads(store, workers.intake, config.limits, room);
  const queries = new Queries(store, workers.queries, metrics, config.limits);
  const rollups = new Rollups(store, workers.rollups, metrics, config.rollup);
  const retention = new Retention(store, rollups, metrics, config.store);
  const maintenance = new Maintenance(rollups, retention, logger);
  const reads = new Reads(config.limits);
  const server = createHttp({ logger, metrics, state, tls, limits: config.limits });
  const { http, connections } = server;
  if (privileges !== undefined) addPrivilegeGauges(metrics.registry, PREFIX, privileges);
  addGauges(metrics, {
    files: (level) => store.catalog.files[level],
    bytes: (level) => store.catalog.bytes[level],
    quarantined: () => store.quarantined.moved,
    sensors: () => store.catalog.identities.sensors,
    uploads: () => uploads.inFlight,
    queries: () => queries.inFlight,
    connections: () => connections.open,
    connectionsClosed: (cause) => connections.closed[cause],
    pendingMinutes: () => rollups.pendingMinutes,
  });
  addDependability(metrics.registry, () => fleet.all());
  probeRoutes(http, { metrics, state, store });
  const onStored = (begin: bigint): void => rollups.stored(begin);
  intervalRoutes(http, { logger, metrics, store, sensors, uploads, reads, onStored });
  const since = new Date().toISOString();
  matrixRoutes(http, {
    queries,
    status: () => statusOf({ store, uploads, queries, rollups, retention, fleet, since, privileges, config }),
  });
  let url: string;
  try {
    url = await listen(http, config, tls !== undefined);
    await store.load();
    rollups.adopt();
    await retention.adopt();
  } catch (error) {
    await http.close();
    await fleet.stop();
    store.close();
    throw error;
  }
  state.open = true;
  maintenance.start();
  logger.info({ url, store: config.store.path, files: store.catalog.files }, "aggregator is ready");
  return {
    url,
    signs: () => [{ name: "maintenance of the store", count: maintenance.turns, withinMs: MAINTENANCE_MS }],
    statusLine: () =>
      `${url}; ${Object.values(store.catalog.files).reduce((sum, files) => sum + files, 0)} archives of ` +
      `${store.catalog.identities.sensors} sensors`,
    async reload(next) {
      checkListen({ ...next, listen: { ...next.listen, address: config.listen.address } });
      const tokens = new Tokens(next);
      const files = readTls(next);
      const { restart } = diffConfig(aggregatorConfigSchema, config, next);
      const socket: unknown = http.server;
      const hadTls = socket instanceof TlsServer;
      if (hadTls !== (next.listen.tls_cert !== undefined)) restart.push("listen.tls_cert", "listen.tls_key");
      if (files !== undefined && hadTls) socket.setSecureContext(files);
      state.tokens = tokens;
      state.names = serverNames(next, files);
      uploads.limits = next.limits;
      queries.limits = next.limits;
      reads.limits = next.limits;
      applyLimits(server, next.limits);
      rollups.settings = next.rollup;
      retention.settings = next.store;
      fleet.graceMs = next.dependability.lateness;
      logger.level = next.log.level;
      config = next;
      return { restart };
    },
    async close() {
      state.open = false;
      maintenance.pause();
      await closeHttp(http);
      await Promise.all(Object.values(workers).map((one) => one.close()));
      await maintenance.stop();
      await fleet.stop();
      store.close();
      logger.info("aggregator has stopped");
    },
  };
}

/** Ends the server: requests in flight may finish for a while, connections without one end at once. */
async function closeHttp(http: FastifyInstance): Promise<void> {
  const impatient = setTimeout(() => http.server.closeAllConnections(), CLOSE_MS_MAX);
  // A connection whose answer is just leaving is not idle yet when close() looks.
  const sweep = setInterval(() => http.server.closeIdleConnections(), 100);
  try {
    await http.close();
  } finally {
    clearTimeout(impatient);
    clearInterval(sweep);
  }
}

async function listen(
  http: FastifyInstance,
  { listen: { address, port } }: AggregatorConfig,
  isTls: boolean,
): Promise<string> {
  try {
    await http.listen({ host: address, port });
  } catch (error) {
    const { code } = error as NodeJS.ErrnoException;
    throw new SparsewireError("LISTEN", `cannot listen on ${address} port ${port} (${code ?? error})`, {
      mend:
        code === "EADDRINUSE"
          ? "stop what listens there, or set listen.port"
          : "set listen.address and listen.port",
      cause: error,
    });
  }
  const bound = http.server.address() as AddressInfo;
  const host = bound.family === "IPv6" ? `[${bound.address}]` : bound.address;
  return `${isTls ? "https" : "http"}://${host}:${bound.port}`;
}
