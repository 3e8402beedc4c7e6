/** The HTTP server: Fastify with our bounds, our errors ({error: {code, message, mend}}) and our tokens. */
import type { Socket } from "node:net";
import Fastify, { type FastifyInstance, type FastifyReply, type FastifyRequest } from "fastify";
import { refusalBody } from "../../lib/answer.js";
import { SparsewireError } from "../../lib/errors.js";
import { Connections } from "../http/connections.js";
import { connectionsMax } from "../http/descriptors.js";
import { certificateNames, misdirected } from "../http/host-check.js";
import type { TlsFiles } from "../http/listen.js";
import { sendInSlices } from "../http/slices.js";
import type { Right, Tokens } from "../http/tokens.js";
import { Turns } from "../http/turns.js";
import { LineLimit, type Logger } from "../log.js";
import type { AggregatorConfig } from "./config.js";
import type { Metrics } from "./metrics.js";
import { badRequest, comeBack, notFound, Refusal } from "./refusal.js";

/** Time a client has for the headers of a request, and how long an idle connection is kept. */
const HEADERS_MS_MAX = 10_000;
const KEEP_ALIVE_MS = 75_000;
/** Time for the TLS handshake. */
const HANDSHAKE_MS_MAX = 10_000;
/** Characters of a URL in a line of the log. */
const URL_CHARS_MAX = 200;
/** Lines per peer and cause. */
const LINE_EVERY_MS = 60_000;

/** Requests that read, begun in one turn of the event loop: uploads get on between them. */
const READS_PER_TURN = 4;

export interface HttpState {
  tokens: Tokens;
  /** false while the store is being read, or the process is ending. */
  open: boolean;
  /** Names of this server: those configured, and those of its certificate. */
  names: readonly string[];
}

interface HttpParts {
  logger: Logger;
  metrics: Metrics;
  state: HttpState;
  tls: TlsFiles | undefined;
  limits: AggregatorConfig["limits"];
}

declare module "fastify" {
  interface FastifyContextConfig {
    /** What a token must allow; "none" for probes. Reading, where nothing is said. */
    right?: Right | "none";
    /** Answered before the store is open, too. */
    always?: boolean;
  }
}

/** The names that requests may use, out of a configuration and its certificate. */
export const serverNames = (
  { listen }: Pick<AggregatorConfig, "listen">,
  tls: TlsFiles | undefined,
): string[] => [...listen.names, ...certificateNames(tls)];

export function createHttp(parts: HttpParts): { http: FastifyInstance; connections: Connections } {
  const common = {
    logger: false as const,
    forceCloseConnections: "idle" as const,
    keepAliveTimeout: KEEP_ALIVE_MS,
    routerOptions: { maxParamLength: 100 },
    clientErrorHandler: (error: NodeJS.ErrnoException, socket: Socket) => onClientError(parts, error, socket),
  };
  // A request without a Host header is answered by ours.
  const timing = {
    connectionsCheckingInterval: 500,
    headersTimeout: HEADERS_MS_MAX,
    requireHostHeader: false,
  };
  const tls = { ...parts.tls, minVersion: "TLSv1.2" as const, handshakeTimeout: HANDSHAKE_MS_MAX };
  const app = (
    parts.tls === undefined
      ? Fastify({ ...common, http: timing })
      : Fastify({ ...common, https: { ...timing, ...tls } })
  ) as FastifyInstance;
  const { connections_max, read_rate_min } = parts.limits;
  const connections = new Connections(app.server, {
    max: connectionsMax(connections_max),
    readRateMin: read_rate_min,
  });
  const turns = new Turns(READS_PER_TURN);
  applyLimits({ http: app, connections }, parts.limits);
  app.removeAllContentTypeParsers();
  app.addContentTypeParser("application/x-tar", (_request, payload, done) => done(null, payload));
  app.addHook("onRequest", async (request, reply) => {
    const { socket } = request.raw;
    // Requests that came in one piece with the one that ended their connection.
    if (socket.destroyed) return reply.hijack();
    checkHost(parts.state, request);
    guard(parts.state, request);
    if (request.routeOptions.config.right === "write") connections.isWriter(request.raw);
    else if (!(await turns.next(() => socket.destroyed))) return reply.hijack();
    return undefined;
  });
  app.addHook("onSend", sendInSlices);
  const lines = new LineLimit();
  app.setErrorHandler((error, request, reply) => answerError(parts, lines, error, request, reply));
  app.setNotFoundHandler((request) => {
    throw notFound(
      `there is no ${request.method} ${request.url.split("?")[0]}`,
      "see /api/v1/status for what there is",
    );
  });
  return { http: app, connections };
}

/** Time that a request may take to arrive as a whole, and that a connection may be without a byte. */
export function applyLimits(
  { http, connections }: ReturnType<typeof createHttp>,
  limits: AggregatorConfig["limits"],
): void {
  http.server.requestTimeout = limits.queue_timeout + limits.upload_timeout + HEADERS_MS_MAX;
  http.server.timeout = limits.query_timeout + KEEP_ALIVE_MS;
  connections.bounds = { ...connections.bounds, readRateMin: limits.read_rate_min };
}

