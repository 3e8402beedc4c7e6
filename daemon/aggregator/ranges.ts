/** A set of sequence numbers as disjoint, ascending, inclusive ranges: a run without gaps is one range. */
export class RangeSet {
  /** [first, last, first, last, ...] */
  readonly #bounds: number[] = [];

  /** Adds first..last (inclusive); joins what touches. */
  add(first: number, last = first): void {
    const bounds = this.#bounds;
    const end = bounds.length;
    if (end > 0 && first === bounds[end - 1]! + 1) {
      bounds[end - 1] = last;
      return;
    }
    let from = this.#firstEndingAtOrAfter(first - 1);
    const start = from;
    while (from < end && bounds[from]! <= last + 1) from += 2;
    if (from > start) {
      first = Math.min(first, bounds[start]!);
      last = Math.max(last, bounds[from - 1]!);
    }
    bounds.splice(start, from - start, first, last);
  }

  has(sequence: number): boolean {
    const at = this.#firstEndingAtOrAfter(sequence);
    return at < this.#bounds.length && this.#bounds[at]! <= sequence;
  }

  /** How many sequence numbers. */
  get size(): number {
    let size = 0;
    for (const [first, last] of this) size += last - first + 1;
    return size;
  }

  get first(): number | undefined {
    return this.#bounds[0];
  }

  get last(): number | undefined {
    return this.#bounds.at(-1);
  }

  /** Numbers between the first and the last that are not in the set. */
  get missing(): number {
    return this.#bounds.length === 0 ? 0 : this.last! - this.first! + 1 - this.size;
  }

  *[Symbol.iterator](): Generator<[first: number, last: number]> {
    for (let at = 0; at < this.#bounds.length; at += 2) yield [this.#bounds[at]!, this.#bounds[at + 1]!];
  }

  /** Offset in the bounds of the first range whose end is not below `sequence`. */
  #firstEndingAtOrAfter(sequence: number): number {
    let low = 0;
    let high = this.#bounds.length / 2;
    while (low < high) {
      const middle = (low + high) >>> 1;
      if (this.#bounds[2 * middle + 1]! < sequence) low = middle + 1;
      else high = middle;
    }
    return 2 * low;
  }
}
