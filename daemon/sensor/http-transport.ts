/**
 * Archives over HTTP with keep-alive: PUT /api/v1/intervals/{sensor}/{run}/{sequence}. What the answer means is
 * lib/answer.ts's to say; redirects are answers like any other, and not followed.
 */
import { createHash } from "node:crypto";
import * as http from "node:http";
import * as https from "node:https";
import { ANSWER_BYTES_MAX, type UploadSubject, type Verdict, verdictOf } from "../../lib/answer.js";
import { printable } from "../../lib/printable.js";
import type { Transport } from "./transport.js";

export interface HttpTransportOptions {
  url: string;
  token?: string;
  ca?: string;
  timeoutMs: number;
}

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
  ): Promise<Verdict> {
    const { sensor, run, sequence } = identity;
    const url = new URL(`api/v1/intervals/${sensor}/${run}/${sequence}`, this.#base);
    const digest = createHash("sha256").update(archive).digest();
    const sent: UploadSubject = { sensor, run, sequence, sha256: digest.toString("hex") };
    const headers: http.OutgoingHttpHeaders = {
      "content-type": "application/x-tar",
      "content-length": archive.length,
      "content-digest": `sha-256=:${digest.toString("base64")}:`,
    };
    if (this.#options.token !== undefined) headers.authorization = `Bearer ${this.#options.token}`;
    const request = url.protocol === "https:" ? https.request : http.request;
    return new Promise((resolve) => {
      const fail = (error: NodeJS.ErrnoException): void =>
        resolve({ result: "retry", cause: error.code ?? "error", message: printable(error.message) });
      const limit = AbortSignal.any([signal, AbortSignal.timeout(this.#options.timeoutMs)]);
      const order = { method: "PUT", agent: this.#agent, headers, signal: limit };
      let isAnswered = false;
      const put = request(url, order, (answer) => {
        isAnswered = true;
        readAnswer(answer).then((whole) => resolve(verdictOf(whole, sent)), fail);
      });
      put.on("error", (error: NodeJS.ErrnoException) => {
        const isTimeout = limit.aborted && !signal.aborted;
        fail(isTimeout ? Object.assign(new Error("no answer in time"), { code: "timeout" }) : error);
      });
      // An answer that changes the protocol, say, ends without an error and without a response.
      put.on("close", () => {
        if (!isAnswered) fail(Object.assign(new Error("no answer"), { code: "closed" }));
      });
      put.end(archive);
    });
  }

  close(): void {
    this.#agent.destroy();
  }
}

/** An answer with as much of its body as is wanted; what is longer or cut is not whole. Never rejects for the body. */
async function readAnswer(answer: http.IncomingMessage) {
  const { statusCode: status = 0, headers } = answer;
  const chunks: Buffer[] = [];
  let bytes = 0;
  let isWhole = true;
  try {
    for await (const chunk of answer as AsyncIterable<Buffer>) {
      bytes += chunk.length;
      isWhole = bytes <= ANSWER_BYTES_MAX;
      // Leaving the loop destroys the answer, and the connection with it.
      if (!isWhole) break;
      chunks.push(chunk);
    }
  } catch {
    isWhole = false;
  }
  return {
    status,
    contentType: headers["content-type"],
    retryAfter: headers["retry-after"],
    body: Buffer.concat(chunks).toString("utf8"),
    isWhole: isWhole && answer.complete,
  };
}
