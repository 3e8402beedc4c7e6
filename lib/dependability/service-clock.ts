/**
 * A clock that counts the ms of a service's life. While the process runs it follows the monotonic clock, so that setting
 * the wall clock neither makes nor hides an outage; between runs it goes on by the wall clock, the only one that does.
 */
import { WINDOW_MS_MAX } from "./buckets.js";

export interface SavedClock {
  /** Wall clock when it was saved, ms since 1970. */
  wall_ms: number;
  /** Service clock then, ms. */
  clock_ms: number;
}

/** A pause of more than this empties every window: the clock need not go further. */
const PAUSE_MS_MAX = WINDOW_MS_MAX + 86_400_000;
/** Where a new clock stands: far enough from 0 that what happened before it began has a time, too. */
const FIRST_MS = PAUSE_MS_MAX;

export class ServiceClock {
  readonly #begun: number;
  readonly #monotonicThen: number;
  readonly #monotonic: () => number;
  readonly #wall: () => number;

  /** `wall` and `monotonic` answer in ms. A wall clock that is behind the saved one gives a pause of 0. */
  constructor(saved: SavedClock | undefined, wall: () => number, monotonic: () => number) {
    this.#wall = wall;
    this.#monotonic = monotonic;
    this.#monotonicThen = monotonic();
    const pause = saved === undefined ? 0 : Math.floor(wall()) - saved.wall_ms;
    this.#begun = (saved?.clock_ms ?? FIRST_MS) + Math.min(Math.max(0, pause), PAUSE_MS_MAX);
  }

  now(): number {
    return this.#begun + Math.floor(this.#monotonic() - this.#monotonicThen);
  }

  /** The service time of a moment on the wall clock: never in the future. */
  at(wallMs: number): number {
    const ago = Math.max(0, Math.floor(this.#wall() - wallMs));
    return Math.max(0, this.now() - ago);
  }

  save(): SavedClock {
    return { wall_ms: Math.floor(this.#wall()), clock_ms: this.now() };
  }
}
