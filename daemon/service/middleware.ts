/** The same recorder behind node:http, Fastify and Express (and whatever takes Express middleware). */
import type { IncomingMessage, Server, ServerResponse } from "node:http";
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

/**
 * Observes every request of a node:http or node:https server: client -> service, bytes of request and response. Bytes of
 * a connection after an upgrade (WebSocket) are not observed. Throws BAD_OPTIONS.
 */
export function nodeHttp(server: Server, matrix: TrafficMatrix, options?: MiddlewareOptions): Observed {
  const recorder = new RequestRecorder(matrix, options);
  const onRequest = (_request: IncomingMessage, response: ServerResponse): void => recorder.begin(response);
  server.prependListener("request", onRequest);
  return { figures: recorder.figures, stop: () => void server.off("request", onRequest) };
}

export type FastifyTrafficOptions = MiddlewareOptions & { matrix: TrafficMatrix };

/** Fastify plugin, for the whole instance it is registered with: `app.register(fastifyTraffic, { matrix })`. */
export function fastifyTraffic(
  app: FastifyInstance,
  { matrix, ...options }: FastifyTrafficOptions,
  done: (error?: Error) => void,
): void {
  const recorder = new RequestRecorder(matrix, options);
  app.addHook("onRequest", (_request, reply, next) => {
    recorder.begin(reply.raw);
    next();
  });
  done();
}
// Without it Fastify would confine the hook to the plugin's own (empty) scope.
(fastifyTraffic as unknown as Record<symbol, boolean>)[Symbol.for("skip-override")] = true;

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
  const middleware = (_request: IncomingMessage, response: ServerResponse, next: () => void): void => {
    recorder.begin(response);
    next();
  };
  return Object.assign(middleware, { figures: recorder.figures });
}
