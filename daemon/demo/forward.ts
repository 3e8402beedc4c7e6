/**
 * Brings the demonstration's ports out of its network namespace: a Unix socket does not care for namespaces, so this
 * child connects the one side (a path) with the other (a port on its namespace's loopback).
 * Arguments: PATH PORT [PATH PORT]...
 */
import { connect, createServer, type Server, type Socket } from "node:net";

/** Joins each connection of a server with a new one to `target`. */
export function forward(server: Server, target: { path: string } | { port: number }): void {
  server.on("connection", (near: Socket) => {
    const far = connect("path" in target ? { path: target.path } : { port: target.port, host: "127.0.0.1" });
    const end = (): void => {
      near.destroy();
      far.destroy();
    };
    near.on("error", end).on("close", end);
    far.on("error", end).on("close", end);
    near.pipe(far).pipe(near);
  });
}

if (process.argv[1]?.endsWith("forward.js")) {
  const pairs = process.argv.slice(2);
  for (let at = 0; at + 1 < pairs.length; at += 2) {
    const server = createServer();
    forward(server, { port: Number(pairs[at + 1]) });
    server.listen(pairs[at]);
  }
}
