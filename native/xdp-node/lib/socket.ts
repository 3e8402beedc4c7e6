/** An AF_XDP socket whose frames and rings lie in memory that the caller lends. */
import { release } from "node:os";
import { badArgument, guard, translate, XdpError } from "./errors.js";
import { channelsOf, interfaceIndex } from "./interface.js";
import { isAtLeast } from "./kernel.js";
import { bytesOf, type Memory, pageSize } from "./memory.js";
import { type NativeSocket, type NativeSocketOptions, native, type RingLayout } from "./native.js";
import { Umem, type UmemRange } from "./umem.js";

/**
 * Where a ring lies: byte offsets from the start of the memory. producer, consumer and flags are u32; size is
 * in entries; descriptors of rx and tx are struct xdp_desc {u64 addr, u32 len, u32 options}, those of fill
 * and completion u64 frame addresses. Source: linux/if_xdp.h.
 */
export type Ring = RingLayout;

export interface RingSizes {
  /** Entries, powers of two. */
  rxSize: number;
  txSize?: number;
  fillSize: number;
  completionSize: number;
}

export interface XskOptions extends RingSizes {
  memory: Memory;
  umem: Umem | UmemRange;
  interface: string;
  queue: number;
  /** The rings are mapped from this page-aligned offset on; ringBytes() says how much they take at most. */
  rings: { offset: number };
  /** zerocopy and copy are demands: an error when not to be had. auto takes zero-copy where it is offered. */
  bind: "auto" | "copy" | "zerocopy";
  /** Ask the kernel to say when it wants a wake-up (ring flags). Default true. */
  needWakeup?: boolean;
  /** XDP_USE_SG: frames longer than a chunk take several descriptors. For xdp.frags programs, Linux 6.6. */
  multiBuffer?: boolean;
  /** SO_PREFER_BUSY_POLL: packets handled per wake-up, and microseconds. */
  busyPoll?: { budget: number; usecs: number };
  /** A queue that another process has just left stays busy for a moment: how long to try. Default 200. */
  busyRetryMs?: number;
  /** Takes this one instead of making a new one, which takes CAP_NET_RAW. It is used up, also by a failure. */
  spare?: SpareSocket;
}

/**
 * An AF_XDP socket for later, when this process may make none any more: it has its UMEM, and binding it and setting it in an
 * XSKMAP take no capability.
 */
export class SpareSocket {
  #fd: number;

