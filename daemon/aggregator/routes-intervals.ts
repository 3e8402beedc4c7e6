/** /api/v1/sensors and /api/v1/intervals: taking archives in, listing them, giving them back. */
import { createReadStream } from "node:fs";
import { stat } from "node:fs/promises";
import type { IncomingHttpHeaders } from "node:http";
import type { FastifyInstance } from "fastify";
import { acknowledgement, isFinalRefusal, type UploadSubject } from "../../lib/answer.js";
import { served } from "../http/served.js";
import { SharedAnswer } from "../http/shared-answer.js";
import type { Logger } from "../log.js";
import { Listings } from "./listing.js";
import type { Metrics } from "./metrics.js";
import type { Reads } from "./reads.js";
import { notFound, Refusal } from "./refusal.js";
import type { Sensors } from "./sensors.js";
import type { Store } from "./store.js";
import type { UploadResult, Uploads } from "./upload.js";
import { bodyDigest, uploadIdentity } from "./upload-request.js";

interface Parts {
  logger: Logger;
  metrics: Metrics;
  store: Store;
  sensors: Sensors;
  uploads: Uploads;
  reads: Reads;
  /** Told of every archive that was stored. */
  onStored(start: bigint): void;
}

const ONE = "/api/v1/intervals/:sensor/:run/:sequence";
type Params = Record<string, string>;

export function intervalRoutes(http: FastifyInstance, parts: Parts): void {
  const { reads } = parts;
  http.put(ONE, { config: { right: "write" } }, async (request, reply) => {
    const identity = uploadIdentity(request.params as Params);
    const began = performance.now();
    const subject = (): UploadSubject => ({ ...identity, sha256: hexDigest(request.raw.headers) });
    let result: UploadResult;
    try {
      result = await parts.uploads.receive(identity, request.raw);
    } catch (error) {
      // Final refusals come after the body was found to be what its digest says.
      if (error instanceof Refusal && isFinalRefusal(error.code, error.retryAfter)) error.subject = subject();
      throw error;
    }
    note(parts, result, (performance.now() - began) / 1e3);
    reply.code("stored" in result ? 201 : 200);
    return acknowledgement(subject(), "stored" in result ? "stored" : "duplicate");
  });

  http.get(ONE, async (request, reply) => {
    const { sensor, run, sequence } = uploadIdentity(request.params as Params);
    const { identities } = parts.store.catalog;
    if (!identities.has(sensor, run, sequence)) throw notFound("there is no such interval");
    const path = parts.store.findRaw({ start: 0n, sensor, run, sequence });
    const size = path === undefined ? undefined : await stat(path).catch(() => undefined);
    if (path === undefined || size === undefined) {
      throw notFound(
        "only roll-ups contain this interval by now",
        "raise store.keep_raw to keep archives longer",
      );
    }
    reply.type("application/x-tar").header("content-length", size.size);
    return reply.send(served(await reads.enter(request, reply), createReadStream(path)));
  });

  const listings = new Listings(parts.store);
  http.get("/api/v1/intervals", async (request, reply) => {
    const place = await reads.enter(request, reply);
    try {
      reply.type("application/json; charset=utf-8");
      return await listings.page(request.query as Record<string, unknown>);
    } finally {
      place.leave();
    }
  });

  const list = new SharedAnswer(async () => Buffer.from(`{"sensors":[${await parts.sensors.listing()}]}`));
  http.get("/api/v1/sensors", async (_request, reply) => {
    reply.type("application/json; charset=utf-8");
    return reply.send(await list.get());
  });
}

/** The SHA-256 of Content-Digest, which the received bytes have been compared with, in hexadecimal digits. */
const hexDigest = (headers: IncomingHttpHeaders): string =>
  Buffer.from(bodyDigest(headers), "base64").toString("hex");

function note({ metrics, sensors, onStored }: Parts, result: UploadResult, seconds: number): void {
  if (!("stored" in result)) {
    metrics.received.inc({ result: "duplicate" });
    return;
  }
  const { manifest, bytes } = result;
  metrics.received.inc({ result: "stored" });
  metrics.receivedBytes.inc(bytes);
  metrics.packets.inc(manifest.packets);
  metrics.frames.inc(manifest.frames);
  metrics.storeSeconds.observe(seconds);
  metrics.lagSeconds.observe(Math.max(0, Date.now() / 1e3 - Number(manifest.end / 1_000_000n) / 1e3));
  sensors.note(manifest);
  onStored(manifest.start);
}
