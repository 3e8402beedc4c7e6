/**
 * Places for work of one kind (uploads, queries), shared fairly. Who has a place and waits for its peer, and not for
 * us, gives it up as soon as others want it: a slow peer costs those nothing that are quick.
 */

/** Why a place was ended, or not given. */
export type SlotsEnd = "slow" | "yielded" | "busy";

export class SlotsError extends Error {
  constructor(
    readonly why: SlotsEnd,
    message: string,
  ) {
    super(message);
    this.name = "SlotsError";
  }
}

export interface SlotsBounds {
  /** Places. */
  max: number;
  /** Time a newcomer waits for a place, ms. */
  patienceMs: number;
  /** Bytes per second a peer has to move while it is waited for; 0 does not ask. */
  rateMin: number;
}

export interface Newcomer {
  peer: string;
  /** Whether there is work to do at once: those come first. */
  ready?(): boolean;
  /** It no longer wants a place. */
  gone?: AbortSignal;
}

/** Newcomers that wait; beyond it the one goes that has waited longest without being ready. */
const QUEUE_MAX = 256;
/**
 * Who has made us wait so long gives up its place, if it moves nothing or less than SCARCE_FACTOR times the least
 * rate.
 */
const YIELD_MS = 250;
const SCARCE_FACTOR = 16;
/** Over how much waiting a rate is judged. */
const WINDOW_MS = 5_000;
const SWEEP_MS = 50;

/** A place. Its holder says when it waits for its peer and when that has moved something. */
export class Place {
  /** Waiting in all. */
  waitedMs = 0;
  /** Waiting since something was moved last. */
  stalledMs = 0;
  /** What was moved lately: older bytes count the less, the longer it has been waited for since. */
  recentBytes = 0;
  /** Waiting and bytes since the last judgement. */
  windowMs = 0;
  windowBytes = 0;
  waitingSince: number | undefined;
  readonly #ended = new AbortController();
  readonly #onLeave: (() => void)[] = [];

  constructor(
    readonly peer: string,
    readonly slots: Slots,
  ) {}

  /** Aborted, with a SlotsError as its reason, when the place is lost. */
  get ended(): AbortSignal {
    return this.#ended.signal;
  }

  /** From now on it is the peer that is waited for. */
  waits(): void {
    this.waitingSince ??= this.slots.now();
  }

  /** The peer has moved so many bytes, and there is work. */
  works(bytes: number): void {
    this.settle();
    this.waitingSince = undefined;
    this.stalledMs = 0;
    this.recentBytes += bytes;
    this.windowBytes += bytes;
  }

  /** Books the waiting up to now. */
  settle(): void {
    if (this.waitingSince === undefined) return;
    const now = this.slots.now();
    const waited = now - this.waitingSince;
    this.waitedMs += waited;
    this.stalledMs += waited;
    this.windowMs += waited;
    this.recentBytes *= Math.exp(-waited / YIELD_MS);
    this.waitingSince = now;
  }

  /** Runs once, when the place is left or lost. */
  onLeave(done: () => void): void {
    this.#onLeave.push(done);
  }

  /** Harmless when repeated. */
  leave(): void {
    for (const done of this.#onLeave.splice(0)) done();
    this.slots.left(this);
  }

  end(error: SlotsError): void {
    this.#ended.abort(error);
    this.leave();
  }
}

interface Waiting extends Newcomer {
  since: number;
  admit(place: Place): void;
  refuse(error: SlotsError): void;
}

export class Slots {
  bounds: SlotsBounds;
  readonly now: () => number;
  readonly #places = new Set<Place>();
  readonly #queue: Waiting[] = [];
  #timer: NodeJS.Timeout | undefined;

  constructor(bounds: SlotsBounds, now: () => number = () => performance.now()) {
    this.bounds = bounds;
    this.now = now;
  }

  /** Places that are taken. */
  get held(): number {
    return this.#places.size;
  }

  /** Newcomers that wait. */
  get waiting(): number {
    return this.#queue.length;
  }