  /**
   * @param options of the socket that it will be: memory, umem (not shared) and busyPoll count
   * @throws XdpError XDP_NOT_PERMITTED, XDP_UNSUPPORTED, XDP_BUSY_POLL_REFUSED, XDP_MEMLOCK
   */
  constructor({ memory, umem, busyPoll }: Pick<XskOptions, "memory" | "umem" | "busyPoll">) {
    const range = umem instanceof Umem ? umem.range : { headroom: 0, ...umem };
    const { usecs = 0, budget = 0 } = busyPoll ?? {};
    this.#fd = guard("make a spare AF_XDP socket", () =>
      native.spareSocket(bytesOf(memory), range, usecs, budget),
    );
  }

  /** The descriptor, which is the taker's from then on. */
  take(): number {
    if (this.#fd < 0) throw badArgument("the spare socket has been used or closed");
    const fd = this.#fd;
    this.#fd = -1;
    return fd;
  }

  /** Harmless when it has been used. */
  close(): void {
    if (this.#fd >= 0) native.closeFd(this.take(), false);
  }
}

/**
 * What this socket refused since it was opened. Frames lost = rx_dropped + rx_ring_full; a chunk that the
 * fill ring could not give is counted in rx_dropped too. Source: struct xdp_statistics, net/xdp/xsk.c.
 */
export interface XskStatistics {
  /** Frames dropped though the RX ring had room: no chunk in the fill ring, or too long for one chunk. */
  rx_dropped: number;
  rx_invalid_descs: number;
  tx_invalid_descs: number;
  /** Frames dropped because the RX ring was full. */
  rx_ring_full: number;
  /** Times the fill ring had no chunk to give. */
  rx_fill_ring_empty_descs: number;
  tx_ring_empty_descs: number;
}

const XDP_COPY = 1 << 1;
const XDP_ZEROCOPY = 1 << 2;
const XDP_USE_NEED_WAKEUP = 1 << 3;
const XDP_USE_SG = 1 << 4;

/** More than any architecture puts in front of the entries of a ring (five cache lines of 128 bytes). */
const RING_HEADER_MAX = 1024;

export class XskSocket {
  readonly queue: number;
  readonly interface: string;
  readonly interfaceIndex: number;
  readonly memory: Memory;
  readonly umem: Umem;
  /** Whether frames may take several descriptors. */
  readonly multiBuffer: boolean;
  readonly rings: { rx: Ring; tx?: Ring; fill: Ring; completion: Ring };
  #native: NativeSocket;

  /**
   * Upper bound of the bytes that the rings take, in whole pages; no socket is needed to ask.
   */
  static ringBytes(sizes: RingSizes): number {
    const pages = (entries: number, entryBytes: number) =>
      entries === 0 ? 0 : Math.ceil((RING_HEADER_MAX + entries * entryBytes) / pageSize) * pageSize;
    return (
      pages(sizes.rxSize, 16) +
      pages(sizes.txSize ?? 0, 16) +
      pages(sizes.fillSize, 8) +
      pages(sizes.completionSize, 8)
    );
  }

  /**
   * Opens, maps and binds. The memory is kept alive until close().
   * @throws XdpError XDP_QUEUE_BUSY, XDP_NO_QUEUE, XDP_ZEROCOPY_UNSUPPORTED, XDP_NO_INTERFACE,
   *   XDP_INTERFACE_DOWN, XDP_MEMLOCK, XDP_NO_MEMORY, XDP_NOT_PERMITTED, XDP_UNSUPPORTED, XDP_BAD_ARGUMENT
   */
  constructor(options: XskOptions) {
    const { memory, queue } = options;
    this.memory = memory;
    this.queue = queue;
    this.interface = options.interface;
    this.multiBuffer = options.multiBuffer === true;
    const ifindex = interfaceIndex(options.interface);
    this.interfaceIndex = ifindex;
    const { umem, fillSize, completionSize } = options;
    this.umem = umem instanceof Umem ? umem : new Umem(memory, { ...umem, fillSize, completionSize });
    if (this.umem.memory.buffer !== memory.buffer) throw badArgument("the UMEM lies in another memory");
    const sharing = this.umem.sharing(ifindex, queue);
    const what = `open an AF_XDP socket on queue ${queue} of ${options.interface}`;
    try {
      const asked = nativeOptions(options, ifindex, this.umem, sharing?.fd ?? -1);
      this.#native = new native.Socket(bytesOf(memory), asked, memory);
    } catch (error) {
      throw sharpen(translate(error, what), options, what);
    }
    this.rings = this.#native.rings;
    this.umem.adopt(this);
  }

  /** The file descriptor, -1 once closed. */
  get fd(): number {
    return this.#native.fd;
  }

  /** What the kernel says of this socket, not what was asked for. */
  options(): { zerocopy: boolean } {
    return guard("read XDP_OPTIONS", () => this.#native.options());
  }

  statistics(): XskStatistics {
    return guard("read XDP_STATISTICS", () => this.#native.statistics() as unknown as XskStatistics);
  }

  /**
   * Lets the kernel work on the fill and RX rings: recvfrom() without waiting. An interface that is down is
   * no error: it goes on when it is up again.
   * @throws XdpError XDP_INTERFACE_GONE
   */
  wakeRx(): void {
    guard("wake the RX side", () => this.#native.wakeRx());
  }

  /**
   * Lets the kernel send what is in the TX ring: sendto() without waiting.
   * @throws XdpError XDP_INTERFACE_GONE
   */
  wakeTx(): void {
    guard("wake the TX side", () => this.#native.wakeTx());
  }

  /**
   * Blocks this thread until there are frames or the time is over; whether there are frames. -1 waits for
   * ever, and keeps a worker from being terminated as long.
   * @throws XdpError XDP_INTERFACE_GONE
   */
  poll(timeoutMs: number): boolean {
    return guard("poll", () => this.#native.poll(timeoutMs));
  }

  /**
   * Closes the socket and puts plain zero memory in place of its rings. Frames stay in the UMEM. Close
   * sockets before the link of the program that feeds them. Closing twice is harmless.
   */
  close(): void {
    this.#native.close();
  }

  [Symbol.dispose](): void {
    this.close();
  }
}

function nativeOptions(
  options: XskOptions,
  ifindex: number,
  umem: Umem,
  sharedFd: number,
): NativeSocketOptions {
  return {
    ifindex,
    queue: options.queue,
    rxSize: options.rxSize,
    txSize: options.txSize ?? 0,
    fillSize: options.fillSize,
    completionSize: options.completionSize,
    ringsOffset: options.rings.offset,
    ringsSize: XskSocket.ringBytes(options),
    umem: umem.range,
    sharedFd,
    bindFlags: bindFlags(options),
    busyPollUsecs: options.busyPoll?.usecs ?? 0,
    busyPollBudget: options.busyPoll?.budget ?? 0,
    busyRetryMs: options.busyRetryMs ?? 200,
    spareFd: options.spare?.take() ?? -1,
  };
}

/**
 * Lets the kernel work on the fill and RX rings of a socket that another thread owns: only its descriptor is
 * needed, because the rings themselves lie in memory that both threads see. The owner closes it after the
 * last call.
 * @throws XdpError XDP_INTERFACE_GONE, XDP_CLOSED
 */
export function wakeRx(fd: number): void {
  guard("wake the RX side", () => native.wakeRxFd(fd));
}

/**
 * Lets the kernel send what is in the TX ring of a socket that another thread owns. 0, or the errno of what it could
 * not do for the time being: EAGAIN (come again), EBUSY (the device dropped a frame), ENOBUFS, ENETDOWN.
 * @throws XdpError XDP_INTERFACE_GONE, XDP_CLOSED
 */
export function wakeTx(fd: number): number {
  try {
    return native.wakeTxFd(fd);
  } catch (error) {
    throw translate(error, "wake the TX side");
  }
}

/**
 * Blocks the calling thread until one of these sockets has frames or the time is over; how many of them have.
 * Sockets in copy mode send what is in their TX rings meanwhile.
 */
export function waitForFrames(fds: number[], microseconds: number): number {
  return guard("wait for frames", () => native.waitForFrames(fds, microseconds));
}

function bindFlags(options: XskOptions): number {
  const mode = { auto: 0, copy: XDP_COPY, zerocopy: XDP_ZEROCOPY }[options.bind];
  if (mode === undefined) throw badArgument(`bind "${options.bind}"`, "use auto, copy or zerocopy");
  return (
    mode |
    (options.needWakeup === false ? 0 : XDP_USE_NEED_WAKEUP) |
    (options.multiBuffer === true ? XDP_USE_SG : 0)
  );
}

/** The kernel says EINVAL at bind for several reasons; find out which it was. */
function sharpen(error: unknown, options: XskOptions, what: string): unknown {
  if (!(error instanceof XdpError) || error.syscall !== "bind" || error.errnoName !== "EINVAL") return error;
  const name = options.interface;
  const again = (code: XdpError["code"], why: string, mend: string) =>
    new XdpError(code, `cannot ${what}: ${why} (EINVAL)`, mend, error.errno, "EINVAL", "bind", "", {
      cause: error.cause,
    });
  const queues = channelsOf(name).rxQueues;
  if (options.queue >= queues) {
    const mend =
      queues === 1
        ? `use queue 0, or add channels (ethtool -L ${name})`
        : `use a queue from 0 to ${queues - 1}, or add channels (ethtool -L ${name})`;
    return again("XDP_NO_QUEUE", `${name} has ${queues} RX queue${queues === 1 ? "" : "s"}`, mend);
  }
  if (options.multiBuffer === true && !isAtLeast(release(), 6, 6)) {
    return again(
      "XDP_UNSUPPORTED",
      `Linux ${release()} has no multi-buffer AF_XDP`,
      "use Linux 6.6 or newer, or leave multiBuffer out",
    );
  }
  return error;
}
