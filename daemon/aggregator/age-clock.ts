/**
 * The time by which files grow old. The wall clock may be set wrong and right again; what has been deleted in between
 * does not come back. So a step forwards counts only once it has lasted, and then at a bounded pace: a jump of twenty
 * years for a minute deletes nothing, and one that stays never deletes a year of history at once.
 */
import { type Clocks, SYSTEM_CLOCKS } from "./clocks.js";

/** Steps up to this are followed at once: network time, a short sleep of the host. */
export const STEP_MS_MAX = 10 * 60_000;
/** A larger step forwards counts only once it has lasted this long (monotonic time). */
export const HOLD_MS = 3_600_000;
/** How many times as fast as time itself the ages then catch up. A weekend of standstill takes 72 minutes. */
export const CATCH_UP = 60;

export class AgeClock {
  readonly #clocks: Clocks;
  /** ms since 1970: the wall clock as far as it is believed. */
  #trusted: number;
  #wall: number;
  #monotonic: number;
  /** Monotonic ms since when the wall clock has been ahead of, or behind, what is believed. */
  #aheadSince: number | undefined;
  #behindSince: number | undefined;
  /** Monotonic ms of the last step backwards, or of the beginning. */
  #steppedBack: number;

  constructor(clocks: Clocks = SYSTEM_CLOCKS) {
    this.#clocks = clocks;
    this.#trusted = this.#wall = clocks.wall();
    this.#monotonic = this.#steppedBack = clocks.monotonic();
  }

  /**
   * Begins anew with a time that has been (ms since 1970): what the run before believed, or when the newest file was written.
   * A wall clock far beyond that may be wrong, or the aggregator stood still: the ages catch up either way.
   */
  begin(last: number | undefined): void {
    this.#wall = this.#clocks.wall();
    this.#monotonic = this.#steppedBack = this.#clocks.monotonic();
    this.#aheadSince = this.#behindSince = undefined;
    const isAhead = last !== undefined && this.#wall > last + STEP_MS_MAX;
    this.#trusted = isAhead ? last : Math.max(this.#wall, last ?? 0);
    this.look();
  }

  /** Compares the clocks; to be called now and then. True when the wall clock has just stepped ahead too far. */
  look(): boolean {
    const [wall, monotonic] = [this.#clocks.wall(), this.#clocks.monotonic()];
    const elapsed = Math.max(0, monotonic - this.#monotonic);
    if (wall < this.#wall + elapsed - STEP_MS_MAX) this.#steppedBack = monotonic;
    this.#wall = wall;
    this.#monotonic = monotonic;
    const wasAhead = this.#aheadSince !== undefined;
    const ahead = wall - (this.#trusted + elapsed);
    if (ahead > STEP_MS_MAX) {
      this.#behindSince = undefined;
      this.#aheadSince ??= monotonic;
      const pace = monotonic - this.#aheadSince >= HOLD_MS ? CATCH_UP : 1;
      this.#trusted = Math.min(wall, this.#trusted + pace * elapsed);
      return !wasAhead;
    }
    this.#aheadSince = undefined;
    if (ahead < -STEP_MS_MAX) {
      this.#behindSince ??= monotonic;
      // What was believed may have been wrong itself: a wall clock that stays behind is believed in the end.
      this.#trusted = monotonic - this.#behindSince >= HOLD_MS ? wall : this.#trusted + elapsed;
    } else {
      this.#behindSince = undefined;
      this.#trusted = wall;
    }
    return false;
  }

  /** ms since 1970, for ages and for what lies in the future. */
  get now(): number {
    return Math.min(this.#trusted, this.#wall);
  }

  /** To begin with after a restart. */
  get trusted(): number {
    return this.#trusted;
  }

  /** How far the wall clock is ahead of what is believed, ms; 0 while it is believed. */
  get heldBack(): number {
    return this.#aheadSince === undefined ? 0 : this.#wall - this.#trusted;
  }

  /**
   * Age of a file in ms. `written`: when, by the wall clock of then; `start`: what time it is about (both ms since 1970).
   * One that is dated before its contents, or ahead, was dated by a wrong clock: it is as old as its contents; if those are
   * ahead, too, as old as it has been here.
   */
  ageOf(written: number, start: number): number {
    const { now } = this;
    const latest = Math.max(this.#wall, this.#trusted);
    const isAhead = start > latest;
    if (written > latest + STEP_MS_MAX) {
      return isAhead ? this.#monotonic - this.#steppedBack : Math.max(0, now - start);
    }
    return Math.max(0, now - (isAhead ? written : Math.max(written, start)));
  }
}
