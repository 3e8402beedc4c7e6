/**
 * Load shedding of a live source: watches loss ten times a second, asks the controller for a rate, and brings every
 * change of it through: announced to the sandboxes, then told to the kernel, then sealed into the intervals, so that
 * every interval has exactly one rate and exactly what was shed at it.
 */
import { randomInt } from "node:crypto";
import type { Shed } from "../../lib/sampling.js";
import { ShedControl } from "../../lib/shed-control.js";
import type { ControlView } from "../capture/control-view.js";
import type { SensorConfig } from "./config.js";
import { noSums, protocolsOf, type ShedMaps, type ShedSums, shedBetween } from "./shed-maps.js";

const TICK_MS = 100;
/** The rings are looked at this often: reading their indices costs nothing. One that is full means loss, now. */
const LOOK_MS = 10;
const FULL = 0.9;
/** Full rings make a tick early, but not earlier than this after the last one; soon after a change they are no news. */
const EARLY_MS = 20;
const NEWS_MS = 1000;
/** Between the steps of a change. */
const POLL_MS = 5;
/** So long after the kernel has been told no frame of the old rate is on its way to a ring any more. */
const SETTLE_MS = 20;
/** How long a stop waits for a change that is under way. */
const STOP_MS = 2000;
const MARK_LIMIT = 2 ** 32;

/** A sandbox and its rings. */
export interface ShedCapture {
  control: ControlView;
  /** How full its rings are, 0 to 1. */
  occupancy(): number;
  /** Notes where its rings stand: what comes from now on is of the new rate, marked or not. */
  settle(): void;
}

/** A sandbox that serves AF_XDP queues, each with an RX ring of so many frames. */
export function shedQueues(control: ControlView, queues: number, ringFrames: number): ShedCapture {
  return {
    control,
    occupancy: () => control.framesWaiting(queues) / (queues * ringFrames),
    settle: () => {
      for (let queue = 0; queue < queues; queue++)
        control.setQueue(queue, { rate_index: control.rxProducer(queue) });
    },
  };
}

/** What is watched, and who has to know of a change. */
export interface ShedPort {
  /** The sandboxes. */
  captures(): ShedCapture[];
  /** Frames lost by accident since the start. */
  lost(): number;
  /** Before a change: no worker has come to the new rate. */
  clearReached(): void;
}

/** The rate of an interval, and what was shed at it. */
export interface IntervalShed {
  sampling: number;
  shed?: Omit<Shed, "unseen">;
}

/** What status and metrics say. */
export interface ShedStatus {
  enabled: boolean;
  /** Share of the packets that is kept now. */
  sampling: number;
  /** Changes of the rate so far. */
  changes: number;
  /** Since the start, [packets, bytes] by protocol. */
  protocols: Record<string, [number, number]>;
}

export class Shedding {
  /** Whether what comes after capture has fallen behind; whoever knows sets it. */
  isLate: () => boolean = () => false;
  readonly #maps: ShedMaps;
  readonly #port: ShedPort;
  readonly #enabled: boolean;
  readonly #control: ShedControl;
  readonly #warn: (error: unknown) => void;
  #timer: NodeJS.Timeout | undefined;
  #last = { at: performance.now(), taken: 0, lost: 0 };
  /** The rate of the open interval; `next`: the one that frames behind it in the rings have. */
  #current: { shift: number; parity: 0 | 1 } = { shift: 0, parity: 0 };
  #next: { shift: number; parity: 0 | 1; mark: number } | undefined;
  #changes = 0;
  /** The change under way makes the sample smaller. */
  #isRaised = false;
  #fullest = 0;
  #changedAt = Number.NEGATIVE_INFINITY;
  /** Readings up to which the intervals sealed so far have told what was shed. */
  readonly #told: [ShedSums, ShedSums] = [noSums(), noSums()];
  /** The last readings: what is said once the maps are closed. */
  #read: [ShedSums, ShedSums] = [noSums(), noSums()];
  #isClosed = false;
  #resolveDone: (() => void) | undefined;

