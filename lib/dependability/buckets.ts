/**
 * Figures over sliding windows in bounded space: for each window a ring of buckets of whole numbers. Times are ms of a
 * service clock (service-clock.ts), which never runs backwards. A window is its current bucket and those before it,
 * so it is exact to a bucket's length at its far end.
 */

/** What is summed. Times in ms; intervals and frames by the piece. */
export const FIGURES = ["due_ms", "complete_ms", "due", "delivered", "offered", "counted"] as const;
export type Figure = (typeof FIGURES)[number];
export type Totals = Record<Figure, number>;

/** 1 hour to the minute, 1 day to the half hour, 30 days to the half day. */
export const WINDOWS = [
  { name: "1h", bucketMs: 60_000, buckets: 60 },
  { name: "1d", bucketMs: 1_800_000, buckets: 48 },
  { name: "30d", bucketMs: 43_200_000, buckets: 60 },
] as const;
export type WindowName = (typeof WINDOWS)[number]["name"];

/** The longest window, ms: nothing older is ever asked for. */
export const WINDOW_MS_MAX = 30 * 86_400_000;

const WIDTH = FIGURES.length;
const COLUMN = Object.fromEntries(FIGURES.map((figure, i) => [figure, i])) as Record<Figure, number>;

export const noTotals = (): Totals => Object.fromEntries(FIGURES.map((figure) => [figure, 0])) as Totals;

/** One window's ring. A bucket is named by its number since the clock's zero; its slot is that modulo the size. */
class Ring {
  readonly #names: Float64Array;
  readonly #values: Float64Array;
  constructor(
    readonly bucketMs: number,
    readonly size: number,
  ) {
    this.#names = new Float64Array(size).fill(-1);
    this.#values = new Float64Array(size * WIDTH);
  }

  add(bucket: number, figure: Figure, amount: number): void {
    const slot = bucket % this.size;
    if (this.#names[slot]! > bucket) return;
    if (this.#names[slot]! < bucket) {
      this.#names[slot] = bucket;
      this.#values.fill(0, slot * WIDTH, (slot + 1) * WIDTH);
    }
    this.#values[slot * WIDTH + COLUMN[figure]]! += amount;
  }

  /** Buckets that may still matter of [from, to]: the newest `size` of them. */
  *touched(from: number, to: number): Generator<number> {
    const last = Math.floor(to / this.bucketMs);
    const first = Math.max(Math.floor(from / this.bucketMs), last - this.size + 1);
    for (let bucket = first; bucket <= last; bucket++) yield bucket;
  }

  sum(now: number): Totals {
    const last = Math.floor(now / this.bucketMs);
    const totals = noTotals();
    for (let slot = 0; slot < this.size; slot++) {
      const bucket = this.#names[slot]!;
      if (bucket < 0 || bucket > last || bucket <= last - this.size) continue;
      for (const figure of FIGURES) totals[figure] += this.#values[slot * WIDTH + COLUMN[figure]]!;
    }
    return totals;
  }

  /** [number, ...figures] of each bucket that is not empty. */
  rows(): number[][] {
    const rows: number[][] = [];
    for (let slot = 0; slot < this.size; slot++) {
      const values = [...this.#values.subarray(slot * WIDTH, (slot + 1) * WIDTH)];
      if (values.some((value) => value !== 0)) rows.push([this.#names[slot]!, ...values]);
    }
    return rows;
  }
}

export class Buckets {
  readonly #rings = WINDOWS.map(({ bucketMs, buckets }) => new Ring(bucketMs, buckets));

  /** Adds whole things that happened at one time. */
  add(figure: Figure, at: number, amount: number): void {
    if (at < 0 || amount === 0) return;
    for (const ring of this.#rings) ring.add(Math.floor(at / ring.bucketMs), figure, amount);
  }

  /** Adds the ms of [from, to), each to the bucket it lies in. */
  spread(figure: Figure, from: number, to: number): void {
    if (to <= from || from < 0) return;
    for (const ring of this.#rings) {
      for (const bucket of ring.touched(from, to - 1)) {
        const begin = Math.max(from, bucket * ring.bucketMs);
        ring.add(bucket, figure, Math.min(to, (bucket + 1) * ring.bucketMs) - begin);
      }
    }
  }

  /** Adds one thing at from + step, from + 2 step, ..., `count` of them, without a loop over them. */
  steps(figure: Figure, from: number, step: number, count: number): void {
    if (count <= 0 || step <= 0 || from < 0) return;
    const until = (time: number): number => Math.max(0, Math.min(count, Math.ceil((time - from) / step) - 1));
    for (const ring of this.#rings) {
      for (const bucket of ring.touched(from + step, from + count * step)) {
        const amount = until((bucket + 1) * ring.bucketMs) - until(bucket * ring.bucketMs);
        if (amount > 0) ring.add(bucket, figure, amount);
      }
    }
  }

  totals(now: number): Record<WindowName, Totals> {
    return Object.fromEntries(this.#rings.map((ring, i) => [WINDOWS[i]!.name, ring.sum(now)])) as Record<
      WindowName,
      Totals
    >;
  }

  toJSON(): number[][][] {
    return this.#rings.map((ring) => ring.rows());
  }

  /** What toJSON() gave, of a clock that stands at `now`; undefined when it is not that. */
  static from(json: unknown, now = Number.MAX_SAFE_INTEGER): Buckets | undefined {
    if (!Array.isArray(json) || json.length !== WINDOWS.length) return undefined;
    const made = new Buckets();
    for (const [i, ring] of made.#rings.entries()) {
      const rows: unknown = json[i];
      if (!Array.isArray(rows) || rows.length > ring.size || !rows.every(isRow)) return undefined;
      // A bucket of the future would keep its slot until then.
      if (rows.some(([bucket]) => bucket! * ring.bucketMs > now)) return undefined;
      for (const [bucket, ...values] of rows) {
        for (const [at, figure] of FIGURES.entries()) ring.add(bucket!, figure, values[at]!);
      }
    }
    return made;
  }
}

const isRow = (row: unknown): row is number[] =>
  Array.isArray(row) &&
  row.length === WIDTH + 1 &&
  row.every((value) => Number.isSafeInteger(value) && value >= 0);
