/** Least-significant-digit radix sorts that say where each key was: linear, and no input makes them slow. */

const DIGIT_BITS = 11;
const DIGITS = 1 << DIGIT_BITS;

/** `keys` ascending (`keys` itself where it is so), and the position each had; equal keys keep their order. */
export function sortWithPositions(keys: Uint32Array): { sorted: Uint32Array; positions: Uint32Array } {
  const count = keys.length;
  let from = keys;
  let places: Uint32Array | undefined;
  // What a pass read from is what the one after it writes to; but never the caller's keys.
  let spare: [Uint32Array, Uint32Array] | undefined;
  for (let shift = 0; shift < 32; shift += DIGIT_BITS) {
    const next = new Uint32Array(DIGITS);
    for (let at = 0; at < count; at++) next[(from[at]! >>> shift) & (DIGITS - 1)]!++;
    if (next.includes(count)) continue;
    startsOf(next);
    const [sorted, positions] = spare ?? [new Uint32Array(count), new Uint32Array(count)];
    for (let at = 0; at < count; at++) {
      const key = from[at]!;
      const to = next[(key >>> shift) & (DIGITS - 1)]!++;
      sorted[to] = key;
      positions[to] = places === undefined ? at : places[at]!;
    }
    spare = places === undefined ? undefined : [from, places];
    from = sorted;
    places = positions;
  }
  return { sorted: from, positions: places ?? Uint32Array.from({ length: count }, (_, at) => at) };
}

/**
 * Positions of records of `stride` bytes in ascending order of the `width` bytes at `offset`, as a big-endian number or a
 * little-endian one. Equal keys keep their order. A byte that is the same in all records costs no pass but the look.
 */
export function sortRecords(
  bytes: Uint8Array,
  {
    stride,
    offset,
    width,
    order,
  }: { stride: number; offset: number; width: number; order: "big" | "little" },
): Uint32Array {
  const count = bytes.length / stride;
  let positions = Uint32Array.from({ length: count }, (_, at) => at);
  let spare = new Uint32Array(count);
  for (let digit = 0; digit < width; digit++) {
    const base = offset + (order === "little" ? digit : width - 1 - digit);
    const next = new Uint32Array(256);
    for (let at = base; at < bytes.length; at += stride) next[bytes[at]!]!++;
    if (next.includes(count)) continue;
    startsOf(next);
    for (let at = 0; at < count; at++) {
      const position = positions[at]!;
      spare[next[bytes[position * stride + base]!]!++] = position;
    }
    [positions, spare] = [spare, positions];
  }
  return positions;
}

/** Counts of digits to where each digit's keys start. */
function startsOf(counts: Uint32Array): void {
  let total = 0;
  for (let digit = 0; digit < counts.length; digit++) {
    const count = counts[digit]!;
    counts[digit] = total;
    total += count;
  }
}
