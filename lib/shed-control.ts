/**
 * The controller of load shedding: from what a tenth of a second lost to the share of the packets that is kept. Pure, so that
 * it can be tested against a simulated sensor.
 *
 * Loss raises the shift (halves the sample) at once, and by as many steps as the loss says are needed. Back it goes one
 * step at a time, after a calm time, and only if twice the packets would still be well below the rate at which packets
 * were lost: so it does not swing between two rates under a steady load. What was learned about that rate fades, a
 * little after each calm time; an attempt that fails makes the following ones rarer.
 */

export interface ShedSettings {
  /** The smallest sample is one in so many; a power of two. */
  fractionMin: number;
  /** Share of packets lost in a sample that is too much. */
  loss: number;
  calmMs: number;
}

/** What happened since the last sample. */
export interface LoadSample {
  ms: number;
  /** Frames that the sandboxes took, and frames that were lost on the way to them (not those that were shed). */
  taken: number;
  lost: number;
  /** How full the rings of the fullest sandbox are, 0 to 1. */
  occupancy: number;
  /** What comes after capture does not keep up: sealed intervals are waiting. */
  isLate: boolean;
}

/** After a step because of loss the kept packets should be at most this share of what can be taken. */
const TARGET = 0.75;
/** Twice the packets must be at most this share; below TARGET, so that a step up is not taken back. */
const FITS = 0.7;
const OCCUPANCY_MAX = 0.25;
/** Most steps at a time: a thread that stood still for a moment looks as if it could take nothing. */
const STEPS_MAX = 4;
/** Frames taken in a shorter time do not tell how many can be taken. */
const CEILING_MS_MIN = 50;
/** Fewer lost packets are an accident, whatever share they are. */
const LOST_MIN = 16;
/** Calm times after which what is known about the highest rate is doubted, and by how much. */
const DOUBT_AFTER = 4;
const DOUBT = 1.25;
/** A step back that holds for so many calm times, with rings as empty as this, was right. */
const PROVEN_AFTER = 10;
const PROVEN_OCCUPANCY = 0.05;
/** A failed attempt leaves full rings behind. For so long after it has been taken back only this share is too much. */
const DRAIN_MS = 2000;
const DRAIN_LOSS = 0.05;
const BACK_OFF_MAX = 64;
/** Steps because of lateness come at most this often: a backlog takes time to go away. */
const LATE_EVERY_MS = 2000;

export class ShedControl {
  /** The sample is 2^-shift of the packets. */
  shift = 0;
  readonly #settings: ShedSettings;
  readonly #shiftMax: number;
  /** Frames per ms at which frames were lost, as far as it is known. */
  #ceiling = Number.POSITIVE_INFINITY;
  #calmMs = 0;
  #doubtMs = 0;
  #peak = 0;
  #occupancy = 0;
  /** Time since the last step back, while it is not proven that it was right. */
  #trialMs: number | undefined;
  #sinceLateMs = Number.POSITIVE_INFINITY;
  /** Since an attempt was taken back. */
  #drainingMs = Number.POSITIVE_INFINITY;
  #backOff = 1;

  constructor(settings: ShedSettings) {
    this.#settings = settings;
    this.#shiftMax = Math.round(Math.log2(settings.fractionMin));
  }

  /** Takes a sample into account; the shift from now on. */
  step(sample: LoadSample): number {
    const { ms, taken, lost } = sample;
    if (this.#trialMs !== undefined) this.#trialMs += ms;
    this.#sinceLateMs += ms;
    this.#drainingMs += ms;
    const share =
      this.#drainingMs <= DRAIN_MS ? Math.max(DRAIN_LOSS, this.#settings.loss) : this.#settings.loss;
    const isLossy = lost >= LOST_MIN && lost > share * (taken + lost);
    if (isLossy) this.#shed(taken, lost, ms);
    else if (sample.isLate) this.#late();
    else this.#calm(sample);
    return this.shift;
  }

  /** While a full ring was emptied so many frames a ms were taken: what the sensor can do, if nothing better is known. */
  learn(rate: number): void {
    if (this.#ceiling === Number.POSITIVE_INFINITY && this.shift > 0 && rate > 0) this.#ceiling = rate;
  }

  #shed(taken: number, lost: number, ms: number): void {
    // A short look says that there is loss, not how much can be taken: learn() will.
    this.#ceiling = ms < CEILING_MS_MIN ? Number.POSITIVE_INFINITY : taken / ms;
    // An attempt that fails is taken back, no more than that: the rate before it was right.
    const share = this.#trialMs === undefined ? TARGET : 1;
    const steps = Math.ceil(Math.log2((taken + lost) / (share * Math.max(taken, 1))));
    this.#raise(Math.max(1, Math.min(steps, STEPS_MAX)));
  }

  #late(): void {
    if (this.#sinceLateMs < LATE_EVERY_MS) return;
    this.#sinceLateMs = 0;
    this.#ceiling = Math.min(this.#ceiling, this.#peak);
    this.#raise(1);
  }

  #raise(steps: number): void {
    if (this.#trialMs !== undefined) {
      this.#backOff = Math.min(2 * this.#backOff, BACK_OFF_MAX);
      this.#drainingMs = 0;
    }
    this.#trialMs = undefined;
    this.shift = Math.min(this.shift + steps, this.#shiftMax);
    this.#rest();
  }

  #calm({ ms, taken, occupancy }: LoadSample): void {
    const { calmMs } = this.#settings;
    this.#calmMs += ms;
    this.#doubtMs += ms;
    this.#peak = Math.max(this.#peak, taken / ms);
    this.#occupancy = Math.max(this.#occupancy, occupancy);
    // A ring that fills slowly may take longer than that to lose something.
    if (
      this.#trialMs !== undefined &&
      this.#trialMs >= PROVEN_AFTER * calmMs &&
      occupancy < PROVEN_OCCUPANCY
    ) {
      this.#backOff = Math.max(1, this.#backOff / 2);
      this.#trialMs = undefined;
    }
    if (this.shift === 0 || this.#calmMs < calmMs) return;
    if (2 * this.#peak <= FITS * this.#ceiling && this.#occupancy < OCCUPANCY_MAX) {
      this.shift--;
      this.#trialMs = 0;
      this.#doubtMs = 0;
    } else if (this.#doubtMs >= DOUBT_AFTER * calmMs * this.#backOff) {
      this.#doubtMs = 0;
      this.#ceiling *= DOUBT;
    }
    this.#calmMs = this.#peak = this.#occupancy = 0;
  }

  #rest(): void {
    this.#calmMs = this.#doubtMs = this.#peak = this.#occupancy = 0;
  }
}
