/**
 * Real TCP through whatever lies between two namespaces: a server that sends back the SHA-256 of what it gets, and a
 * client that sends pseudo-random bytes at a steady pace and compares. Run as a program: `stream.js serve ADDRESS PORT`,
 * `stream.js send ADDRESS PORT BYTES SECONDS`; the client prints {bytes, seconds, equal} as JSON.
 */
import { createCipheriv, createHash, randomBytes } from "node:crypto";
import { once } from "node:events";
import { connect, createServer } from "node:net";
import { fileURLToPath } from "node:url";
import type { Namespace } from "./netns.js";

const CHUNK = 64 * 1024;

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

/** Sends `bytes` bytes spread over `seconds` (0: as fast as it goes) and compares what arrived. */
export async function sendStream(
  namespace: Namespace,
  address: string,
  port: number,
  { bytes, seconds = 0 }: { bytes: number; seconds?: number },
): Promise<StreamReport> {
  const args = [
    fileURLToPath(import.meta.url),
    "send",
    address,
    String(port),
    String(bytes),
    String(seconds),
  ];
  const child = namespace.spawn(process.execPath, args, { stdio: ["ignore", "pipe", "pipe"] });
  let text = "";
  let errors = "";
  child.stdout!.on("data", (data: Buffer) => (text += data.toString()));
  child.stderr!.on("data", (data: Buffer) => (errors += data.toString()));
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

async function send(address: string, port: number, bytes: number, seconds: number): Promise<void> {
  const socket = connect({ host: address, port });
  await once(socket, "connect");
  const cipher = createCipheriv("aes-128-ctr", randomBytes(16), randomBytes(16));
  const hash = createHash("sha256");
  const start = performance.now();
  for (let sent = 0; sent < bytes; sent += CHUNK) {
    const chunk = cipher.update(Buffer.alloc(Math.min(CHUNK, bytes - sent)));
    hash.update(chunk);
    const due = start + (1000 * seconds * sent) / bytes;
    if (due > performance.now()) await new Promise((resolve) => setTimeout(resolve, due - performance.now()));
    if (!socket.write(chunk)) await once(socket, "drain");
  }
  let answer = "";
  socket.on("data", (data) => (answer += data.toString()));
  socket.end();
  await once(socket, "close");
  const equal = answer === hash.digest("hex");
  process.stdout.write(JSON.stringify({ bytes, seconds: (performance.now() - start) / 1000, equal }));
}

if (process.argv[1] === fileURLToPath(import.meta.url)) {
  const [what, address, port, bytes, seconds] = process.argv.slice(2);
  if (what === "serve") serve(address!, Number(port));
  else await send(address!, Number(port), Number(bytes), Number(seconds));
}
