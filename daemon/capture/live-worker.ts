/**
 * The capture worker: one thread, one sandbox, one or several RX queues. Its loop calls breathe() and nothing else per
 * batch; per packet there is no JavaScript, no system call and no allocation. When the rings are empty it sleeps by
 * time, adapted so that a wake finds hundreds of frames.
 */
import { getPriority, setPriority } from "node:os";
import { parentPort, receiveMessageOnPort, workerData } from "node:worker_threads";
import { setThreadName, threadCpuNs, wakeRx } from "xdp-node";
import { SEAL_CAUSES } from "../../lib/abi.js";
import { HeldView } from "../extension/held-view.js";
import { FORWARD_BREATH_FRAMES, Forwarder } from "./forwarder.js";
import { HostView } from "./host-view.js";
import {
  type LiveWorkerData,
  type LiveWorkerMessage,
  PARKING,
  type Resume,
  VITALS,
} from "./live-protocol.js";
import { Sandbox } from "./sandbox.js";
import { SealLine } from "./seal-line.js";

/** Frames a breath takes at most: small enough that seals and stops are seen within a millisecond. */
const BREATH_FRAMES = 4096;
/** Entries of the closed interval that are merged between two breaths. */
const SEAL_SLICE = 32_768;
/** A wake should find about this many frames. */
const FRAMES_PER_WAKE = 768;
/** The same while frames are forwarded: none should wait for a long slice. */
const FORWARD_SEAL_SLICE = 4096;
/** How long forwarding may sleep while frames are held. */
const HELD_REST_MS = 0.1;
const BUDGET = SEAL_CAUSES.indexOf("budget");

class CaptureLoop {
  readonly #data: LiveWorkerData;
  readonly #sandbox: Sandbox;
  readonly #line: SealLine;
  readonly #vitals: Float64Array;
  readonly #forwarder: Forwarder | undefined;
  readonly #host: HostView | undefined;
  /** Where frames are held for extensions. */
  readonly #held: HeldView | undefined;
  readonly #breathFrames: number;
  readonly #sealSlice: number;
  /** Seals this worker has begun, and whether the last of them is still being merged. */
  #begun = 0;
  #sealing = false;
  /** A seal was asked for, but both slots still wait for the matrix worker. */
  #isBlocked = false;
  #sealStart = 0;
  #sleepMs: number;
  #breathedAt = 0;
  /** The change of the sampling rate that this worker has said its queues have come to. */
  #reachedMark = 0;

  constructor(data: LiveWorkerData) {
    this.#data = data;
    this.#sandbox = new Sandbox(data.memory);
    this.#line = new SealLine(data.sealLine);
    this.#vitals = new Float64Array(data.vitals);
    this.#sleepMs = data.sleepMsMin;
    if (data.forward !== undefined) this.#forwarder = new Forwarder(this.#sandbox.exports, data.forward);
    this.#breathFrames = data.forward === undefined ? BREATH_FRAMES : FORWARD_BREATH_FRAMES;
    this.#sealSlice = data.forward === undefined ? SEAL_SLICE : FORWARD_SEAL_SLICE;
    this.#startQueues();
    const held = new HeldView(data.memory);
    if (held.isOn) this.#held = held;
    this.#host = data.hostRings === undefined ? undefined : new HostView(data.memory);
    for (let ring = 0; ring < (data.hostRings ?? 0); ring++) {
      const result = this.#sandbox.exports.host_start(ring);
      if (result !== 0) throw new Error(`ring buffer ${ring}: the sandbox refused it (${result})`);
    }
  }

