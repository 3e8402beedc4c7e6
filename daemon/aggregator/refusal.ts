/** What the API says no to, and how: one class, with the HTTP status, a stable code and a closed set of causes. */

import type { UploadSubject } from "../../lib/answer.js";
import type { SlotsError } from "../http/slots.js";

/** Why an upload or a request was refused; the label of a metric, so append with care. */
export const REFUSAL_CAUSES = [
  "unauthorized",
  "forbidden",
  "bad_request",
  "bad_archive",
  "mismatch",
  "conflict",
  "length_required",
  "too_large",
  "content_type",
  "digest",
  "truncated",
  "timeout",
  "too_many",
  "too_many_sensors",
  "disk_full",
  "future",
  "unavailable",
  "misdirected",
  "foreign_origin",
  "too_slow",
] as const;
export type RefusalCause = (typeof REFUSAL_CAUSES)[number];

export interface RefusalOptions {
  status: number;
  cause: RefusalCause;
  /** Stable, in capitals; scripts match on it. */
  code: string;
  mend?: string;
  /** Seconds after which the same request may succeed. */
  retryAfter?: number;
  /** The connection cannot be used again: the rest of a body that nobody reads is still in it. */
  close?: boolean;
}

/** Thrown anywhere below a route; rendered as {error: {code, message, mend}}. */
export class Refusal extends Error {
  readonly status: number;
  readonly reason: RefusalCause;
  readonly code: string;
  readonly mend: string;
  readonly retryAfter: number | undefined;
  readonly close: boolean;
  /** Final refusals of an upload: the interval, and the digest of the bytes that were received. */
  subject: UploadSubject | undefined;

  constructor(what: string, options: RefusalOptions) {
    super(what);
    this.name = "Refusal";
    this.status = options.status;
    this.reason = options.cause;
    this.code = options.code;
    this.mend = options.mend ?? "";
    this.retryAfter = options.retryAfter;
    this.close = options.close ?? false;
  }
}

/** A request that makes no sense as it stands (400). */
export const badRequest = (what: string, mend = "", code = "BAD_REQUEST"): Refusal =>
  new Refusal(what, { status: 400, cause: "bad_request", code, mend });

/** Not now, but soon (503). */
export const comeBack = (what: string, cause: RefusalCause = "unavailable", retryAfter = 1): Refusal =>
  new Refusal(what, {
    status: 503,
    cause,
    code: "UNAVAILABLE",
    mend: `try again after ${retryAfter} s`,
    retryAfter,
  });

export const notFound = (what: string, mend = ""): Refusal =>
  new Refusal(what, { status: 404, cause: "bad_request", code: "NOT_FOUND", mend });

/** What a request is told whose place was not given, or lost. `what` is the plural: "uploads". */
export function slotRefusal(error: SlotsError, what: string): Refusal {
  if (error.why === "busy") return comeBack(`too many ${what} at once`, "too_many");
  const { message } = error;
  return error.why === "slow"
    ? new Refusal(message, {
        status: 408,
        cause: "too_slow",
        code: "TOO_SLOW",
        mend: "send over a faster way, or lower limits.upload_rate_min of the aggregator",
        close: true,
      })
    : new Refusal(message, {
        status: 503,
        cause: "too_many",
        code: "UNAVAILABLE",
        mend: "try again after 1 s",
        retryAfter: 1,
        close: true,
      });
}
