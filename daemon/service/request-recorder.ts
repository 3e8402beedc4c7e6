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

/** A connection: its ends, and the bytes of it that are in observations already. */
interface Connection {
  client: ResolvedAddress | undefined;
  service: ResolvedAddress | undefined;
  bytes: number;
}

/** What node:http leaves at a socket while a response is being written; undefined between requests. */
type Answering = { _httpMessage?: ServerResponse | null };

export class RequestRecorder {
  readonly figures: RequestFigures = { requests: 0, unanswered: 0, malformedForwarded: 0 };
  readonly #matrix: TrafficMatrix;
  readonly #depth: number;
  readonly #service: ResolvedAddress | undefined;
  readonly #addresses = new AddressCache();
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
      const { socket } = request;
      const connection = this.#connectionOf(socket);
      const total = socket.bytesRead + socket.bytesWritten;
      const bytes = total - connection.bytes;
      connection.bytes = total;
      this.figures.requests++;
      const client = this.#depth === 0 ? connection.client : this.#client(request, connection);
      this.#matrix.record(client, connection.service, bytes);
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
      const bytes = socket.bytesRead + socket.bytesWritten - connection.bytes;
      if (!(bytes > 0)) return;
      connection.bytes += bytes;
      this.figures.unanswered++;
      const request = (socket as Answering)._httpMessage?.req;
      const client =
        request === undefined || this.#depth === 0 ? connection.client : this.#client(request, connection);
      this.#matrix.record(client, connection.service, bytes);
    } catch (error) {
      this.#matrix.fault("MIDDLEWARE", error);
    }
  }

  #connectionOf(socket: Socket): Connection {
    const carrier = socket as unknown as Record<symbol, Connection | undefined>;
    let connection = carrier[this.#connection];
    if (connection === undefined) {
      const { remoteAddress, localAddress } = socket;
      connection = {
        client: remoteAddress === undefined ? undefined : this.#addresses.of(remoteAddress),
        service: this.#service ?? (localAddress === undefined ? undefined : this.#addresses.of(localAddress)),
        bytes: 0,
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
