/** Whatever may listen where the aggregator should be: answers of every kind, cut, endless, or no HTTP at all. */
import type { Socket } from "node:net";
import { acknowledgement, refusalBody } from "../../lib/answer.js";
import type { Random } from "../pcap/fuzz.js";
import { Front, wireTo } from "./front.js";

export interface Request {
  sensor: string;
  run: string;
  sequence: number;
  /** Of the body, as its Content-Digest says; hexadecimal. */
  sha256: string;
}

/** What a stranger does with a request that it has read. */
export interface Answer {
  name: string;
  /** Bytes to send for it. */
  bytes(request: Request): string;
  /** Bytes of those that get out before the connection is cut; all by default, and then it stays open or is ended. */
  cutAt?: number;
  after?: "end" | "destroy" | "hang" | "endless";
  /** Answers before the request has been read. */
  early?: boolean;
}

const http = (status: number, type: string, body: string, more = ""): string =>
  `HTTP/1.1 ${status} Whatever\r\n${type === "" ? "" : `Content-Type: ${type}\r\n`}${more}Content-Length: ${Buffer.byteLength(body)}\r\n\r\n${body}`;

const STATUSES = [
  200, 201, 202, 203, 204, 205, 206, 207, 226, 300, 301, 302, 303, 304, 307, 308, 400, 401, 402, 403, 404,
  405, 407, 408, 409, 410, 411, 413, 415, 418, 421, 422, 425, 429, 431, 451, 500, 501, 502, 503, 504, 507,
  511, 599,
];

/** Bodies by name: of others, of an aggregator before this format, and of ours about something else. */
const BODIES: Record<
  string,
  (status: number, request: Request) => [type: string, body: string, more?: string]
> = {
  empty: () => ["", ""],
  "an empty object": () => ["application/json", "{}"],
  "a page": () => ["text/html", `<html><title>Log in</title>${"x".repeat(500)}</html>`],
  "a page said to be JSON": () => ["application/json", "<html></html>"],
  "an older aggregator": (status) => ["application/json", status < 300 ? '{"stored":true}' : old("BAD_TAR")],
  "an older aggregator's conflict": () => ["application/json", old("CONFLICT")],
  "another interval": (_, request) =>
    json(acknowledgement({ ...request, sequence: request.sequence + 1 }, "stored")),
  "other bytes": (_, request) => json(acknowledgement({ ...request, sha256: "0".repeat(64) }, "stored")),
  "a refusal of other bytes": (_, request) =>
    json(refusalBody("BAD_TAR", "no", "", { ...request, sha256: "0".repeat(64) })),
  "a refusal of another sensor": (_, request) =>
    json(refusalBody("CONFLICT", "no", "", { ...request, sensor: "edge-2" })),
  "ours, as text": (_, request) => ["text/plain", JSON.stringify(acknowledgement(request, "stored"))],
  "a redirect": () => ["application/json", "{}", "Location: http://127.0.0.1:9/\r\n"],
};

const json = (value: unknown): [string, string] => ["application/json", JSON.stringify(value)];
const old = (code: string): string => JSON.stringify({ error: { code, message: "no", mend: "" } });

const page = http(200, "text/html", "hello");
const good = (request: Request): string => http(201, ...json(acknowledgement(request, "stored")));

