/** /api/v1/matrix, top, quantities and status: what was seen over a range of time. */
import type { Readable } from "node:stream";
import type { FastifyInstance, FastifyReply, FastifyRequest } from "fastify";
import type { Family } from "../../lib/address.js";
import { CONTENT_TYPES, EXPORT_FORMATS } from "../../lib/export.js";
import { sensorName } from "../../lib/manifest.js";
import { TOP_N_MAX, TOP_ORDERS, type Top } from "../../lib/top.js";
import type { Quantities } from "../../lib/traffic.js";
import { peerOf } from "../http/peer.js";
import { served } from "../http/served.js";
import { SharedAnswer } from "../http/shared-answer.js";
import type { SumFacts } from "./matrix-messages.js";
import { timeText } from "./periods.js";
import type { Asker, Queries, Range } from "./queries.js";
import { badRequest } from "./refusal.js";
import { choice, count, onlyKnown, parseRange, text } from "./times.js";

type Query = Record<string, unknown>;

const RANGE = ["from", "to", "sensor"];
const TOP_N_DEFAULT = 20;

export function matrixRoutes(
  http: FastifyInstance,
  { queries, status }: { queries: Queries; status: () => unknown },
): void {
  http.get("/api/v1/matrix", async (request, reply) => {
    const query = request.query as Query;
    onlyKnown(query, [...RANGE, "family", "format", "plane", "estimate"]);
    const range = rangeOf(query);
    const format = choice(query, "format", [...EXPORT_FORMATS, "tar"] as const, "csv");
    const plane = choice(query, "plane", ["packets", "bytes"] as const, "packets");
    const estimated = choice(query, "estimate", ["0", "1"] as const, "0") === "1";
    const wanted = { kind: "export", format, plane, estimated, family: familyOf(query) } as const;
    const { facts, pieces, place } = await queries.stream(range, wanted, askerOf(request, reply));
    for (const [name, value] of Object.entries(rangeFacts(range, facts))) {
      reply.header(`sparsewire-${name}`, String(value));
    }
    reply.type(format === "tar" ? "application/x-tar" : CONTENT_TYPES[format]);
    return reply.send(bounded(served(place, pieces), queries.limits.query_timeout));
  });

  http.get("/api/v1/top", async (request, reply) => {
    const query = request.query as Query;
    onlyKnown(query, [...RANGE, "by", "n", "family"]);
    const range = rangeOf(query);
    const by = choice(query, "by", TOP_ORDERS, "packets");
    const wanted = {
      kind: "top",
      by,
      n: count(query, "n", TOP_N_DEFAULT, TOP_N_MAX),
      family: familyOf(query),
    } as const;
    const { facts, value } = await queries.value<Top>(range, wanted, askerOf(request, reply));
    return { ...rangeFacts(range, facts), ...value };
  });

  http.get("/api/v1/quantities", async (request, reply) => {
    const query = request.query as Query;
    onlyKnown(query, [...RANGE, "family"]);
    const range = rangeOf(query);
    const family = text(query, "family") === undefined ? undefined : familyOf(query);
    const { facts, value } = await queries.value<Record<string, Quantities>>(
      range,
      { kind: "quantities" },
      askerOf(request, reply),
    );
    const asked = Object.entries(value).filter(
      ([name]) => family === undefined || name.startsWith(`links${family}.`),
    );
    return { ...rangeFacts(range, facts), quantities: Object.fromEntries(asked) };
  });

  const shared = new SharedAnswer(status);
  http.get("/api/v1/status", () => shared.get());
}

/** A stream that ends (with the connection) when its reader takes longer than `ms`. */
function bounded(stream: Readable, ms: number): Readable {
  const timer = setTimeout(() => stream.destroy(new Error("the reader is too slow")), ms);
  return stream.once("close", () => clearTimeout(timer));
}

function rangeOf(query: Query): Range {
  const sensor = text(query, "sensor");
  if (sensor !== undefined && sensor !== "" && !sensorName.safeParse(sensor).success) {
    throw badRequest("sensor is not a sensor's name");
  }
  return { ...parseRange(query), sensor: sensor === "" ? undefined : sensor };
}

const familyOf = (query: Query): Family =>
  choice(query, "family", ["4", "6"] as const, "4") === "4" ? 4 : 6;

const rangeFacts = ({ from, to }: Range, facts: SumFacts) => ({
  from: timeText(from),
  to: timeText(to),
  ...facts,
});

function askerOf({ socket }: FastifyRequest, reply: FastifyReply): Asker {
  const gone = new AbortController();
  reply.raw.once("close", () => gone.abort());
  return { peer: peerOf(socket.remoteAddress), gone: gone.signal };
}
