/**
 * What an answer to an upload means. Whatever listens at an address may say 200 or 400: a proxy, a login page, another
 * program. Only the aggregator's own answer, which names the interval and the digest of the bytes it received, settles
 * anything; every other answer leaves the interval where it is.
 */

import { printable } from "./printable.js";

/** First field of every JSON that the aggregator answers an upload with, or refuses a request with. */
export const ANSWER_FORMAT = "sparsewire-answer/1";
/** Bytes of an answer that are read: it is a line of JSON. */
export const ANSWER_BYTES_MAX = 64 * 1024;

/**
 * Codes of refusals that no repetition and no mend of the aggregator changes: the archive itself is not acceptable.
 * The value is the cause under which the interval is counted as lost.
 */
export const FINAL_REFUSALS: ReadonlyMap<string, string> = new Map([
  ["BAD_TAR", "bad_archive"],
  ["BAD_MANIFEST", "bad_archive"],
  ["BAD_ARCHIVE", "bad_archive"],
  ["MISMATCH", "bad_archive"],
  ["BAD_DIGEST", "digest_mismatch"],
  ["CONFLICT", "conflict"],
]);

/** Statuses by which the aggregator says no to one interval rather than to its sensor. */
const ABOUT_THE_INTERVAL = new Set([400, 409, 411, 413, 415, 422]);
/** All others that it says no with: what may be a metric's label. */
const ABOUT_THE_SENSOR = new Set([401, 403, 404, 408, 421, 429, 500, 503, 507]);
const CAUSES: Record<number, string> = {
  401: "unauthorized",
  403: "unauthorized",
  413: "too_large",
  422: "digest",
  507: "aggregator_disk_full",
};
const AFTER_S_MAX = 3600;
const TEXT_CHARS_MAX = 300;

/** An interval by its name, and the SHA-256 of its archive in hexadecimal digits. */
export interface UploadSubject {
  sensor: string;
  run: string;
  sequence: number;
  sha256: string;
}

/** An HTTP answer as it came. */
export interface ForeignAnswer {
  status: number;
  contentType: string | undefined;
  retryAfter: string | undefined;
  body: string;
  /** False when the body was cut off, or is longer than ANSWER_BYTES_MAX. */
  isWhole: boolean;
}

export type Verdict =
  /** The aggregator has it on disk (now, or from an earlier attempt). */
  | { result: "acknowledged"; duplicate: boolean }
  /** Nothing can be delivered now: nobody there, busy, its disk full, wrong token, something else answers ... */
  | { result: "retry"; cause: string; message: string; afterMs?: number }
  /** This interval cannot be delivered now, others perhaps: too large for its limits, damaged on the way ... */
  | { result: "deferred"; cause: string; message: string }
  /** It will never be taken as it is. */
  | { result: "refused"; cause: string; message: string };

/** Body that acknowledges an upload; `stored` and `duplicate` are for sensors before this format. */
export const acknowledgement = (subject: UploadSubject, result: "stored" | "duplicate") => ({
  format: ANSWER_FORMAT,
  ...subject,
  result,
  [result]: true,
});

/** Whether a refusal with this code settles the interval; one that says when to come back never does. */
export const isFinalRefusal = (code: string, retryAfter: number | undefined): boolean =>
  FINAL_REFUSALS.has(code) && retryAfter === undefined;

/** Body of a refusal; `subject` only where the refusal is final, for bytes that were received whole. */
export const refusalBody = (code: string, message: string, mend: string, subject?: UploadSubject) => ({
  format: ANSWER_FORMAT,
  ...subject,
  error: { code, message, mend },
});

/** What an answer to the upload of `sent` means. Never throws, whatever the answer is. */
export function verdictOf(answer: ForeignAnswer, sent: UploadSubject): Verdict {
  const { status } = answer;
  const after = secondsOf(answer.retryAfter);
  const wait = after === undefined ? {} : { afterMs: after * 1000 };
  const body = bodyOf(answer);
  if (body?.format !== ANSWER_FORMAT) return foreign(answer, body);
  if (status === 200 || status === 201) {
    const result = status === 200 ? "duplicate" : "stored";
    if (body.result === result && isAbout(body, sent))
      return { result: "acknowledged", duplicate: status === 200 };
    return {
      result: "retry",
      cause: "foreign_answer",
      message: `HTTP ${status} acknowledges other bytes than were sent; look for a proxy that mixes up answers`,
      ...wait,
    };
  }
  const error = body.error as Record<string, unknown> | undefined;
  if (typeof error !== "object" || error === null || typeof error.code !== "string")
    return foreign(answer, body);
  const message = `HTTP ${status}: ${excerpt(String(error.message ?? error.code))}`;
  if (!ABOUT_THE_INTERVAL.has(status)) {
    if (!ABOUT_THE_SENSOR.has(status)) return foreign(answer, body);
    return { result: "retry", cause: CAUSES[status] ?? `http_${status}`, message, ...wait };
  }
  const lost = FINAL_REFUSALS.get(error.code);
  if (lost !== undefined && answer.retryAfter === undefined && isAbout(body, sent))
    return { result: "refused", cause: lost, message };
  return { result: "deferred", cause: CAUSES[status] ?? `http_${status}`, message };
}

const isAbout = (body: Record<string, unknown>, sent: UploadSubject): boolean =>
  (["sensor", "run", "sequence", "sha256"] as const).every((key) => body[key] === sent[key]);

function foreign(answer: ForeignAnswer, body: Record<string, unknown> | undefined): Verdict {
  const { status, isWhole } = answer;
  const says = excerpt(answer.body);
  const isOld = (status === 201 && body?.stored === true) || (status === 200 && body?.duplicate === true);
  const why = isOld
    ? "it acknowledges without a digest: the aggregator is older than this sensor; update it"
    : "the aggregator is older than this sensor, or something else answers there";
  return {
    result: "retry",
    cause: "foreign_answer",
    message: `HTTP ${status}${isWhole ? "" : ", cut or endless"}: ${why}${says === "" ? "" : ` (${says})`}`,
  };
}

/** The object of a whole JSON answer. */
function bodyOf({ contentType, body, isWhole }: ForeignAnswer): Record<string, unknown> | undefined {
  if (!isWhole || !/^application\/json\s*(;|$)/i.test(contentType ?? "")) return undefined;
  try {
    const value: unknown = JSON.parse(body);
    return typeof value === "object" && value !== null ? (value as Record<string, unknown>) : undefined;
  } catch {
    return undefined;
  }
}

function secondsOf(text: string | undefined): number | undefined {
  if (text === undefined || !/^\d{1,9}$/.test(text)) return undefined;
  return Math.min(Number(text), AFTER_S_MAX);
}

/** The beginning of what a stranger says, on one line. */
const excerpt = (text: string): string =>
  printable(text.slice(0, TEXT_CHARS_MAX).trim()).slice(0, TEXT_CHARS_MAX);
