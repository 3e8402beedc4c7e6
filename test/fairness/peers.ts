/** Peers that take more than their share: each kind is a crowd of sockets that does one thing, until it is stopped. */
import { connect, type Socket } from "node:net";
import { setTimeout as sleep } from "node:timers/promises";

/** What one socket of a crowd does once it is connected; it is made again when it ends. */
type Behaviour = (socket: Socket, nth: number) => void;

const get = (path: string): string => `GET ${path} HTTP/1.1\r\nHost: localhost\r\n\r\n`;
const putHead = (nth: number, bytes: number): string =>
  `PUT /api/v1/intervals/greedy-${nth % 100}/${"0".repeat(16)}/${nth} HTTP/1.1\r\nHost: localhost\r\n` +
  `Content-Type: application/x-tar\r\nContent-Length: ${bytes}\r\nContent-Digest: sha-256=:${"A".repeat(43)}=:\r\n\r\n`;

/** Writes a byte now and then. */
function drip(socket: Socket, everyMs: number): void {
  const timer = setInterval(() => socket.write("x"), everyMs);
  socket.once("close", () => clearInterval(timer));
}

/** Asks again when an answer's bytes have come and nothing more does: a reader as fast as it can be. */
function askOn(path: string): Behaviour {
  return (socket) => {
    let seen = 0;
    let due = Number.POSITIVE_INFINITY;
    socket.write(get(path));
    socket.on("data", (bytes) => {
      if (seen === 0) {
        const text = bytes.toString("latin1");
        due = text.indexOf("\r\n\r\n") + 4 + Number(/content-length: (\d+)/i.exec(text)?.[1] ?? Number.NaN);
      }
      seen += bytes.length;
      if (seen < due) return;
      seen = 0;
      socket.write(get(path));
    });
  };
}

/** Asks without end, and never reads. */
function deaf(path: string): Behaviour {
  return (socket) => {
    socket.pause();
    socket.write(get(path).repeat(2));
  };
}

export const BEHAVIOURS = {
  nobody: (socket) => void socket.end(),
  "slow uploads": (socket, nth) => {
    socket.write(putHead(nth, 1 << 20));
    drip(socket, 1000);
  },
  "uploads that stall": (socket, nth) => {
    socket.write(putHead(nth, 1 << 20));
    socket.write(Buffer.alloc(64 << 10));
  },
  "idle connections": () => undefined,
  "slow headers": (socket) => {
    socket.write("GET / HTTP/1.1\r\nHost: localhost\r\nX: ");
    drip(socket, 1000);
  },
  "readers of the sensors": askOn("/api/v1/sensors"),
  "readers of intervals": askOn("/api/v1/intervals?limit=1000"),
  "readers of metrics": askOn("/metrics"),
  queries: askOn("/api/v1/top?from=0"),
  "deaf readers of the sensors": deaf("/api/v1/sensors"),
  "deaf readers of intervals": deaf("/api/v1/intervals?limit=1000"),
  "deaf readers of a matrix": deaf("/api/v1/matrix?from=0&format=tar"),
  pipeliners: (socket) => {
    socket.resume().write(get("/api/v1/sensors").repeat(100));
  },
} satisfies Record<string, Behaviour>;
export type Kind = keyof typeof BEHAVIOURS;

/** Attempts of one crowd in a second; a flood beyond it would measure this process. */
const ATTEMPTS_MAX = 2_000;

/**
 * Keeps `count` sockets of a kind busy with the server at `url`; each that ends is made anew. Resolves when told to
 * stop.
 */
export async function crowd(
  kind: Kind,
  count: number,
  url: string,
  stop: AbortSignal,
): Promise<{ attempts: number }> {
  const { hostname, port } = new URL(url);
  const open = new Set<Socket>();
  const behave: Behaviour = BEHAVIOURS[kind];
  let attempts = 0;
  while (!stop.aborted) {
    for (let each = 0; each < ATTEMPTS_MAX / 50 && open.size < count; each++) {
      const nth = attempts++;
      const socket = connect({ host: hostname, port: Number(port) });
      open.add(socket);
      socket.on("error", () => undefined);
      socket.once("connect", () => behave(socket, nth));
      socket.once("close", () => open.delete(socket));
    }
    await sleep(20, undefined, { signal: stop }).catch(() => undefined);
  }
  for (const socket of open) socket.destroy();
  return { attempts };
}
