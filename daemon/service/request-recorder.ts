/**
 * From requests to observations: one per request, client -> service, with the bytes of the request and of its response as
 * the socket counted them. What every framework's middleware shares.
 */
import type { IncomingMessage, ServerResponse } from "node:http";
import type { Socket } from "node:net";
import { EXIT, SparsewireError } from "../../lib/errors.js";
import { AddressCache, type ResolvedAddress } from "./addresses.js";
import { DEPTH_MAX, forwardedFor, forwardedHeader } from "./client-address.js";
import type { TrafficMatrix } from "./traffic-matrix.js";

export interface MiddlewareOptions {
  /**
   * How many proxies in front of the service are trusted to have written X-Forwarded-For; 0 (the default) ignores the
   * header. With 1 the client is the rightmost entry, with 2 the one before it, and so on.
   */
  trustedProxies?: number;
  /** The service's address in the matrix; default: the local address of the connection. */
  serviceAddress?: string;
}

/** What the requests of one middleware came to. */
export interface RequestFigures {
  /** Requests that were observed. */
  requests: number;
  /** Connections that ended with bytes beyond their last answer, each observed once. */
  unanswered: number;
  /** Requests whose X-Forwarded-For names no address where the client is to be found: the proxy was observed instead. */
  malformedForwarded: number;
}

/**
 * Requests of a connection that may wait for their bytes to be looked up, which takes longer than all else; and
 * connections with such requests. Together they bound what a seal has to catch up with to a few tenths of a millisecond.
 */
const PENDING_MAX = 32;
const WAITING_MAX = 1000;

/** A connection: its ends, and the bytes of it that are in observations already. */
interface Connection {
  readonly socket: Socket;
  client: ResolvedAddress | undefined;
  service: ResolvedAddress | undefined;
  bytes: number;
  /** Requests that have ended and are not observed yet. */
  pending: number;
  isWaiting: boolean;
}

/** What node:http leaves at a socket while a response is being written; undefined between requests. */
type Answering = { _httpMessage?: ServerResponse | null };

export class RequestRecorder {
  readonly figures: RequestFigures = { requests: 0, unanswered: 0, malformedForwarded: 0 };
  /** Settles what is pending, and asks no more to be told of seals. */
  readonly stop: () => void;
  readonly #matrix: TrafficMatrix;
  readonly #depth: number;
  readonly #service: ResolvedAddress | undefined;
  readonly #addresses = new AddressCache();
  /** Connections to settle before the interval ends. */
  readonly #waiting: Connection[] = [];
  /** Property of a socket, a symbol of its own for each recorder: a map would have to be asked for every request. */
  readonly #connection = Symbol("sparsewire.connection");

  /** Throws BAD_OPTIONS. */
  constructor(matrix: TrafficMatrix, { trustedProxies = 0, serviceAddress }: MiddlewareOptions = {}) {
    if (!Number.isInteger(trustedProxies) || trustedProxies < 0 || trustedProxies > DEPTH_MAX)
      throw badOptions(`trustedProxies: must be a whole number of 0 to ${DEPTH_MAX}`);
    this.#matrix = matrix;
    this.#depth = trustedProxies;
    this.#service = serviceAddress === undefined ? undefined : this.#addresses.of(serviceAddress);
    if (serviceAddress !== undefined && this.#service === undefined)
      throw badOptions(`serviceAddress: ${JSON.stringify(serviceAddress.slice(0, 80))} is no address`);
    this.stop = matrix.beforeSeal(() => this.#settleAll());
  }

  /** A connection begins: its addresses are known now, and no longer once it has broken off. Never throws. */
  opened(socket: Socket): void {
    try {
      this.#connectionOf(socket);
    } catch (error) {
      this.#matrix.fault("MIDDLEWARE", error);
    }
  }

  /** A request has been answered, or has ended without: observes what its connection carried since the last one. Never throws. */
  ended(request: IncomingMessage): void {
    try {
      const connection = this.#connectionOf(request.socket);
      this.figures.requests++;
      connection.pending++;
      if (this.#depth > 0) this.#settle(connection, this.#client(request, connection));
      else if (connection.pending >= PENDING_MAX) this.#settle(connection, connection.client);
      else if (!connection.isWaiting) this.#wait(connection);
    } catch (error) {
      this.#matrix.fault("MIDDLEWARE", error);
    }
  }

  /**
   * A connection has ended: what it carried since the last answer (a request that broke off or was not HTTP, an upgraded
   * connection's data) is one more observation. Never throws.
   */
  closed(socket: Socket): void {
    try {
      const connection = this.#connectionOf(socket);
      const request = (socket as Answering)._httpMessage?.req;
      this.#settle(connection, connection.client);
      if (request === undefined && socket.bytesRead + socket.bytesWritten === connection.bytes) return;
      this.figures.unanswered++;
      connection.pending++;
      const isForwarded = request !== undefined && this.#depth > 0;
      this.#settle(connection, isForwarded ? this.#client(request, connection) : connection.client);
    } catch (error) {
      this.#matrix.fault("MIDDLEWARE", error);
    }
  }

  #wait(connection: Connection): void {
    if (this.#waiting.length === WAITING_MAX) {
      this.#settle(connection, connection.client);
      return;
    }
    connection.isWaiting = true;
    this.#waiting.push(connection);
  }

  #settleAll(): void {
    for (const connection of this.#waiting) {
      connection.isWaiting = false;
      this.#settle(connection, connection.client);
    }
    this.#waiting.length = 0;
  }

  /** Observes the pending requests; the last of them gets all bytes since the one before: of one link, only sums count. */
  #settle(connection: Connection, client: ResolvedAddress | undefined): void {
    if (connection.pending === 0) return;
    const { socket, service } = connection;
    const total = socket.bytesRead + socket.bytesWritten;
    const bytes = total - connection.bytes;
    connection.bytes = total;
    while (--connection.pending > 0) this.#matrix.record(client, service, 0);
    this.#matrix.record(client, service, bytes);
  }

  #connectionOf(socket: Socket): Connection {
    const carrier = socket as unknown as Record<symbol, Connection | undefined>;
    let connection = carrier[this.#connection];
    if (connection === undefined) {
      const { remoteAddress, localAddress } = socket;
      connection = {
        socket,
        client: remoteAddress === undefined ? undefined : this.#addresses.of(remoteAddress),
        service: this.#service ?? (localAddress === undefined ? undefined : this.#addresses.of(localAddress)),
        bytes: 0,
        pending: 0,
        isWaiting: false,
      };
      carrier[this.#connection] = connection;
    }
    return connection;
  }

  #client(request: IncomingMessage, connection: Connection): ResolvedAddress | undefined {
    const text = forwardedFor(forwardedHeader(request.rawHeaders), this.#depth);
    if (text === undefined) return connection.client;
    const client = this.#addresses.of(text);
    if (client !== undefined) return client;
    this.figures.malformedForwarded++;
    return connection.client;
  }
}

const badOptions = (what: string): SparsewireError =>
  new SparsewireError("BAD_OPTIONS", what, { exit: EXIT.usage, mend: "correct the middleware's options" });
