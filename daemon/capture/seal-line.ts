/**
 * The seal line: one small shared block by which the main thread and the capture workers of a sensor agree on where
 * intervals end. Every worker seals once for every value of the sequence, so that interval k of each queue belongs
 * together, whoever asked for it: the clock, a packet count, a budget that is spent, or the end.
 */
import { SEAL_CAUSES, type SealCause } from "../../lib/abi.js";

const SEQUENCE = 0;
const STOP = 1;
/** Packets that workers may still claim in the open window, and packets counted in it. */
const CLAIMABLE = 2;
const COUNTED = 3;
/** Workers whose queues stand at the first frame of a new sampling rate. */
const REACHED = 4;
const WORDS = 5;
/** Causes of the latest seals; far more than can be outstanding (two slots a worker). */
const CAUSES = 64;
/** An entry of the causes: the cause in the low bits, the seal's number above. */
const CAUSE_BITS = 4;
const NUMBER_MASK = 2 ** (32 - CAUSE_BITS) - 1;

export class SealLine {
  readonly buffer: SharedArrayBuffer;
  readonly #words: Int32Array;

  constructor(buffer: SharedArrayBuffer = new SharedArrayBuffer(4 * (WORDS + CAUSES))) {
    this.buffer = buffer;
    this.#words = new Int32Array(buffer);
  }

  /** Seals asked for so far. */
  get sequence(): number {
    return Atomics.load(this.#words, SEQUENCE);
  }

  get stopping(): boolean {
    return Atomics.load(this.#words, STOP) !== 0;
  }

  /**
   * Ends the open interval if it is still number `sequence`; false when somebody else ended it first. Wakes every
   * worker that sleeps. The first to ask settles the cause, for every worker alike, before the number moves on.
   */
  ask(sequence: number, cause: SealCause): boolean {
    if (this.sequence !== sequence) return false;
    const number = (sequence + 1) & NUMBER_MASK;
    const place = WORDS + ((sequence + 1) % CAUSES);
    const entry = (number << CAUSE_BITS) | SEAL_CAUSES.indexOf(cause);
    const before = Atomics.load(this.#words, place);
    const isFirst =
      before >>> CAUSE_BITS !== number &&
      Atomics.compareExchange(this.#words, place, before, entry) === before;
    // Whoever comes second finishes what the first has begun.
    const moved = Atomics.compareExchange(this.#words, SEQUENCE, sequence, sequence + 1) === sequence;
    if (moved) Atomics.notify(this.#words, SEQUENCE);
    return isFirst;
  }

  /** Why seal number `sequence` (1 = the first) was asked for. */
  cause(sequence: number): number {
    return Atomics.load(this.#words, WORDS + (sequence % CAUSES)) & (2 ** CAUSE_BITS - 1);
  }

  /** A worker's queues have come to the new sampling rate; how many workers' have. Once a worker and change. */
  reach(): number {
    return Atomics.add(this.#words, REACHED, 1) + 1;
  }

  /** Workers that have called reach() in this change. */
  get reached(): number {
    return Atomics.load(this.#words, REACHED);
  }

  /** Before a change of the sampling rate. */
  clearReached(): void {
    Atomics.store(this.#words, REACHED, 0);
  }

  /** The last seal and the end: workers drain their rings, seal and return. */
  stop(): void {
    Atomics.store(this.#words, STOP, 1);
    Atomics.notify(this.#words, SEQUENCE);
  }

  /** Sleeps until a seal is asked for or `milliseconds` are over. Never on the main thread. */
  sleep(sequence: number, milliseconds: number): void {
    Atomics.wait(this.#words, SEQUENCE, sequence, milliseconds);
  }

  /** Opens a window of `packets` packets (packet-count windows; 0: none). */
  openWindow(packets: number): void {
    Atomics.store(this.#words, COUNTED, 0);
    Atomics.store(this.#words, CLAIMABLE, packets);
  }

  /** Claims up to `wanted` packets of the open window: a worker may count so many and no more. */
  claim(wanted: number): number {
    for (;;) {
      const left = Atomics.load(this.#words, CLAIMABLE);
      const take = Math.min(left, wanted);
      if (take <= 0) return 0;
      if (Atomics.compareExchange(this.#words, CLAIMABLE, left, left - take) === left) return take;
    }
  }

  /** Gives back what of a claim was not counted; returns the packets counted in the window so far. */
  settle(claimed: number, counted: number): number {
    Atomics.add(this.#words, CLAIMABLE, claimed - counted);
    return Atomics.add(this.#words, COUNTED, counted) + counted;
  }
}