  run(): void {
    for (;;) {
      this.#seal();
      const taken = this.#breathe();
      this.#checkRate();
      if (this.#forward(taken) || this.#sealing) continue;
      const isDue = this.#line.sequence !== this.#begun;
      if (isDue && !this.#isBlocked) continue;
      if (!isDue && this.#line.stopping) break;
      this.#rest();
    }
    this.#forwarder?.flush();
    this.#publish();
  }

  /** Sends on what a breath took, if frames are to be sent on. Returns whether to look for more at once. */
  #forward(taken: number): boolean {
    const forwarder = this.#forwarder;
    if (forwarder === undefined) return taken > 0;
    forwarder.send();
    const isStuck =
      taken === 0 &&
      this.#isBlocked &&
      (this.#data.windowPackets > 0 || this.#sandbox.control.u32("seal_needed") > 0);
    if (isStuck) return forwarder.whileStuck();
    forwarder.notStuck();
    return taken > 0;
  }

  /** One breath within the packet window, if there is one. */
  #breathe(): number {
    const { exports, control } = this.#sandbox;
    if (this.#held !== undefined) this.#stamp(this.#held);
    if (this.#data.windowPackets === 0) {
      const taken = exports.breathe(this.#breathFrames);
      if (taken === 0) this.#checkBudget();
      return taken;
    }
    const claimed = this.#line.claim(this.#breathFrames);
    if (claimed === 0) return 0;
    if (this.#line.sequence !== this.#begun) {
      // The window that was claimed from is the next one: this worker has not closed the last.
      this.#line.settle(claimed, 0);
      return 0;
    }
    const before = control.u64("interval_packets");
    const taken = exports.breathe(claimed);
    const counted = this.#line.settle(claimed, Number(control.u64("interval_packets") - before));
    if (counted >= this.#data.windowPackets) {
      this.#line.ask(this.#begun, "packets");
      this.#line.openWindow(this.#data.windowPackets);
    } else if (taken === 0) this.#checkBudget();
    return taken;
  }

  /** Frames of this breath bear the time of day; how long the breath before it is ago shows whether anything stopped us. */
  #stamp(held: HeldView): void {
    const now = performance.now();
    held.setTime(performance.timeOrigin + now);
    if (this.#breathedAt > 0 && now - this.#breathedAt > this.#vitals[VITALS.pauseMs]!) {
      this.#vitals[VITALS.pauseMs] = now - this.#breathedAt;
    }
    this.#breathedAt = now;
  }

  /** An interval whose memory budget is spent ends now, for every worker. */
  #checkBudget(): void {
    if (this.#sandbox.control.u32("seal_needed") === BUDGET && this.#line.sequence === this.#begun) {
      this.#line.ask(this.#begun, "budget");
    }
  }

  /** Once the queues of every worker have come to a new sampling rate, the interval of the old one ends. */
  #checkRate(): void {
    const reached = this.#sandbox.control.u32("rate_reached");
    if (reached === 0) return;
    if (reached !== this.#reachedMark) {
      this.#reachedMark = reached;
      this.#line.reach();
    }
    if (this.#line.reached === this.#data.workers && this.#line.sequence === this.#begun) {
      this.#line.ask(this.#begun, "rate");
    }
  }

  /** Begins a seal that was asked for, and merges a slice of the one under way. */
  #seal(): void {
    const { exports, control } = this.#sandbox;
    if (!this.#sealing) {
      if (this.#line.sequence === this.#begun) return;
      const cause = this.#line.cause(this.#begun + 1);
      const started = performance.now();
      // While both slots wait for the matrix worker, breaths go on into the open interval as far as its budget goes;
      // then the rings hold what arrives, or the kernel counts it.
      this.#isBlocked = exports.seal_begin(cause) !== 0;
      if (this.#isBlocked) return;
      this.#begun++;
      this.#sealing = true;
      this.#sealStart = started;
    }
    if (exports.seal_step(this.#sealSlice) === 0) return;
    this.#sealing = false;
    const slot = control.newestReady();
    this.#publish();
    post({
      type: "sealed",
      worker: this.#data.index,
      sequence: this.#begun,
      cause: control.slotCause(slot),
      slot,
      sealMs: performance.now() - this.#sealStart,
    });
  }

  /** Sleeps; then lengthens or shortens the sleep by what had gathered. */
  #rest(): void {
    if (this.#vitals[VITALS.parking] === PARKING.asked) this.#park();
    for (const fd of this.#data.wakeFds) wakeRx(fd);
    this.#publish();
    if (this.#forwarder !== undefined) {
      // Frames that extensions have yet to look at leave as soon as they have.
      this.#forwarder.rest(this.#held?.isHolding ? HELD_REST_MS : this.#data.sleepMsMax);
      this.#vitals[VITALS.wakeups]!++;
      return;
    }
    this.#line.sleep(this.#isBlocked ? this.#line.sequence : this.#begun, this.#sleepMs);
    const { queues, hostRings = 0 } = this.#data;
    const records = this.#host?.recordsWaiting(hostRings) ?? 0;
    const waiting = this.#sandbox.control.framesWaiting(queues) + records;
    const { sleepMsMin, sleepMsMax } = this.#data;
    if (waiting > 2 * FRAMES_PER_WAKE) this.#sleepMs = Math.max(sleepMsMin, this.#sleepMs / 2);
    else if (waiting < FRAMES_PER_WAKE) this.#sleepMs = Math.min(sleepMsMax, this.#sleepMs * 1.25);
    this.#vitals[VITALS.wakeups]!++;
  }

  #startQueues(): void {
    for (let queue = 0; queue < this.#data.queues; queue++) {
      const result = this.#sandbox.exports.queue_start(queue);
      if (result !== 0) throw new Error(`queue ${queue}: the sandbox refused its rings (${result})`);
    }
  }

  /** Keeps off the rings, which are empty, until there are others in their place. */
  #park(): void {
    const cell = new Int32Array(new SharedArrayBuffer(4));
    this.#vitals[VITALS.parking] = PARKING.parked;
    for (let answer: { message: Resume } | undefined; answer === undefined; ) {
      answer = receiveMessageOnPort(parentPort!) as { message: Resume } | undefined;
      if (answer === undefined) Atomics.wait(cell, 0, 0, 1);
      else this.#data.wakeFds = answer.message.wakeFds;
    }
    this.#vitals[VITALS.parking] = PARKING.none;
    this.#startQueues();
  }

  #publish(): void {
    this.#vitals[VITALS.heartbeat]!++;
    this.#vitals[VITALS.cpuNs] = Number(threadCpuNs());
  }
}

function post(message: LiveWorkerMessage): void {
  parentPort!.postMessage(message);
}

/** The task of a thread that was started before there was one. */
function task(): Promise<LiveWorkerData> {
  return new Promise((resolve) => parentPort!.once("message", resolve));
}

const data = (workerData as LiveWorkerData | null) ?? (await task());
setThreadName(`sw-capture-${data.index}`);
try {
  // Of the calling thread alone. Rings bridge milliseconds: who empties them should not queue behind batch work.
  if (getPriority() > data.nice) setPriority(data.nice);
} catch {
  // Without the right (CAP_SYS_NICE, RLIMIT_NICE) it runs like everybody else.
}
const loop = new CaptureLoop(data);
post({ type: "ready" });
loop.run();
post({ type: "ended", worker: data.index });
