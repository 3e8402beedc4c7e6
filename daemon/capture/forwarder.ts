/**
 * Mode inline, in the capture worker's thread: calls the kernel for frames that a breath has put on TX rings, once a
 * breath and socket, and waits for frames of either side instead of sleeping by time: here latency is what counts.
 */
import { setRealtime, setTimerSlack, waitForFrames, wakeTx, type XdpError } from "xdp-node";
import type { SandboxExports } from "./sandbox.js";

/** What a worker needs to know to forward: descriptors of its sockets by entry of the ring table. */
export interface ForwardData {
  fds: number[];
  /** Entries that receive. */
  receiving: number[];
  /** Under load: how long frames may gather before they are looked at, microseconds; 0: not at all. */
  gatherUs: number;
  /** Schedule this thread in real time. */
  realtime: boolean;
}

/** Frames of a breath: few enough that those in front do not wait long for the call that sends them. */
export const FORWARD_BREATH_FRAMES = 256;
/** Buffers that go on uncounted at a time while no interval has memory. */
const UNCOUNTED_BUFFERS = 1024;
/** The lowest there is: other real-time threads of the host go first. */
const REALTIME_PRIORITY = 1;
/** How long frames may wait for the matrix worker before they go on without being counted, and how often to look. */
const STUCK_WAIT_MS = 5;
const STUCK_LOOK_US = 100;
/** Calls for one socket in a row, when the kernel sends only a part in each. */
const CALLS_MAX = 8;
const EAGAIN = 11;
/** Frames wait for the kernel: look again soon. */
const PENDING_WAIT_US = 200;
/** Rests that end sooner than this, one after the other, are load: a wake-up for each frame or two. */
const BUSY_REST_MS = 0.05;
/** So many of them in a row. */
const BUSY_RESTS = 8;

export class Forwarder {
  readonly #exports: SandboxExports;
  readonly #data: ForwardData;
  readonly #receiving: number[];
  #shortRests = 0;
  #stuckSince = 0;
  #isPending = false;

  constructor(exports: SandboxExports, data: ForwardData) {
    this.#exports = exports;
    this.#data = data;
    setTimerSlack(1000);
    if (data.realtime) beRealtime();
    this.#receiving = data.receiving.map((entry) => data.fds[entry]!);
  }

  /** Sends what waits on the TX rings. */
  send(): void {
    let entries = this.#exports.inline_waiting();
    this.#isPending = entries !== 0;
    while (entries !== 0) {
      const entry = 31 - Math.clz32(entries);
      entries &= ~(1 << entry);
      const fd = this.#data.fds[entry]!;
      for (let calls = 1; wakeTx(fd) === EAGAIN && calls < CALLS_MAX; calls++);
    }
  }

  /**
   * While no interval has memory for more: for a moment frames wait in the rings, then they go on uncounted. Returns
   * whether to look again at once.
   */
  whileStuck(): boolean {
    const now = performance.now();
    if (this.#stuckSince === 0) this.#stuckSince = now;
    if (now - this.#stuckSince < STUCK_WAIT_MS) {
      waitForFrames([], STUCK_LOOK_US);
      return true;
    }
    if (this.#exports.inline_uncounted(UNCOUNTED_BUFFERS) === 0) return false;
    this.send();
    return true;
  }

  /** Frames are counted again, or there are none. */
  notStuck(): void {
    this.#stuckSince = 0;
  }

  /**
   * Waits for frames, at most so long. When wake-ups follow one another closely, lets frames gather first: a wake-up costs
   * more than a frame, also for whoever sends them.
   */
  rest(milliseconds: number): void {
    const { gatherUs } = this.#data;
    if (gatherUs > 0 && this.#shortRests >= BUSY_RESTS) waitForFrames([], gatherUs);
    const most = Math.round(milliseconds * 1000);
    const start = performance.now();
    waitForFrames(this.#receiving, this.#isPending ? Math.min(most, PENDING_WAIT_US) : most);
    const isShort = performance.now() - start < BUSY_REST_MS;
    this.#shortRests = isShort ? Math.min(this.#shortRests + 1, BUSY_RESTS) : 0;
  }

  /** Before the sockets close: what is still on the TX rings leaves, as far as the kernel takes it. */
  flush(): void {
    for (let tries = 0; tries < 100 && this.#exports.inline_waiting() !== 0; tries++) {
      this.send();
      waitForFrames([], 100);
    }
  }
}

/** The error crosses to another thread, which keeps nothing of it but its text: the mend has to be in that. */
function beRealtime(): void {
  try {
    setRealtime(REALTIME_PRIORITY);
  } catch (error) {
    const { message, mend } = error as XdpError;
    throw new Error(`${message}; ${mend}, or leave inline.realtime out`, { cause: error });
  }
}
