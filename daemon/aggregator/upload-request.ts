/** The parts of an upload's request: identity, length, digest, and the body as it comes in. */
import { createHash } from "node:crypto";
import type { FileHandle } from "node:fs/promises";
import type { IncomingHttpHeaders, IncomingMessage } from "node:http";
import { runId, sensorName } from "../../lib/manifest.js";
import type { Place, SlotsError } from "../http/slots.js";
import { isStorageError } from "./durable.js";
import { badRequest, Refusal, slotRefusal } from "./refusal.js";

export interface UploadIdentity {
  sensor: string;
  run: string;
  sequence: number;
}

/** Sensor, run and sequence of the URL. */
export function uploadIdentity(params: Record<string, string>): UploadIdentity {
  const { sensor = "", run = "", sequence = "" } = params;
  if (!sensorName.safeParse(sensor).success)
    throw badRequest("the sensor in the path is not a sensor's name");
  if (!runId.safeParse(run).success) throw badRequest("the run in the path is not 16 hexadecimal digits");
  if (!/^(0|[1-9]\d{0,15})$/.test(sequence) || !Number.isSafeInteger(Number(sequence))) {
    throw badRequest("the sequence in the path is not a number");
  }
  return { sensor, run, sequence: Number(sequence) };
}

/** Content-Length in bytes; 411 without one, 413 beyond `max`. */
export function bodyLength(headers: IncomingHttpHeaders, max: number): number {
  const text = headers["content-length"];
  if (text === undefined || !/^\d{1,16}$/.test(text)) {
    throw new Refusal("Content-Length is missing", {
      status: 411,
      cause: "length_required",
      code: "LENGTH_REQUIRED",
      mend: "send the archive with its length, not chunked",
      close: true,
    });
  }
  if (Number(text) > max) {
    throw new Refusal(`an archive of ${text} bytes is larger than limits.max_archive_bytes (${max})`, {
      status: 413,
      cause: "too_large",
      code: "TOO_LARGE",
      mend: "seal shorter intervals, or raise limits.max_archive_bytes of the aggregator",
      close: true,
    });
  }
  return Number(text);
}

/** The SHA-256 in Content-Digest (RFC 9530), base64. */
export function bodyDigest(headers: IncomingHttpHeaders): string {
  const found = /(?:^|,)\s*sha-256=:([A-Za-z0-9+/]{43}=):/.exec(String(headers["content-digest"] ?? ""));
  if (found === null) {
    throw badRequest("Content-Digest is missing or has no sha-256", "send Content-Digest: sha-256=:BASE64:");
  }
  return found[1]!;
}

/** Writes the body to the file as it comes, as long as it has its place; its SHA-256 in base64. */
export async function pump(
  request: IncomingMessage,
  file: FileHandle,
  length: number,
  timeout: number,
  place: Place,
): Promise<string> {
  const hash = createHash("sha256");
  const body = request[Symbol.asyncIterator]();
  let cut = (_refusal: Refusal): void => undefined;
  const ended = new Promise<never>((_, reject) => {
    cut = reject;
  });
  ended.catch(() => undefined);
  const timer = setTimeout(() => cut(expired(timeout)), timeout);
  const yielded = (): void => cut(slotRefusal(place.ended.reason as SlotsError, "uploads"));
  if (place.ended.aborted) yielded();
  place.ended.addEventListener("abort", yielded);
  try {
    let received = 0;
    for (;;) {
      const next = body.next();
      next.catch(() => undefined);
      place.waits();
      const { done, value } = (await Promise.race([next, ended])) as IteratorResult<Buffer, undefined>;
      place.works(value?.length ?? 0);
      if (done) break;
      hash.update(value!);
      for (let at = 0; at < value!.length; ) at += (await file.write(value!, at)).bytesWritten;
      received += value!.length;
    }
    if (received !== length) throw truncated();
    return hash.digest("base64");
  } catch (error) {
    if (error instanceof Refusal || isDisk(error)) throw error;
    throw truncated();
  } finally {
    clearTimeout(timer);
    place.ended.removeEventListener("abort", yielded);
  }
}

const expired = (timeout: number): Refusal =>
  new Refusal(`the upload took longer than limits.upload_timeout (${timeout} ms)`, {
    status: 408,
    cause: "timeout",
    code: "TIMEOUT",
    close: true,
  });

/** Errors of the file, not of the socket (which is only read). */
const isDisk = (error: unknown): boolean =>
  isStorageError(error) && (error as NodeJS.ErrnoException).syscall === "write";

const truncated = (): Refusal =>
  new Refusal("the connection ended in the middle of the archive", {
    status: 400,
    cause: "truncated",
    code: "TRUNCATED",
    close: true,
  });

/** With `retryAfter` the way here is to blame, and sending again may help; without, the archive itself is damaged. */
export const digestRefusal = (what: string, retryAfter?: number): Refusal =>
  new Refusal(what, {
    ...(retryAfter === undefined ? {} : { retryAfter }),
    status: 422,
    cause: "digest",
    code: "BAD_DIGEST",
    mend: "send the archive again",
  });
