/**
 * The raw archives of one hour, as columns: 33 bytes a row, since two days of a site are millions of rows.
 * Rows are in order of their start once `sorted()` has been called; row numbers hold until the next change.
 */

/** Which roll-ups contain a row. */
export const IN_ROLLUP = { "1m": 1, "1h": 2, "1d": 4 } as const;

export interface ShelfRow {
  /** ns since the start of the hour. */
  offset: number;
  /** Run.id */
  run: number;
  sequence: number;
  /** Bytes of the file. */
  size: number;
  /** When the file was written, ms since 1970. */
  written: number;
}

const INITIAL_ROWS = 64;

export class Shelf {
  count = 0;
  bytes = 0;
  offset = new Float64Array(INITIAL_ROWS);
  run = new Uint32Array(INITIAL_ROWS);
  sequence = new Float64Array(INITIAL_ROWS);
  size = new Uint32Array(INITIAL_ROWS);
  written = new Float64Array(INITIAL_ROWS);
  flags = new Uint8Array(INITIAL_ROWS);
  #ordered = true;

  add(row: ShelfRow): void {
    if (this.count === this.offset.length) this.#resize(2 * this.count);
    const at = this.count++;
    this.#ordered &&= at === 0 || this.offset[at - 1]! <= row.offset;
    this.offset[at] = row.offset;
    this.run[at] = row.run;
    this.sequence[at] = row.sequence;
    this.size[at] = row.size;
    this.written[at] = row.written;
    this.flags[at] = 0;
    this.bytes += row.size;
  }

  /** Puts the rows in order of start. */
  sorted(): this {
    if (!this.#ordered) {
      const order = Array.from({ length: this.count }, (_, at) => at).sort(
        (a, b) => this.offset[a]! - this.offset[b]!,
      );
      this.#take(order, this.offset.length);
      this.#ordered = true;
    }
    return this;
  }

  /** Rows [first, end) whose start lies in [from, to) ns of the hour. */
  between(from: number, to: number): [first: number, end: number] {
    this.sorted();
    return [this.#lowerBound(from), this.#lowerBound(to)];
  }

  /** Drops the rows for which `gone` is true. */
  remove(gone: (row: number) => boolean): void {
    const kept: number[] = [];
    for (let at = 0; at < this.count; at++) {
      if (gone(at)) this.bytes -= this.size[at]!;
      else kept.push(at);
    }
    if (kept.length < this.count) this.#take(kept, Math.max(INITIAL_ROWS, kept.length));
  }

  #lowerBound(offset: number): number {
    let low = 0;
    let high = this.count;
    while (low < high) {
      const middle = (low + high) >>> 1;
      if (this.offset[middle]! < offset) low = middle + 1;
      else high = middle;
    }
    return low;
  }

  #take(order: readonly number[], capacity: number): void {
    const pick = <T extends Float64Array | Uint32Array | Uint8Array>(column: T): T => {
      const taken = new (column.constructor as new (length: number) => T)(capacity);
      for (let at = 0; at < order.length; at++) taken[at] = column[order[at]!]!;
      return taken;
    };
    this.#columns(pick);
    this.count = order.length;
  }

  #resize(capacity: number): void {
    this.#columns((column) => {
      const grown = new (column.constructor as new (length: number) => typeof column)(capacity);
      grown.set(column);
      return grown;
    });
  }

  #columns(change: <T extends Float64Array | Uint32Array | Uint8Array>(column: T) => T): void {
    this.offset = change(this.offset);
    this.run = change(this.run);
    this.sequence = change(this.sequence);
    this.size = change(this.size);
    this.written = change(this.written);
    this.flags = change(this.flags);
  }
}