  constructor(
    config: SensorConfig["shedding"],
    maps: ShedMaps,
    port: ShedPort,
    warn: (error: unknown) => void = () => undefined,
  ) {
    this.#maps = maps;
    this.#port = port;
    this.#enabled = config.enabled;
    this.#warn = warn;
    this.#control = new ShedControl({
      fractionMin: config.fraction_min,
      loss: config.loss,
      calmMs: config.calm,
    });
  }

  /** Begins to watch. Does nothing where shedding is not enabled. */
  start(): void {
    if (!this.#enabled) return;
    this.#begin();
    this.#timer = setInterval(() => this.#look(), LOOK_MS);
    this.#timer.unref();
  }

  /** Ends watching, once a change that is under way is through; the rate stays as it is. */
  async stop(): Promise<void> {
    clearInterval(this.#timer);
    if (this.#next === undefined) return;
    const done = new Promise<void>((resolve) => {
      this.#resolveDone = resolve;
    });
    const timeout = new Promise((resolve) => setTimeout(resolve, STOP_MS));
    await Promise.race([done, timeout]);
    if (this.#next !== undefined) this.#finish();
  }

  /** Before the maps are closed: what was shed is known from then on as it was last. */
  close(): void {
    this.#sums();
    this.#isClosed = true;
  }

  /** An interval has been sealed: its rate, and what was shed at it since the one before. */
  sealed(cause: string): IntervalShed {
    const { shift, parity } = this.#current;
    const sums = this.#sums();
    const part = shedBetween(this.#told[parity], sums[parity]);
    this.#told[parity] = sums[parity];
    if (cause === "rate" && this.#next !== undefined) this.#finish();
    if (shift === 0) return { sampling: 1 };
    const sampling = 2 ** -shift;
    return { sampling, shed: { ...part, rate_min: sampling, rate_max: sampling } };
  }

  /** Packets shed since the start. */
  get packets(): number {
    return this.#sums().reduce((sum, sums) => sum + shedBetween(noSums(), sums).packets, 0);
  }

  status(): ShedStatus {
    const [even, odd] = this.#sums();
    return {
      enabled: this.#enabled,
      sampling: 2 ** -(this.#next ?? this.#current).shift,
      changes: this.#changes,
      protocols: protocolsOf(even.map((value, at) => value + odd[at]!)),
    };
  }

  #sums(): [ShedSums, ShedSums] {
    if (!this.#isClosed && this.#changes > 0) this.#read = [this.#maps.read(0), this.#maps.read(1)];
    return this.#read;
  }

  #begin(): void {
    this.#last = { at: performance.now(), taken: this.#taken(), lost: this.#port.lost() };
  }

  #taken(): number {
    return this.#port.captures().reduce((sum, { control }) => sum + control.counters().frames, 0);
  }

  #look(): void {
    if (this.#next !== undefined) return;
    const ms = performance.now() - this.#last.at;
    const occupancy = this.#occupancy();
    this.#fullest = Math.max(this.#fullest, occupancy);
    const isNews = performance.now() - this.#changedAt >= NEWS_MS;
    if (ms >= TICK_MS || (isNews && ms >= EARLY_MS && occupancy >= FULL)) this.#tick();
  }

  /** How full the rings of the fullest sandbox are. */
  #occupancy(): number {
    return Math.max(...this.#port.captures().map((capture) => capture.occupancy()));
  }

  #tick(): void {
    const before = this.#last;
    this.#begin();
    const shift = this.#control.step({
      ms: this.#last.at - before.at,
      taken: this.#last.taken - before.taken,
      lost: Math.max(0, this.#last.lost - before.lost),
      occupancy: this.#fullest,
      isLate: this.isLate(),
    });
    this.#fullest = 0;
    if (shift !== this.#current.shift) this.#announce(shift);
  }

  /** First every sandbox must look for the mark: a breath that began before might take the first frames that bear it. */
  #announce(shift: number): void {
    const parity = this.#current.parity === 0 ? 1 : 0;
    const mark = randomInt(1, MARK_LIMIT);
    this.#isRaised = shift > this.#current.shift;
    this.#next = { shift, parity, mark };
    this.#port.clearReached();
    for (const { control } of this.#port.captures()) control.storeU32("rate_mark", mark);
    this.#when(
      () => this.#port.captures().every(({ control }) => control.u32("rate_seen") === mark),
      () => this.#switch(mark),
    );
  }

  #switch(mark: number): void {
    try {
      this.#maps.setRate(this.#next!);
    } catch (error) {
      // Some kernels let nobody without CAP_BPF write a map: then nothing is shed, as before.
      clearInterval(this.#timer);
      this.#abandon(error);
      return;
    }
    this.#changes++;
    const switched = performance.now();
    this.#when(
      () => performance.now() - switched >= SETTLE_MS,
      () => this.#settle(mark),
    );
  }

  /** From here on frames are of the new rate whether they are marked or not. */
  #settle(mark: number): void {
    for (const capture of this.#port.captures()) {
      capture.settle();
      capture.control.storeU32("rate_settled", mark);
    }
  }

  /** The interval of the old rate is sealed in every sandbox: no more marks. */
  #finish(): void {
    const { shift, parity } = this.#next!;
    this.#current = { shift, parity };
    this.#next = undefined;
    for (const { control } of this.#port.captures()) control.storeU32("rate_mark", 0);
    try {
      this.#maps.setRate({ shift, parity, mark: 0 });
    } catch (error) {
      this.#warn(error);
    }
    this.#changedAt = performance.now();
    const { at, taken } = this.#last;
    this.#begin();
    if (this.#isRaised) this.#control.learn((this.#last.taken - taken) / (this.#last.at - at));
    this.#resolveDone?.();
  }

  #abandon(error: unknown): void {
    this.#next = undefined;
    for (const { control } of this.#port.captures()) control.storeU32("rate_mark", 0);
    this.#resolveDone?.();
    this.#warn(error);
  }

  /** Does `then` as soon as `isSo`, unless the change has come to its end otherwise. */
  #when(isSo: () => boolean, then: () => void): void {
    const change = this.#next;
    const look = (): void => {
      if (this.#next !== change) return;
      if (isSo()) then();
      else setTimeout(look, POLL_MS).unref();
    };
    look();
  }
}
