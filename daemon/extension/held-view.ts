/**
 * The words of control.held that threads of extensions and the main thread use, all with Atomics. See lib/abi-held.ts for
 * who writes what.
 */
import { CONTROL, CONTROL_OFFSET, type StructLayout } from "../../lib/abi.js";
import { HELD_SEALS, TAP_STATE } from "../../lib/abi-held.js";

const HELD = CONTROL.fields.held!;
const LAYOUT = HELD.type as StructLayout;
const BASE = CONTROL_OFFSET + HELD.offset;
const TAPS = LAYOUT.fields.taps!;
const TAP = TAPS.type as StructLayout;

const word = (name: string): number => (BASE + LAYOUT.fields[name]!.offset) >>> 2;
const PRODUCER = word("producer");
const RELEASED = word("released");
const SEALS = word("seals");
const SIGNAL = word("signal");
const SEAL_AT = word("seal_at");
const AGE = (BASE + LAYOUT.fields.age_ns!.offset) >>> 3;
const TIME = (BASE + LAYOUT.fields.time_ns!.offset) >>> 3;

export type HeldSetting =
  | "ring"
  | "entries"
  | "limit"
  | "taps_count"
  | "base"
  | "copies"
  | "verdicts"
  | "verdict_late";

export class HeldView {
  readonly #words: Int32Array;
  readonly #longs: BigUint64Array;

  constructor(memory: WebAssembly.Memory) {
    this.#words = new Int32Array(memory.buffer);
    this.#longs = new BigUint64Array(memory.buffer);
  }

  configure(settings: Partial<Record<HeldSetting, number>>): void {
    for (const [name, value] of Object.entries(settings)) this.#words[word(name)] = value;
  }

  setting(name: HeldSetting): number {
    return this.#words[word(name)]! >>> 0;
  }

  /** Descriptors held so far, modulo 2^32; what lies before it can be read. */
  get producer(): number {
    return Atomics.load(this.#words, PRODUCER) >>> 0;
  }

  /** Seals so far. Load it after the producer: what lay before that then belongs to the interval that is open. */
  get seals(): number {
    return Atomics.load(this.#words, SEALS) >>> 0;
  }

  /** The first descriptor that is no longer in interval `seal` (1 is the first). */
  sealAt(seal: number): number {
    return Atomics.load(this.#words, SEAL_AT + (seal % HELD_SEALS)) >>> 0;
  }

  /** Whether frames are held at all. */
  get isOn(): boolean {
    return this.#words[word("ring")] !== 0;
  }

  /** Whether any frame is held now. */
  get isHolding(): boolean {
    return this.producer !== Atomics.load(this.#words, RELEASED) >>> 0;
  }

  setAge(ns: bigint): void {
    this.#longs[AGE] = ns;
  }

  /**
   * Frames that are taken from now on bear this time, ms since 1970 UTC (to a microsecond). Only for the thread that takes
   * them; two words, because a bigint a breath would be garbage.
   */
  setTime(ms: number): void {
    const ns = Math.round(ms * 1000) * 1000;
    const high = Math.floor(ns / 2 ** 32);
    this.#words[2 * TIME] = ns - high * 2 ** 32;
    this.#words[2 * TIME + 1] = high;
  }

  tap(index: number): TapView {
    return new TapView(this.#words, (BASE + TAPS.offset + index * TAP.bytes) >>> 2);
  }

  /** Wakes whoever waits in wait(). */
  signal(): void {
    Atomics.add(this.#words, SIGNAL, 1);
    Atomics.notify(this.#words, SIGNAL);
  }

  get signals(): number {
    return Atomics.load(this.#words, SIGNAL);
  }

  /** Sleeps unless there was a signal since signals was `seen`. */
  wait(seen: number, milliseconds: number): void {
    Atomics.wait(this.#words, SIGNAL, seen, milliseconds);
  }
}

const at = (name: string): number => TAP.fields[name]!.offset >>> 2;
const [STATE, NEXT, DONE, SEALED, JOINED] = [at("state"), at("next"), at("done"), at("sealed"), at("joined")];
const SKIPPED = at("skipped");

/** One extension's cursors in one ring. */
export class TapView {
  constructor(
    private readonly words: Int32Array,
    private readonly base: number,
  ) {}

  get state(): number {
    return Atomics.load(this.words, this.base + STATE);
  }

  join(): void {
    Atomics.store(this.words, this.base + STATE, TAP_STATE.joining);
  }

  leave(): void {
    Atomics.store(this.words, this.base + STATE, TAP_STATE.off);
  }

  get joined(): number {
    return Atomics.load(this.words, this.base + JOINED) >>> 0;
  }

  get done(): number {
    return Atomics.load(this.words, this.base + DONE) >>> 0;
  }

  get sealed(): number {
    return Atomics.load(this.words, this.base + SEALED) >>> 0;
  }

  setSealed(seal: number): void {
    Atomics.store(this.words, this.base + SEALED, seal | 0);
  }

  /** Descriptors that the sandbox took away from it because it was too slow. */
  get skipped(): number {
    return Atomics.load(this.words, this.base + SKIPPED) >>> 0;
  }

  /**
   * Claims up to `most` descriptors before `limit`; [from, from + count). What was claimed before is given back. count 0:
   * there is none, and `from` tells where the cursor is.
   */
  claim(limit: number, most: number, entries: number): { from: number; count: number } {
    for (;;) {
      const next = Atomics.load(this.words, this.base + NEXT);
      Atomics.store(this.words, this.base + DONE, next);
      const from = next >>> 0;
      const left = (limit - from) | 0;
      if (left <= 0) return { from, count: 0 };
      // A batch does not run over the end of the ring: its descriptors lie in a row.
      const count = Math.min(left, most, entries - (from & (entries - 1)));
      const claimed = (from + count) | 0;
      if (Atomics.compareExchange(this.words, this.base + NEXT, next, claimed) === next)
        return { from, count };
    }
  }

  /** Whether a claim is still ours: false when the sandbox has skipped us meanwhile, and decided without us. */
  isCurrent(from: number, count: number): boolean {
    return Atomics.load(this.words, this.base + NEXT) === ((from + count) | 0);
  }

  /** The claim is done with. */
  finish(from: number, count: number): void {
    Atomics.store(this.words, this.base + DONE, (from + count) | 0);
  }
}
