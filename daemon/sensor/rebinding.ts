/**
 * Binding queues anew. The kernel unbinds a socket when its interface leaves the network namespace, and a socket that was
 * unbound is good for nothing; by then this process may make no new ones. So some are made beforehand. The program stays on the
 * interface through all of it, and so does this process's link to it, until the interface is deleted: that is the end.
 */
import { linkState, SpareSocket, XdpError, type XdpLink, type XskOptions, XskSocket } from "xdp-node";
import { errorLine, type SparsewireError } from "../../lib/errors.js";
import { explain, interfaceGone } from "./guard.js";

/** How often the interface is looked for while it is away. */
const LOOK_MS = 200;
/** Returns of an interface that each queue is prepared for. */
const SPARES = 2;

/** One queue: its socket, what it was opened with, what its former sockets counted. */
export interface BoundQueue {
  socket: XskSocket;
  readonly options: XskOptions;
  readonly spares: SpareSocket[];
  past: Record<string, number>;
}

export interface RebindingPort {
  queues(): BoundQueue[];
  link(): XdpLink | undefined;
  /** Lets no thread touch the rings until the promise of `rebind` settles; then they begin with those that are there. */
  parked(rebind: () => void): Promise<void>;
  /** Hands the queue's frames to its new socket. */
  connect(queue: BoundQueue): void;
  failed(error: Error): void;
  warned(error: Error): void;
}

/** Opens a queue. */
export function bindQueue(options: XskOptions): BoundQueue {
  return { socket: new XskSocket(options), options, spares: [], past: {} };
}

/** Makes the sockets for later: once frames are taken, because each pins the whole UMEM, which takes its time. */
export function spareQueue({ options, spares }: BoundQueue): void {
  for (let i = 0; i < SPARES; i++) spares.push(new SpareSocket(options));
}

export function closeQueue({ socket, spares }: BoundQueue): void {
  socket.close();
  for (const spare of spares) spare.close();
}

export class Rebinding {
  readonly #port: RebindingPort;
  #timer: NodeJS.Timeout | undefined;
  #isAway = false;
  #hasFailed = false;

  constructor(port: RebindingPort) {
    this.#port = port;
  }

  /** Whether the interface is away: its sockets are unbound, and nothing is captured. */
  get isAway(): boolean {
    return this.#isAway;
  }

  /** Takes note of what a socket said; an interface that is gone for good is passed on as a failure, once. */
  lost(error: unknown): void {
    if (this.isAway || this.#hasFailed) return;
    const link = this.#port.link();
    const isGone = error instanceof XdpError && error.code === "XDP_INTERFACE_GONE";
    const isSpared = this.#port.queues().every(({ spares }) => spares.length > 0);
    if (!isGone || link === undefined || !link.isAttached || !isSpared) {
      this.#hasFailed = true;
      this.#port.failed(isGone ? gone(link) : explained(error));
      return;
    }
    this.#port.warned(
      new Error(
        `${link.interfaceName} has left this network namespace: its queues are bound anew when it is back`,
      ),
    );
    this.#isAway = true;
    this.#timer = setInterval(() => void this.#look(link), LOOK_MS);
  }

  stop(): void {
    clearInterval(this.#timer);
  }

  async #look(link: XdpLink): Promise<void> {
    const queues = this.#port.queues();
    if (!link.isAttached) {
      this.stop();
      this.#port.failed(gone(link));
      return;
    }
    if (!link.isHere || !isUp(link.interfaceName)) return;
    this.stop();
    try {
      await this.#port.parked(() => {
        for (const queue of queues) this.#rebind(queue);
      });
      this.#isAway = false;
      this.#port.warned(new Error(`${link.interfaceName} is back: ${queues.length} queues are bound anew`));
    } catch (error) {
      this.#port.failed(explained(error));
    }
  }

  #rebind(queue: BoundQueue): void {
    const { past, socket, options, spares } = queue;
    for (const [field, count] of Object.entries(socket.statistics()))
      past[field] = (past[field] ?? 0) + count;
    socket.close();
    queue.socket = new XskSocket({ ...options, spare: spares.pop()! });
    this.#port.connect(queue);
  }
}

/** Why the queues of an interface cannot be bound anew. */
function gone(link: XdpLink | undefined): SparsewireError {
  const what =
    link?.isAttached === true
      ? `${link.interfaceName} has left this network namespace, and its queues cannot be bound anew: there are extensions, or no spare socket is left`
      : `${link?.interfaceName ?? "the interface"} was deleted`;
  return interfaceGone(what);
}

function explained(error: unknown): Error {
  const known = explain(error);
  return known instanceof Error ? known : new Error(errorLine(known));
}

function isUp(name: string): boolean {
  try {
    return linkState(name).up;
  } catch {
    return false;
  }
}
