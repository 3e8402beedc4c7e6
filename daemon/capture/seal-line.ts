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
const WORDS = 4;
/** Causes of the latest seals; far more than can be outstanding (two slots a worker). */
const CAUSES = 64;

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
   * worker that sleeps.
   */
  ask(sequence: number, cause: SealCause): boolean {
    Atomics.store(this.#words, WORDS + ((sequence + 1) % CAUSES), SEAL_CAUSES.indexOf(cause));
    const won = Atomics.compareExchange(this.#words, SEQUENCE, sequence, sequence + 1) === sequence;
    if (won) Atomics.notify(this.#words, SEQUENCE);
    return won;
  }

  /** Why seal number `sequence` (1 = the first) was asked for. */
  cause(sequence: number): number {
    return Atomics.load(this.#words, WORDS + (sequence % CAUSES));
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
