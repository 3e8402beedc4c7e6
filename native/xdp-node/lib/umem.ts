/** Frame memory that several sockets share. */
import { badArgument } from "./errors.js";
import { bytesOf, type Memory } from "./memory.js";

export interface UmemRange {
  /** Bytes from the start of the memory, page-aligned. */
  offset: number;
  /** Bytes, a multiple of chunkSize. */
  size: number;
  /** Bytes of one frame: 2048, or 4096. */
  chunkSize: number;
  /** Bytes left free in front of each frame, besides the kernel's own 256. Default 0. */
  headroom?: number;
}

/** A socket as its UMEM sees it: alive while fd >= 0. */
export interface UmemUser {
  readonly fd: number;
  readonly interfaceIndex: number;
  readonly queue: number;
}

/**
 * A range of memory in which frames are stored. The first socket opened on it registers it with the kernel,
 * further ones share it (XDP_SHARED_UMEM), each with fill and completion rings of its own; whoever holds the
 * rings sees to it that a chunk is in one ring at a time.
 */
export class Umem {
  readonly range: Required<UmemRange>;
  /** Default ring sizes of the sockets opened on it. */
  readonly fillSize: number;
  readonly completionSize: number;
  #users: UmemUser[] = [];
  #closed = false;

  constructor(
    readonly memory: Memory,
    options: UmemRange & { fillSize: number; completionSize: number },
  ) {
    const { offset, size, chunkSize, headroom = 0 } = options;
    const room = bytesOf(memory).byteLength;
    if (!(offset >= 0 && size > 0 && offset + size <= room)) {
      throw badArgument(`UMEM [${offset}, +${size}) is not inside the memory of ${room} bytes`);
    }
    this.range = { offset, size, chunkSize, headroom };
    this.fillSize = options.fillSize;
    this.completionSize = options.completionSize;
  }

  /** Number of frames it holds. */
  get frames(): number {
    return this.range.size / this.range.chunkSize;
  }

  /** A bound socket to share with, undefined for the first one. Refuses a queue that one of them has. */
  sharing(interfaceIndex: number, queue: number): UmemUser | undefined {
    if (this.#closed) throw badArgument("the UMEM is closed", "make a new one");
    this.#users = this.#users.filter((user) => user.fd >= 0);
    if (this.#users.some((user) => user.interfaceIndex === interfaceIndex && user.queue === queue)) {
      throw badArgument(`queue ${queue} already has a socket of this UMEM`, "use one socket for each queue");
    }
    return this.#users[0];
  }

  /** Notes a socket that is bound to it. */
  adopt(user: UmemUser): void {
    this.#users.push(user);
  }

  /** No new sockets from now on. The pages are the kernel's until the last socket is closed. */
  close(): void {
    this.#closed = true;
  }
}