  /** A place, now or when there is one. Rejects with SlotsError "busy" when that takes too long, or it is gone. */
  async enter(newcomer: Newcomer): Promise<Place> {
    if (this.#queue.length === 0 && this.#places.size < this.bounds.max) return this.#take(newcomer.peer);
    return new Promise((admit, refuse) => {
      const waiting: Waiting = { ...newcomer, since: this.now(), admit, refuse };
      this.#queue.push(waiting);
      newcomer.gone?.addEventListener("abort", () => this.#refuse(waiting, "it is gone"), { once: true });
      if (this.#queue.length > QUEUE_MAX)
        this.#refuse(this.#queue.find((each) => !isReady(each)) ?? waiting, "too many wait");
      this.turn();
    });
  }

  left(place: Place): void {
    if (this.#places.delete(place)) this.turn();
  }

  /** One step: who is too slow goes, who may come in does. Runs by itself while there is anybody. */
  turn(): void {
    for (const place of this.#places) this.#judge(place);
    const deadline = this.now() - this.bounds.patienceMs;
    for (const waiting of this.#queue.filter(({ since }) => since <= deadline))
      this.#refuse(waiting, "no place became free in time");
    while (this.#queue.length > 0 && (this.#places.size < this.bounds.max || this.#makeRoom()))
      this.#admitNext();
    this.#tick();
  }

  #take(peer: string): Place {
    const place = new Place(peer, this);
    this.#places.add(place);
    this.#tick();
    return place;
  }

  #admitNext(): void {
    const held = this.#heldBy();
    const share = ({ peer }: Waiting): number => held.get(peer) ?? 0;
    const ready = this.#queue.filter(isReady);
    const next = (ready.length > 0 ? ready : this.#queue).reduce((a, b) => (share(b) < share(a) ? b : a));
    this.#queue.splice(this.#queue.indexOf(next), 1);
    next.admit(this.#take(next.peer));
  }

  /** Ends the place of the slowest that is waited for, of the peer that has most; false when all are at work. */
  #makeRoom(): boolean {
    const held = this.#heldBy();
    const share = ({ peer }: Place): number => held.get(peer)!;
    const scarce = this.bounds.rateMin * SCARCE_FACTOR;
    let victim: Place | undefined;
    for (const place of this.#places) {
      place.settle();
      const isSlow = place.stalledMs >= YIELD_MS || rateOf(place) < scarce;
      if (place.waitingSince === undefined || place.waitedMs < YIELD_MS || !isSlow) continue;
      const isWorse =
        victim === undefined ||
        share(place) > share(victim) ||
        (share(place) === share(victim) && rateOf(place) < rateOf(victim));
      if (isWorse) victim = place;
    }
    if (victim === undefined) return false;
    this.#places.delete(victim);
    victim.end(new SlotsError("yielded", "others want the place of a peer that is waited for"));
    return true;
  }

  #judge(place: Place): void {
    place.settle();
    if (place.windowMs < WINDOW_MS) return;
    const isSlow = place.windowBytes < (this.bounds.rateMin * place.windowMs) / 1000;
    place.windowMs = 0;
    place.windowBytes = 0;
    if (!isSlow) return;
    this.#places.delete(place);
    place.end(
      new SlotsError(
        "slow",
        `fewer than ${this.bounds.rateMin} bytes a second came for ${WINDOW_MS / 1000} s`,
      ),
    );
  }

  #heldBy(): Map<string, number> {
    const held = new Map<string, number>();
    for (const { peer } of this.#places) held.set(peer, (held.get(peer) ?? 0) + 1);
    return held;
  }

  #refuse(waiting: Waiting, why: string): void {
    const at = this.#queue.indexOf(waiting);
    if (at < 0) return;
    this.#queue.splice(at, 1);
    waiting.refuse(new SlotsError("busy", why));
  }

  /** Runs turns as long as there is something that time decides. */
  #tick(): void {
    const isNeeded = this.#queue.length > 0 || (this.#places.size > 0 && this.bounds.rateMin > 0);
    if (!isNeeded) {
      clearInterval(this.#timer);
      this.#timer = undefined;
    } else if (this.#timer === undefined) {
      this.#timer = setInterval(() => this.turn(), SWEEP_MS);
      this.#timer.unref();
    }
  }
}

const isReady = ({ ready }: Waiting): boolean => ready?.() !== false;

/** Bytes per second of waiting, lately. */
const rateOf = ({ recentBytes }: Place): number => (recentBytes * 1000) / YIELD_MS;
