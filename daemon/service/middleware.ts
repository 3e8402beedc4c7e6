/** The same recorder behind node:http, Fastify and Express (and whatever takes Express middleware). */
import { subscribe, unsubscribe } from "node:diagnostics_channel";
import type { IncomingMessage, Server, ServerResponse } from "node:http";
import type { Socket } from "node:net";
import { Server as TlsServer } from "node:tls";
import type { FastifyInstance } from "fastify";
import { type MiddlewareOptions, type RequestFigures, RequestRecorder } from "./request-recorder.js";
import type { TrafficMatrix } from "./traffic-matrix.js";

/** A server under observation. */
export interface Observed {
  /** Counts of the requests so far. */
  readonly figures: Readonly<RequestFigures>;
  /** Observes no further request. */
  stop(): void;
}

/** Published by node:http for every response of every server of the process that was written to its end. */
const FINISHED = "http.server.response.finish";

/**
 * Observes every request of a node:http or node:https server: client -> service, bytes of request and response. What a
 * connection carried beyond its last answer (upgraded, broken off) is observed when it ends. Throws BAD_OPTIONS.
 */
export function nodeHttp(server: Server, matrix: TrafficMatrix, options?: MiddlewareOptions): Observed {
  const recorder = new RequestRecorder(matrix, options);
  // A channel, not a listener of each response: the difference is most of what a request costs.
  const onFinished = (message: unknown): void => {
    const answer = message as { server: unknown; request: IncomingMessage };
    if (answer.server === server) recorder.ended(answer.request);
  };
  function onClosed(this: Socket): void {
    recorder.closed(this);
  }
  const onConnection = (socket: Socket): void => {
    recorder.opened(socket);
    socket.once("close", onClosed);
  };
  const event = server instanceof TlsServer ? "secureConnection" : "connection";
  subscribe(FINISHED, onFinished);
  server.on(event, onConnection);
  return {
    figures: recorder.figures,
    stop: () => {
      unsubscribe(FINISHED, onFinished);
      server.off(event, onConnection);
      recorder.stop();
    },
  };
}

export type FastifyTrafficOptions = MiddlewareOptions & { matrix: TrafficMatrix };

/** Fastify plugin, for the whole server: `app.register(fastifyTraffic, { matrix })`. Ends with the instance. */
export function fastifyTraffic(
  app: FastifyInstance,
  { matrix, trustedProxies, serviceAddress }: FastifyTrafficOptions,
  done: (error?: Error) => void,
): void {
  const observed = nodeHttp(app.server, matrix, {
    ...(trustedProxies === undefined ? {} : { trustedProxies }),
    ...(serviceAddress === undefined ? {} : { serviceAddress }),
  });
  app.addHook("onClose", (_app, next) => {
    observed.stop();
    next();
  });
  done();
}

/**
 * Express (and Connect) middleware: `app.use(expressTraffic(matrix))`, first of all, so that it sees every request: bytes
 * that a connection carried for requests it did not see go to the next one that it does.
 */
export function expressTraffic(
  matrix: TrafficMatrix,
  options?: MiddlewareOptions,
): ((request: IncomingMessage, response: ServerResponse, next: () => void) => void) & {
  readonly figures: Readonly<RequestFigures>;
} {
  const recorder = new RequestRecorder(matrix, options);
  // One listener for all responses: no closure a request.
  function onClose(this: ServerResponse): void {
    recorder.ended(this.req);
  }
  const middleware = (request: IncomingMessage, response: ServerResponse, next: () => void): void => {
    // Simulated requests, as tests make them, have no socket that counts: nothing was on a wire.
    if (typeof request.socket?.bytesRead === "number") {
      recorder.opened(request.socket);
      response.on("close", onClose);
    }
    next();
  };
  return Object.assign(middleware, { figures: recorder.figures });
}
