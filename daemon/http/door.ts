/** A small server of a daemon: answers few and short questions, and keeps within bounds whoever asks. */
import type { IncomingMessage } from "node:http";
import Fastify, { type FastifyInstance } from "fastify";
import { Connections } from "./connections.js";
import { connectionsMax as withinDescriptors } from "./descriptors.js";
import { type HostRules, misdirected } from "./host-check.js";
import type { TlsFiles } from "./listen.js";
import { sendInSlices } from "./slices.js";

const HEADERS_MS_MAX = 10_000;
const REQUEST_MS_MAX = 15_000;
const HANDSHAKE_MS_MAX = 10_000;
const KEEP_ALIVE_MS = 75_000;
/** Bytes per second that a reader of an answer takes at least. */
const READ_RATE_MIN = 16 << 10;

export interface DoorOptions {
  tls?: TlsFiles | undefined;
  connectionsMax: number;
  /** Names that requests may use. */
  hosts: HostRules;
}

export interface Door {
  server: FastifyInstance;
  connections: Connections;
}

/** A server that does not listen yet. Every request has been checked to mean it before a route sees it. */
export function createDoor({ tls, connectionsMax, hosts }: DoorOptions): Door {
  const timing = {
    connectionsCheckingInterval: 500,
    headersTimeout: HEADERS_MS_MAX,
    requireHostHeader: false,
  };
  const common = {
    forceCloseConnections: true,
    keepAliveTimeout: KEEP_ALIVE_MS,
    requestTimeout: REQUEST_MS_MAX,
  };
  const https = { ...timing, ...tls, minVersion: "TLSv1.2" as const, handshakeTimeout: HANDSHAKE_MS_MAX };
  const server = (
    tls === undefined ? Fastify({ ...common, http: timing }) : Fastify({ ...common, https })
  ) as FastifyInstance;
  const connections = new Connections(server.server, {
    max: withinDescriptors(connectionsMax),
    readRateMin: READ_RATE_MIN,
  });
  server.addHook("onRequest", async (request, reply) => {
    const wrong = misdirected(request.raw, localAddress(request.raw), hosts, isProbe(request.url));
    if (wrong === undefined) return;
    const { status, ...error } = wrong;
    await reply.code(status).send({ error });
  });
  server.addHook("onSend", sendInSlices);
  return { server, connections };
}

/** A load balancer asks these by HTTP/1.0, and they say nothing but one word. */
const isProbe = (url: string): boolean => url === "/-/healthy" || url === "/-/ready";

/** undefined at a Unix socket. */
const localAddress = ({ socket }: IncomingMessage): string | undefined => socket.localAddress;
