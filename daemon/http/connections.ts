/**
 * Bounds on a server's connections: how many there are in all, whose ends first when there are too many, and how
 * slowly an answer may be read. A newcomer is let in as long as anybody idles: what is honest asks at once, and is
 * then busy.
 */
import type { Server as HttpServer, IncomingMessage, RequestListener, ServerResponse } from "node:http";
import type { Server, Socket } from "node:net";
import type { Server as TlsServer } from "node:tls";
import { type Held, RANK, victimOf } from "./eviction.js";
import { peerOf } from "./peer.js";
import { SLICE_BYTES } from "./slices.js";

/** Why a server ended a connection by itself; the label of a metric, so append with care. */
export const CLOSE_CAUSES = [
  /** Nothing was being asked on it, and another one wanted its place. */
  "idle",
  /** At work, of a peer that has more than its share. */
  "greedy",
  /** New, and all others were at work. */
  "full",
  /** Does not read its answer, or slower than read_rate_min. */
  "slow_reader",
  /** Asks more at once than anybody answers. */
  "pipelined",
] as const;
export type CloseCause = (typeof CLOSE_CAUSES)[number];

export interface ConnectionBounds {
  /** Connections at one time. */
  max: number;
  /** Bytes per second that a reader takes at least, over some seconds. */
  readRateMin: number;
}

/** Requests of one connection that wait for answers. Who asks one by one has two: the last is still being booked. */
const PIPELINED_MAX = 3;
const SWEEP_MS = 1_000;
/** Over how long a reader's rate is measured, at least; slices of an answer leave the process as wholes. */
const WINDOW_MS = 10_000;

interface Connection extends Held {
  socket: Socket;
  /** What is written to: the TLS socket over it, or itself. */
  stream: Socket;
  /** The turn of the event loop in which it was let in. */
  turn: number;
  /** The beginning of a window in which the reader has been waited for all the time. */
  mark: { at: number; sent: number } | undefined;
}

export class Connections {
  bounds: ConnectionBounds;
  /** Ended by the server, by cause. */
  readonly closed = Object.fromEntries(CLOSE_CAUSES.map((cause) => [cause, 0])) as Record<CloseCause, number>;
  readonly #open = new Set<Connection>();
  readonly #counts = new Map<string, number>();
  readonly #byStream = new WeakMap<Socket, Connection>();
  /** Under TLS: a raw socket and the one over it have nothing in common but their ends. */
  readonly #byEnds = new Map<string, Connection>();
  readonly #now: () => number;
  /** Turns of the event loop in which somebody came. */
  #turn = 0;
  #isTurning = false;

  /** Watches a server, HTTP or HTTPS, until it closes. */
  constructor(server: Server, bounds: ConnectionBounds, now: () => number = () => performance.now()) {
    this.bounds = bounds;
    this.#now = now;
    server.on("connection", (socket) => this.#admit(socket));
    (server as TlsServer).on("secureConnection", (stream) => this.#wrapped(stream));
    this.#stand(server as HttpServer);
    const timer = setInterval(() => this.sweep(), SWEEP_MS);
    timer.unref();
    server.on("close", () => clearInterval(timer));
  }

  get open(): number {
    return this.#open.size;
  }

  /** A request of this connection has been let in to write: it goes last. */
  isWriter(request: IncomingMessage): void {
    const connection = this.#byStream.get(request.socket);
    if (connection !== undefined) connection.rank = RANK.writer;
  }

  /** Ends the connections whose readers are too slow; runs by itself every second. */
  sweep(): void {
    const now = this.#now();
    for (const connection of this.#open) {
      const { stream, mark, busy } = connection;
      const pending = stream.writableLength;
      if (busy === 0 || pending === 0) {
        connection.mark = undefined;
        continue;
      }
      const sent = stream.bytesWritten - pending;
      const windowMs = Math.max(WINDOW_MS, (2 * SLICE_BYTES * 1000) / this.bounds.readRateMin);
      if (mark === undefined || sent - mark.sent >= (this.bounds.readRateMin * windowMs) / 1000) {
        connection.mark = { at: now, sent };
        connection.active = now;
      } else if (now - mark.at >= windowMs) this.#close(connection, "slow_reader");
    }
  }

  #admit(socket: Socket): void {
    const peer = peerOf(socket.remoteAddress);
    const turn = this.#countTurn();
    if (this.#open.size >= this.bounds.max) {
      const victim = victimOf(this.#heard(), this.#counts, peer);
      if (victim === undefined) {
        this.closed.full++;
        socket.destroy();
        return;
      }
      this.#close(victim, victim.busy > 0 ? "greedy" : "idle");
    }
    const connection: Connection = {
      peer,
      rank: RANK.stranger,
      busy: 0,
      active: this.#now(),
      socket,
      stream: socket,
      turn,
      mark: undefined,
    };
    this.#open.add(connection);
    this.#counts.set(peer, (this.#counts.get(peer) ?? 0) + 1);
    this.#byStream.set(socket, connection);
    const ends = endsOf(socket);
    this.#byEnds.set(ends, connection);
    socket.once("close", () => {
      this.#forget(connection);
      if (this.#byEnds.get(ends) === connection) this.#byEnds.delete(ends);
    });
  }

  /**
   * Those that have had their say: what a new one has sent is read in the turn after the one that let it in. A turn
   * that lets in a crowd would else end each of them before it is heard.
   */
  *#heard(): Generator<Connection> {
    for (const each of this.#open)
      if (each.rank !== RANK.stranger || each.busy > 0 || this.#turn >= each.turn + 2) yield each;
  }

  #countTurn(): number {
    if (!this.#isTurning) {
      this.#isTurning = true;
      setImmediate(() => {
        this.#isTurning = false;
        this.#turn++;
      });
    }
    return this.#turn;
  }

  #wrapped(stream: Socket): void {
    const connection = this.#byEnds.get(endsOf(stream));
    if (connection === undefined) return;
    connection.stream = stream;
    this.#byStream.set(stream, connection);
  }

  /** Before whoever answers: what came in one piece with the request that ended its connection costs nothing more. */
  #stand(server: HttpServer): void {
    const answering = server.listeners("request") as RequestListener[];
    server.removeAllListeners("request");
    server.on("request", (request, response) => {
      if (this.#asked(request, response))
        for (const answer of answering) answer.call(server, request, response);
    });
  }

  /** Whether the request is to be answered. */
  #asked(request: IncomingMessage, response: ServerResponse): boolean {
    const connection = this.#byStream.get(request.socket);
    if (connection === undefined || !this.#open.has(connection)) return false;
    if (++connection.busy > PIPELINED_MAX) {
      this.#close(connection, "pipelined");
      return false;
    }
    connection.active = this.#now();
    response.once("close", () => {
      connection.busy--;
      connection.active = this.#now();
      connection.rank = Math.max(connection.rank, RANK.reader);
    });
    return true;
  }

  #close(connection: Connection, cause: CloseCause): void {
    if (!this.#open.has(connection)) return;
    this.closed[cause]++;
    this.#forget(connection);
    connection.socket.destroy();
  }

  #forget(connection: Connection): void {
    if (!this.#open.delete(connection)) return;
    const left = this.#counts.get(connection.peer)! - 1;
    if (left === 0) this.#counts.delete(connection.peer);
    else this.#counts.set(connection.peer, left);
  }
}

const endsOf = (socket: Socket): string =>
  `${socket.remoteAddress} ${socket.remotePort} ${socket.localAddress} ${socket.localPort}`;
