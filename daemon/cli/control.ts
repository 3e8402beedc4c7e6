/** Questions to a running daemon: HTTP over a sensor's Unix socket, or over TCP to an aggregator. */
import { request as requestHttp } from "node:http";
import { request as requestHttps } from "node:https";
import type { z } from "zod";
import { EXIT, SparsewireError } from "../../lib/errors.js";
import { clearTextFault } from "../http/clear-text.js";
import type { SensorStatus } from "../sensor/status.js";

/** An interval is an archive; all else is JSON or text. */
const ARCHIVE_BYTES_MAX = 2 ** 30;
const TEXT_BYTES_MAX = 64 << 20;
const TIMEOUT_MS = 10_000;

/** GET over the control socket of a sensor; the body of a 200. */
export function askControl(socket: string, path: string): Promise<Buffer> {
  const bytesMax = path === "/interval" ? ARCHIVE_BYTES_MAX : TEXT_BYTES_MAX;
  return ask({ socketPath: socket, path, name: socket, bytesMax });
}

/** What a sensor says of itself. Throws FOREIGN_ANSWER when something else answers at its socket. */
export async function askStatus(socket: string): Promise<SensorStatus> {
  const { sensorStatus } = await import("./answers.js");
  return parsed(socket, "a sensor", await askControl(socket, "/status"), sensorStatus);
}

/** GET of an aggregator's API, which answers in JSON of that shape; `path` begins below the URL. */
export async function askAggregator<T>(
  base: string,
  path: string,
  shape: z.ZodType,
  token?: string,
): Promise<T> {
  const url = urlOf(base, path);
  if (url === undefined) {
    throw new SparsewireError("USAGE", `${JSON.stringify(base)} is not an http:// or https:// URL`, {
      exit: EXIT.usage,
      mend: "write it as http://127.0.0.1:8470",
    });
  }
  const clear = clearTextFault(url.href, token !== undefined);
  if (clear !== undefined)
    throw new SparsewireError("CLEAR_TEXT", clear.what, { exit: EXIT.usage, mend: clear.mend });
  const name = url.origin;
  const body = await ask({
    url,
    name,
    bytesMax: TEXT_BYTES_MAX,
    ...(token === undefined ? {} : { token }),
  });
  return parsed(name, "an aggregator", body, shape);
}

function urlOf(base: string, path: string): URL | undefined {
  try {
    const url = new URL(path.replace(/^\//, ""), base.endsWith("/") ? base : `${base}/`);
    return /^https?:$/.test(url.protocol) ? url : undefined;
  } catch {
    return undefined;
  }
}

/** The answer, if it is of the shape that ours have. */
function parsed<T>(name: string, who: string, body: Buffer, shape: z.ZodType<unknown>): T {
  const why = misfit(body, shape);
  if (why === undefined) return JSON.parse(body.toString("utf8")) as T;
  throw new SparsewireError("FOREIGN_ANSWER", `${name} does not answer like ${who}: its answer ${why}`, {
    mend: `check that ${who} is what listens there`,
  });
}

function misfit(body: Buffer, shape: z.ZodType<unknown>): string | undefined {
  let value: unknown;
  try {
    value = JSON.parse(body.toString("utf8"));
  } catch {
    return "is not JSON";
  }
  const [issue] = shape.safeParse(value).error?.issues ?? [];
  if (issue === undefined) return undefined;
  return issue.path.length === 0 ? "is not an object" : `has no such ${issue.path.map(String).join(".")}`;
}

interface Question {
  socketPath?: string;
  path?: string;
  url?: URL;
  token?: string;
  /** For messages. */
  name: string;
  bytesMax: number;
}

function ask({ socketPath, path, url, token, name, bytesMax }: Question): Promise<Buffer> {
  return new Promise((resolve, reject) => {
    const headers = token === undefined ? {} : { authorization: `Bearer ${token}` };
    const options = { headers, timeout: TIMEOUT_MS, agent: false as const };
    const request =
      url === undefined
        ? requestHttp({ ...options, socketPath, path })
        : (url.protocol === "https:" ? requestHttps : requestHttp)(url, options);
    request.on("error", (error) => reject(unreachable(name, error, socketPath !== undefined)));
    request.on("timeout", () => request.destroy(new Error(`no answer within ${TIMEOUT_MS / 1000} s`)));
    request.on("response", (response) => {
      const pieces: Buffer[] = [];
      let bytes = 0;
      response.on("data", (piece: Buffer) => {
        bytes += piece.length;
        if (bytes > bytesMax) request.destroy(new Error(`its answer is larger than ${bytesMax >> 20} MiB`));
        else pieces.push(piece);
      });
      response.on("error", (error) => reject(unreachable(name, error, socketPath !== undefined)));
      response.on("end", () => {
        const body = Buffer.concat(pieces);
        const status = response.statusCode ?? 0;
        if (status === 200) resolve(body);
        else reject(refused(name, status, body));
      });
    });
    request.end();
  });
}

function unreachable(name: string, error: NodeJS.ErrnoException, local: boolean): SparsewireError {
  if (error.code === "EACCES" || error.code === "EPERM") {
    return new SparsewireError("NOT_PERMITTED", `may not connect to ${name}`, {
      exit: EXIT.notPermitted,
      mend: "run as root or as a member of the group sparsewire",
      cause: error,
    });
  }
  const absent = error.code === "ENOENT" || error.code === "ECONNREFUSED";
  const what = local ? "no sensor is running at" : "no aggregator answers at";
  return new SparsewireError("NOT_RUNNING", absent ? `${what} ${name}` : `${name}: ${error.message}`, {
    mend: local ? "start one with sparsewire sensor, or name its socket with --socket" : "check the URL",
    cause: error,
  });
}

/** The daemon's own error, if it sent one. */
function refused(name: string, status: number, body: Buffer): SparsewireError {
  let said: { error?: { code?: unknown; message?: unknown; mend?: unknown } } = {};
  try {
    said = JSON.parse(body.toString("utf8"));
  } catch {
    // Not JSON: the status has to do.
  }
  const { code, message, mend } = said?.error ?? {};
  const exit = status === 401 || status === 403 ? EXIT.notPermitted : EXIT.failure;
  return new SparsewireError(
    typeof code === "string" ? code : `HTTP_${status}`,
    `${name}: ${message ?? `HTTP ${status}`}`,
    {
      exit,
      mend: typeof mend === "string" ? mend : status === 401 ? "give the token with --token-file" : "",
    },
  );
}
