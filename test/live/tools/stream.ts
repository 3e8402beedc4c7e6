/**
 * Real TCP through whatever lies between two namespaces: a server that sends back the SHA-256 of what it gets, and a
 * client that sends pseudo-random bytes and compares. Run as a program: `stream.js serve ADDRESS PORT`, `stream.js send
 * ADDRESS PORT BYTES` (0: paced, until stdin ends); the client prints a StreamReport as JSON.
 */
import type { ChildProcess } from "node:child_process";
import { createCipheriv, createHash, randomBytes } from "node:crypto";
import { once } from "node:events";
import { connect, createServer } from "node:net";
import { setTimeout as sleep } from "node:timers/promises";
import { fileURLToPath } from "node:url";
import type { Namespace } from "./netns.js";

const CHUNK = 64 * 1024;
const PACED_CHUNK = 16 * 1024;

export interface StreamReport {
  bytes: number;
  seconds: number;
  /** The server got what the client sent. */
  equal: boolean;
}

/** Starts a server in a namespace; resolves when it listens. It ends with the lab. */
export async function serveStream(namespace: Namespace, address: string, port: number): Promise<void> {
  const child = namespace.spawn(
    process.execPath,
    [fileURLToPath(import.meta.url), "serve", address, String(port)],
    {
      stdio: ["ignore", "pipe", "inherit"],
    },
  );
  await once(child.stdout!, "data");
}

/** A connection at work. */
export interface RunningStream {
  /** Lets it end and compares what arrived; rejects when the connection broke. */
  finish(): Promise<StreamReport>;
}

/** Connects and sends 16 KiB every 10 ms until it is told to finish. */
export function startStream(namespace: Namespace, address: string, port: number): RunningStream {
  const child = spawnSender(namespace, address, port, 0);
  const report = reportOf(child);
  report.catch(() => {}); // whoever finishes it sees the rejection
  return {
    finish() {
      child.stdin!.end();
      return report;
    },
  };
}

/** Sends `bytes` bytes as fast as it goes and compares what arrived. */
export function sendStream(
  namespace: Namespace,
  address: string,
  port: number,
  bytes: number,
): Promise<StreamReport> {
  return reportOf(spawnSender(namespace, address, port, bytes));
}

function spawnSender(namespace: Namespace, address: string, port: number, bytes: number): ChildProcess {
  const args = [fileURLToPath(import.meta.url), "send", address, String(port), String(bytes)];
  return namespace.spawn(process.execPath, args, { stdio: ["pipe", "pipe", "pipe"] });
}

async function reportOf(child: ChildProcess): Promise<StreamReport> {
  let text = "";
  let errors = "";
  child.stdout!.on("data", (data: Buffer) => {
    text += data.toString();
  });
  child.stderr!.on("data", (data: Buffer) => {
    errors += data.toString();
  });
  const [code] = (await once(child, "close")) as [number | null];
  if (code !== 0) throw new Error(`the stream broke: ${errors}`);
  return JSON.parse(text) as StreamReport;
}

function serve(address: string, port: number): void {
  const server = createServer({ allowHalfOpen: true }, (socket) => {
    const hash = createHash("sha256");
    socket.on("data", (data) => hash.update(data));
    socket.on("end", () => socket.end(hash.digest("hex")));
    socket.on("error", () => undefined);
  });
  server.listen(port, address, () => process.stdout.write("listening\n"));
}

async function send(address: string, port: number, bytes: number): Promise<void> {
  const socket = connect({ host: address, port });
  await once(socket, "connect");
  const cipher = createCipheriv("aes-128-ctr", randomBytes(16), randomBytes(16));
  const hash = createHash("sha256");
  const start = performance.now();
  let isOver = false;
  process.stdin.resume().once("end", () => {
    isOver = true;
  });
  let sent = 0;
  while (bytes === 0 ? !isOver : sent < bytes) {
    const size = bytes === 0 ? PACED_CHUNK : Math.min(CHUNK, bytes - sent);
    const chunk = cipher.update(Buffer.alloc(size));
    hash.update(chunk);
    sent += size;
    if (!socket.write(chunk)) await once(socket, "drain");
    if (bytes === 0) await sleep(10);
  }
  let answer = "";
  socket.on("data", (data) => {
    answer += data.toString();
  });
  socket.end();
  await once(socket, "close");
  process.stdin.destroy();
  const equal = answer === hash.digest("hex");
  process.stdout.write(JSON.stringify({ bytes: sent, seconds: (performance.now() - start) / 1000, equal }));
}

if (process.argv[1] === fileURLToPath(import.meta.url)) {
  const [what, address, port, bytes] = process.argv.slice(2);
  if (what === "serve") serve(address!, Number(port));
  else await send(address!, Number(port), Number(bytes));
}
