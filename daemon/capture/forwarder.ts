/**
 * Mode inline, in the capture worker's thread: calls the kernel for frames that a breath has put on TX rings, once a
 * breath and socket, and waits for frames of either side instead of sleeping by time: here latency is what counts.
 */
import { waitForFrames, wakeTx } from "xdp-node";
import type { SandboxExports } from "./sandbox.js";

/** What a worker needs to know to forward: descriptors of its sockets by entry of the ring table. */
export interface ForwardData {
  fds: number[];
  /** Entries that receive. */
  receiving: number[];
  /** How long to look for frames without a pause after the last one, microseconds. */
  spinUs: number;
}

/** Frames of a breath: few enough that those in front do not wait long for the call that sends them. */
export const FORWARD_BREATH_FRAMES = 256;
/** Buffers that go on uncounted at a time while no interval has memory. */
const UNCOUNTED_BUFFERS = 1024;
/** Calls for one socket in a row, when the kernel sends only a part in each. */
const CALLS_MAX = 8;
const EAGAIN = 11;
/** Frames wait for the kernel: look again soon. */
const PENDING_WAIT_US = 200;

export class Forwarder {
  readonly #exports: SandboxExports;
  readonly #data: ForwardData;
  readonly #receiving: number[];
  #lastFrame = 0;
  #isPending = false;

  constructor(exports: SandboxExports, data: ForwardData) {
    this.#exports = exports;
    this.#data = data;
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

  /** While no interval has memory for more: frames go on, uncounted. Returns the buffers forwarded. */
  passUncounted(): number {
    const buffers = this.#exports.inline_uncounted(UNCOUNTED_BUFFERS);
    if (buffers > 0) this.send();
    return buffers;
  }

  /** A breath found frames: more may follow soon. */
  sawFrames(): void {
    if (this.#data.spinUs > 0) this.#lastFrame = performance.now();
  }

  /** Whether the last frame is so short a time ago that it pays to look again at once. */
  get isSpinning(): boolean {
    return this.#data.spinUs > 0 && (performance.now() - this.#lastFrame) * 1000 < this.#data.spinUs;
  }

  /** Waits for frames, at most so long. */
  rest(milliseconds: number): void {
    const most = Math.round(milliseconds * 1000);
    waitForFrames(this.#receiving, this.#isPending ? Math.min(most, PENDING_WAIT_US) : most);
  }

  /** Before the sockets close: what is still on the TX rings leaves, as far as the kernel takes it. */
  flush(): void {
    for (let tries = 0; tries < 100 && this.#exports.inline_waiting() !== 0; tries++) {
      this.send();
      waitForFrames([], 100);
    }
  }
}
