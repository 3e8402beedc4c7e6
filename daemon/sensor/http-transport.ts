/** Archives over HTTP with keep-alive: PUT /api/v1/intervals/{sensor}/{run}/{sequence}, acknowledged by 2xx. */
import { createHash } from "node:crypto";
import * as http from "node:http";
import * as https from "node:https";
import type { Delivery, Transport } from "./transport.js";

export interface HttpTransportOptions {
  url: string;
  token?: string;
  ca?: string;
  timeoutMs: number;
}

/** Longest answer that is read: it is a line of JSON. */
const ANSWER_BYTES_MAX = 64 * 1024;
/** Answers that no repetition changes: the archive itself is not acceptable. */
const REFUSALS = new Map([
  [400, "bad_archive"],
  [409, "conflict"],
  [413, "too_large"],
  [422, "digest_mismatch"],
]);

export class HttpTransport implements Transport {
  /** For people: without what may be a secret. */
  readonly target: string;
  readonly timeoutMs: number;
  readonly #options: HttpTransportOptions;
  readonly #base: string;
  readonly #agent: http.Agent;

  constructor(options: HttpTransportOptions) {
    this.#options = options;
    this.timeoutMs = options.timeoutMs;
    const base = new URL(options.url);
    base.pathname = base.pathname.replace(/\/*$/, "/");
    this.#base = base.href;
    for (const secret of ["username", "password", "search", "hash"] as const) base[secret] = "";
    this.target = base.href;
    const keep = { keepAlive: true, maxSockets: 2, keepAliveMsecs: 30_000 };
    this.#agent =
      base.protocol === "https:"
        ? new https.Agent({
            ...keep,
            ...(options.ca === undefined ? {} : { ca: options.ca }),
            minVersion: "TLSv1.2",
          })
        : new http.Agent(keep);
  }

  send(
    identity: { sensor: string; run: string; sequence: number },
    archive: Uint8Array,
    signal: AbortSignal,
  ): Promise<Delivery> {
    const { sensor, run, sequence } = identity;
    const url = new URL(`api/v1/intervals/${sensor}/${run}/${sequence}`, this.#base);
    const digest = createHash("sha256").update(archive).digest("base64");
    const headers: http.OutgoingHttpHeaders = {
      "content-type": "application/x-tar",
      "content-length": archive.length,
      "content-digest": `sha-256=:${digest}:`,
    };
    if (this.#options.token !== undefined) headers.authorization = `Bearer ${this.#options.token}`;
    const request = url.protocol === "https:" ? https.request : http.request;
    return new Promise((resolve) => {
      const fail = (error: NodeJS.ErrnoException): void =>
        resolve({ result: "retry", cause: error.code ?? "error", message: error.message });
      const limit = AbortSignal.any([signal, AbortSignal.timeout(this.#options.timeoutMs)]);
      const sent = request(url, { method: "PUT", agent: this.#agent, headers, signal: limit }, (answer) => {
        let text = "";
        answer.setEncoding("utf8");
        answer.on("data", (chunk: string) => {
          if (text.length < ANSWER_BYTES_MAX) text += chunk;
        });
        answer.on("end", () => resolve(delivery(answer, text)));
        answer.on("error", fail);
      });
      sent.on("error", (error: NodeJS.ErrnoException) => {
        const isTimeout = limit.aborted && !signal.aborted;
        fail(isTimeout ? Object.assign(new Error("no answer in time"), { code: "timeout" }) : error);
      });
      sent.end(archive);
    });
  }

  close(): void {
    this.#agent.destroy();
  }
}

function delivery(answer: http.IncomingMessage, text: string): Delivery {
  const status = answer.statusCode ?? 0;
  if (status >= 200 && status < 300) return { result: "acknowledged", duplicate: status === 200 };
  const message = `HTTP ${status}: ${messageOf(text)}`;
  const after = Number(answer.headers["retry-after"]);
  // The aggregator asks for it again when the bytes were damaged on the way, and not when they are bad in themselves.
  const refusal = after > 0 ? undefined : REFUSALS.get(status);
  if (refusal !== undefined) return { result: "refused", cause: refusal, message };
  const cause =
    { 401: "unauthorized", 403: "unauthorized", 507: "aggregator_disk_full" }[status] ?? `http_${status}`;
  return { result: "retry", cause, message, ...(after > 0 ? { afterMs: after * 1000 } : {}) };
}

function messageOf(text: string): string {
  try {
    const { error } = JSON.parse(text) as { error?: { message?: string } };
    return String(error?.message ?? text).slice(0, 300);
  } catch {
    return text.slice(0, 300);
  }
}