/** Connections that are cut, and bytes that are no answer. */
const BROKEN: Answer[] = [
  ...[0, 1, 9, 15, 40, 80].map((cutAt) => ({ name: `cut at ${cutAt}`, bytes: () => page, cutAt })),
  ...[100, 200, 250, 280].map((cutAt) => ({ name: `our own, cut at ${cutAt}`, bytes: good, cutAt })),
  { name: "nothing at all", bytes: () => "", after: "end" },
  { name: "a reset before the request was read", bytes: () => "", after: "destroy", early: true },
  { name: "a page before the request was read", bytes: () => page, after: "end", early: true },
  { name: "no HTTP", bytes: () => "220 mail.example.org ESMTP\r\n", after: "end" },
  { name: "HTTP/0.9", bytes: () => "stored", after: "end" },
  { name: "TLS where there is none", bytes: () => "\x15\x03\x01\x00\x02\x02\x28", after: "end" },
  {
    name: "another protocol",
    bytes: () => "HTTP/1.1 101 Go\r\nUpgrade: x\r\nConnection: Upgrade\r\n\r\n",
    after: "end",
  },
  { name: "only early hints", bytes: () => "HTTP/1.1 103 Early Hints\r\nLink: x\r\n\r\n", after: "end" },
  { name: "a bad length", bytes: () => "HTTP/1.1 201 OK\r\nContent-Length: 5, 6\r\n\r\nhello", after: "end" },
  {
    name: "two lengths",
    bytes: () => "HTTP/1.1 201 OK\r\nContent-Length: 5\r\nTransfer-Encoding: chunked\r\n\r\n",
  },
  {
    name: "a bad chunk",
    bytes: () => "HTTP/1.1 201 OK\r\nTransfer-Encoding: chunked\r\n\r\nzz\r\n",
    after: "end",
  },
  {
    name: "a cut chunk",
    bytes: () => "HTTP/1.1 201 OK\r\nTransfer-Encoding: chunked\r\n\r\nff\r\nx",
    after: "end",
  },
  { name: "headers without end", bytes: () => "HTTP/1.1 201 OK\r\n", after: "endless" },
  {
    name: "a body without end",
    bytes: () => "HTTP/1.1 201 OK\r\nContent-Type: application/json\r\n\r\n",
    after: "endless",
  },
  { name: "a long body", bytes: () => http(201, "application/json", `"${"x".repeat(200_000)}"`) },
  {
    name: "our own, and a tail of blanks",
    bytes: (request) =>
      http(201, "application/json", JSON.stringify(acknowledgement(request, "stored")) + " ".repeat(1 << 17)),
  },
  { name: "silence", bytes: () => "", after: "hang" },
  { name: "half of a header", bytes: () => "HTTP/1.1 20", after: "hang" },
];

/** Every status with every body, and what is broken, in a random order. */
export function foreignAnswers(random: Random): Answer[] {
  const answers = STATUSES.flatMap((status) =>
    Object.entries(BODIES).map(([name, body]): Answer => {
      return { name: `${status} with ${name}`, bytes: (request) => http(status, ...body(status, request)) };
    }),
  );
  const all = [...answers, ...BROKEN, ...BROKEN];
  for (let at = all.length - 1; at > 0; at--) {
    const other = random.int(at + 1);
    [all[at], all[other]] = [all[other]!, all[at]!];
  }
  return all;
}

/**
 * Gives one answer after the other, and wires connections through to `url` once they are used up. `answered` is told of
 * each answer that was given.
 */
export class Stranger {
  given = 0;
  readonly front: Front;

  constructor(
    private readonly answers: readonly Answer[],
    private readonly url: string,
    private readonly answered: (answer: Answer) => void,
  ) {
    this.front = new Front([(socket) => this.#serve(socket)]);
  }

  get isUsedUp(): boolean {
    return this.given >= this.answers.length;
  }

  #serve(socket: Socket): void {
    if (this.isUsedUp) {
      wireTo(this.url)(socket, this.front);
      return;
    }
    let seen = Buffer.alloc(0);
    socket.on("data", (chunk: Buffer) => {
      seen = Buffer.concat([seen, chunk]);
      const request = requestOf(seen);
      if (request === undefined || this.isUsedUp) return;
      const answer = this.answers[this.given]!;
      if (!request.isWhole && answer.early !== true) return;
      seen = Buffer.alloc(0);
      this.given++;
      this.#give(socket, answer, answer.bytes(request));
      this.answered(answer);
    });
  }

  #give(socket: Socket, { cutAt, after }: Answer, bytes: string): void {
    const cut = Buffer.from(bytes, "latin1").subarray(0, cutAt);
    if (after === "endless") {
      socket.write(cut);
      const more = (): void => {
        while (!socket.destroyed && socket.write(`x-padding: ${"x".repeat(4000)}\r\n`));
        if (!socket.destroyed) socket.once("drain", more);
      };
      more();
    } else if (after === "destroy") socket.resetAndDestroy();
    else if (after === "hang") socket.write(cut);
    else if (after === "end" || cutAt !== undefined || this.isUsedUp) socket.end(cut);
    else socket.write(cut);
  }
}

/** The identity in the headers of a PUT, once they are there. */
function requestOf(seen: Buffer): (Request & { isWhole: boolean }) | undefined {
  const end = seen.indexOf("\r\n\r\n");
  if (end < 0) return undefined;
  const head = seen.subarray(0, end).toString("latin1");
  const [, sensor, run, sequence] = /^PUT \/api\/v1\/intervals\/([^/]+)\/([^/]+)\/(\d+) /.exec(head)!;
  const digest = /content-digest: sha-256=:([^:]+):/i.exec(head)![1]!;
  const length = Number(/content-length: (\d+)/i.exec(head)![1]);
  return {
    sensor: sensor!,
    run: run!,
    sequence: Number(sequence),
    sha256: Buffer.from(digest, "base64").toString("hex"),
    isWhole: seen.length >= end + 4 + length,
  };
}