/** Is this server meant, and by whom? */
function checkHost({ names }: HttpState, request: FastifyRequest): void {
  const isProbe = request.routeOptions.config.right === "none";
  const local = request.raw.socket.localAddress ?? "";
  const wrong = misdirected(request.raw, local, { names, key: "listen.names" }, isProbe);
  if (wrong === undefined) return;
  const { status, code, message, mend } = wrong;
  const cause = ({ 400: "bad_request", 403: "foreign_origin", 421: "misdirected" } as const)[status];
  throw new Refusal(message, { status, cause, code, mend });
}

/** Before anything of a request is looked at: is it allowed, and are we open? */
function guard(state: HttpState, request: FastifyRequest): void {
  const { right = "read", always = false } = request.routeOptions.config;
  if (right !== "none") {
    const verdict = state.tokens.check(request.headers.authorization, right);
    if (verdict === "unknown") {
      throw new Refusal("the token is missing or wrong", {
        status: 401,
        cause: "unauthorized",
        code: "UNAUTHORIZED",
        mend: "send Authorization: Bearer TOKEN with the token of the aggregator's token_file",
      });
    }
    if (verdict === "forbidden") {
      throw new Refusal("this token may read but not upload", {
        status: 403,
        cause: "forbidden",
        code: "FORBIDDEN",
        mend: "use the token of token_file",
      });
    }
  }
  if (!state.open && !always) throw comeBack("the aggregator is starting or stopping", "unavailable", 2);
}

function answerError(
  { logger, metrics }: HttpParts,
  lines: LineLimit,
  error: unknown,
  request: FastifyRequest,
  reply: FastifyReply,
): void {
  const refusal = asRefusal(error);
  if (refusal === undefined) {
    logger.error({ err: error, url: request.url }, "a request failed");
    reply.code(500).send(refusalBody("INTERNAL", "the aggregator failed to answer; its log says why", ""));
    return;
  }
  metrics.refused.inc({ cause: refusal.reason });
  const key = `${request.ip} ${refusal.reason}`;
  if (lines.once(key, LINE_EVERY_MS)) {
    const { reason, status, code, message } = refusal;
    const held = lines.suppressed(key);
    logger.warn(
      {
        peer: request.ip,
        cause: reason,
        status,
        code,
        url: request.url.slice(0, URL_CHARS_MAX),
        ...(held > 0 ? { held } : {}),
      },
      `refused: ${message}`,
    );
  }
  if (refusal.retryAfter !== undefined) reply.header("retry-after", refusal.retryAfter);
  if (refusal.status === 401) reply.header("www-authenticate", "Bearer");
  if (refusal.close) closeAfter(request, reply);
  const { status, code, message, mend, subject } = refusal;
  reply.code(status).send(refusalBody(code, message, mend, subject));
}

/** How long the rest of a refused body is read away, so that the answer is not lost in a connection reset. */
const LINGER_MS = 1_000;

/** Ends the connection once the answer has had time to arrive, though the body has not been read. */
function closeAfter(request: FastifyRequest, reply: FastifyReply): void {
  const { socket } = request.raw;
  reply.header("connection", "close");
  reply.raw.once("finish", () => {
    request.raw.on("error", () => undefined).resume();
    setTimeout(() => socket.destroy(), LINGER_MS).unref();
  });
}

/** Errors of ours, of lib and of Fastify that are the client's doing. */
function asRefusal(error: unknown): Refusal | undefined {
  if (error instanceof Refusal) return error;
  if (error instanceof SparsewireError) return badRequest(error.message, error.mend, error.code);
  const { statusCode, code, message } = error as { statusCode?: number; code?: string; message: string };
  if (code === "FST_ERR_CTP_INVALID_MEDIA_TYPE") {
    return new Refusal("the Content-Type is not application/x-tar", {
      status: 415,
      cause: "content_type",
      code: "CONTENT_TYPE",
      mend: "send Content-Type: application/x-tar",
    });
  }
  if (statusCode !== undefined && statusCode >= 400 && statusCode < 500) {
    return new Refusal(message, { status: statusCode, cause: "bad_request", code: code ?? "BAD_REQUEST" });
  }
  return undefined;
}

/** What is not even a request: bad syntax, headers too long or too slow. */
function onClientError({ metrics }: HttpParts, error: NodeJS.ErrnoException, socket: Socket): void {
  if (error.code === "ECONNRESET" || !socket.writable) {
    socket.destroy();
    return;
  }
  const isLate = error.code === "ERR_HTTP_REQUEST_TIMEOUT";
  metrics.refused.inc({ cause: isLate ? "timeout" : "bad_request" });
  const status = isLate ? "408 Request Timeout" : "400 Bad Request";
  const body = JSON.stringify(refusalBody(isLate ? "TIMEOUT" : "BAD_REQUEST", status, ""));
  socket.end(
    `HTTP/1.1 ${status}\r\nConnection: close\r\nContent-Type: application/json\r\nContent-Length: ${body.length}\r\n\r\n${body}`,
    () => socket.destroy(),
  );
}
