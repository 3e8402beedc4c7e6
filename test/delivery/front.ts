/** What stands before an aggregator: what it does with each connection is a test's choice, one after the other. */
import { type AddressInfo, connect, createServer, type Server, type Socket } from "node:net";

/** Serves one connection. */
export type Behaviour = (socket: Socket, front: Front) => void;

export class Front {
  /** Connections so far. */
  connections = 0;
  readonly #server: Server;
  readonly #sockets = new Set<Socket>();

  /** The last behaviour is that of all connections after it. */
  constructor(behaviours: readonly Behaviour[]) {
    this.#server = createServer((socket) => {
      this.keep(socket);
      const at = Math.min(this.connections++, behaviours.length - 1);
      behaviours[at]!(socket, this);
    });
  }

  async listen(): Promise<number> {
    await new Promise<void>((resolve) => this.#server.listen(0, "127.0.0.1", resolve));
    return (this.#server.address() as AddressInfo).port;
  }

  /** Has a socket destroyed with the rest. */
  keep(socket: Socket): Socket {
    this.#sockets.add(socket);
    return socket.on("error", () => undefined).on("close", () => this.#sockets.delete(socket));
  }

  close(): void {
    for (const socket of this.#sockets) socket.destroy();
    this.#server.close();
  }
}

/** A wire to the server at `url`. */
export const wireTo =
  (url: string): Behaviour =>
  (socket, front) => {
    const wire = front.keep(connect(Number(new URL(url).port), "127.0.0.1"));
    wire.on("close", () => socket.destroy());
    socket.on("close", () => wire.destroy());
    socket.pipe(wire).pipe(socket);
  };

/** The same, but only the first `bytes` of what comes back arrive, and then the connection is gone. */
export const cutAfter =
  (url: string, bytes: number): Behaviour =>
  (socket, front) => {
    const wire = front.keep(connect(Number(new URL(url).port), "127.0.0.1"));
    let left = bytes;
    socket.pipe(wire);
    socket.on("close", () => wire.destroy());
    wire.on("data", (chunk: Buffer) => {
      socket.write(chunk.subarray(0, left));
      left -= chunk.length;
      if (left <= 0) socket.destroySoon();
    });
    wire.on("close", () => socket.destroySoon());
  };

/** Says something as soon as somebody connects, or once something has been said, and ends. */
export const says =
  (text: string, { isAsked = false } = {}): Behaviour =>
  (socket) => {
    if (isAsked) socket.once("data", () => socket.end(text, "latin1"));
    else socket.end(text, "latin1");
  };
