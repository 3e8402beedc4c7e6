// SPDX-License-Identifier: Apache-2.0
/*
 * Stable LSD radix sort of u32 or u64 keys with an optional payload of 4 or 8 bytes, for hosts without a
 * libc. Digits of up to 11 bits are laid only over bits in which the keys differ, so that sorting addresses
 * of one network, or indices with constant high bits, takes as few passes as their entropy needs. Keys that
 * their upper digits tell apart are sorted by those alone. There is no worst case that an attacker could
 * find: at most twice the time of any other keys.
 */
#ifndef GB_RADIX_H
#define GB_RADIX_H
#include "gb.h"

#define RADIX_BITS_MAX 11
#define RADIX_INSERTION 24 /* up to here insertion sort is faster */

/* Payload element widths in bytes; the constants make each caller's copy of the loop. */
#define NO_PAYLOAD 0u
#define PAYLOAD32 4u
#define PAYLOAD64 8u

#define RADIX_PASSES_MAX 8 /* 64 bits in digits of 8 */

typedef struct {
  u32 shift, mask;
} RadixDigit;

static u32 radix_counts[2][1u << RADIX_BITS_MAX];

INLINE void radix_move(void *to, size_t t, const void *from, size_t f, u32 payload) {
  if (payload == PAYLOAD32) ((u32 *)to)[t] = ((const u32 *)from)[f];
  if (payload == PAYLOAD64) ((u64 *)to)[t] = ((const u64 *)from)[f];
}

/* Counts to starting positions. */
INLINE void radix_starts(u32 *counts, u32 mask) {
  u32 sum = 0;
  for (u32 d = 0; d <= mask; d++) {
    u32 count = counts[d];
    counts[d] = sum;
    sum += count;
  }
}

/*
 * One pass: scatters by `digit` with its counts, and counts the next digit on the way, unless it is the
 * last.
 */
INLINE void radix_pass(const void *keys, void *keys_to, u32 wide, const void *load, void *load_to,
                       u32 payload, u32 n, RadixDigit digit, RadixDigit next, u32 *at, u32 *counts_next,
                       int last) {
  radix_starts(at, digit.mask);
  if (!last) memset(counts_next, 0, sizeof(u32) * ((size_t)next.mask + 1));
  for (u32 i = 0; i < n; i++) {
    u64 key = get(keys, wide, i);
    u32 to = at[(u32)(key >> digit.shift) & digit.mask]++;
    if (!last) counts_next[(u32)(key >> next.shift) & next.mask]++;
    put(keys_to, wide, to, key);
    radix_move(load_to, to, load, i, payload);
  }
}

/* Lays digits over the bits that vary; returns their number. */
static u32 radix_plan(u64 varying, u32 n, RadixDigit *digits) {
  u32 most = n < 4096 ? 8 : RADIX_BITS_MAX,
      count = 0; /* small inputs would spend their time in the counters */
  while (varying) {
    u32 shift = (u32)__builtin_ctzll(varying), span = 64 - (u32)__builtin_clzll(varying) - shift;
    u32 passes = (span + most - 1) / most, bits = (span + passes - 1) / passes;
    digits[count++] = (RadixDigit){shift, (1u << bits) - 1};
    varying &= ~((((u64)1 << bits) - 1) << shift);
  }
  return count;
}

/* Insertion sort that gives up, leaving a permutation, once it has moved more than `budget` elements. */
INLINE int radix_mend(void *keys, u32 wide, void *load, u32 payload, u32 n, u32 budget) {
  u64 previous = get(keys, wide, 0);
  for (u32 i = 1; i < n; i++) {
    u64 key = get(keys, wide, i);
    if (key >= previous) {
      previous = key;
      continue;
    }
    u64 held = payload ? get(load, payload == PAYLOAD64, i) : 0;
    u32 j = i;
    for (; j && get(keys, wide, j - 1) > key && budget; j--, budget--) {
      put(keys, wide, j, get(keys, wide, j - 1));
      radix_move(load, j, load, j - 1, payload);
    }
    put(keys, wide, j, key);
    if (payload) put(load, payload == PAYLOAD64, j, held);
    if (!budget) return 0;
  }
  return 1;
}

/*
 * Would it do to sort by the bits from `shift` up and mend the rest? Yes if in a sample no two keys agree in
 * those bits only, as with addresses that are all different; no if a few sources have most of the traffic.
 */
INLINE int radix_top_separates(const void *keys, u32 wide, u32 n, u32 shift) {
  static u64 seen[1024];
  u32 alike = 0, step = n / 512;
  if (!step) return 0;
  memset(seen, 0xff, sizeof seen);
  for (u32 i = 0; i < n; i += step) {
    u64 key = get(keys, wide, i), *slot = &seen[(key >> shift) * 0x9e3779b97f4a7c15ull >> 54];
    alike += *slot >> shift == key >> shift && *slot != key;
    *slot = key;
  }
  return alike < 2;
}

/* Sorts by digits[first..passes-1]. Returns 1 if the data ended in the scratch arrays. */
INLINE int radix_passes(void *keys, void *keys_scratch, u32 wide, void *load, void *load_scratch, u32 payload,
                        u32 n, const RadixDigit *digits, u32 first, u32 passes) {
  memset(radix_counts[first & 1], 0, sizeof radix_counts[0]);
  for (u32 i = 0; i < n; i++)
    radix_counts[first & 1][(u32)(get(keys, wide, i) >> digits[first].shift) & digits[first].mask]++;
  for (u32 pass = first; pass < passes; pass++) {
    u32 *at = radix_counts[pass & 1], *next = radix_counts[~pass & 1];
    if (pass + 1 < passes)
      radix_pass(keys, keys_scratch, wide, load, load_scratch, payload, n, digits[pass], digits[pass + 1], at,
                 next, 0);
    else
      radix_pass(keys, keys_scratch, wide, load, load_scratch, payload, n, digits[pass], digits[pass], at,
                 next, 1);
    void *swap = keys;
    keys = keys_scratch;
    keys_scratch = swap;
    swap = load;
    load = load_scratch;
    load_scratch = swap;
  }
  return (int)((passes - first) & 1);
}

/* The bits in which n keys differ. */
INLINE u64 radix_varying(const void *keys, u32 wide, u32 n) {
  u64 varying = 0, first = n ? get(keys, wide, 0) : 0;
  for (u32 i = 1; i < n; i++) varying |= get(keys, wide, i) ^ first;
  return varying;
}

/*
 * Sorts n keys (u64 if wide), which differ in no other bits than `varying`, and their payload. The scratch
 * arrays have room for n. Returns 1 if the sorted data ended in the scratch arrays, 0 if in the given ones:
 * the caller swaps its pointers instead of copying.
 */
INLINE int radix_sort(void *keys, void *keys_scratch, u32 wide, void *load, void *load_scratch, u32 payload,
                      u32 n, u64 varying) {
  if (n <= RADIX_INSERTION) {
    if (n) radix_mend(keys, wide, load, payload, n, UINT32_MAX);
    return 0;
  }
  RadixDigit digits[RADIX_PASSES_MAX];
  u32 passes = radix_plan(varying, n, digits), first = passes, bits = 0,
      needed = 32 - (u32)__builtin_clz(n) + 12;
  if (!passes) return 0;
  while (first && bits < needed) bits += 32 - (u32)__builtin_clz(digits[--first].mask);
  if (first && !radix_top_separates(keys, wide, n, digits[first].shift)) first = 0;
  for (int swapped = 0;; first = 0) { /* a second time only if the upper digits did not do */
    void *from = swapped ? keys_scratch : keys, *to = swapped ? keys : keys_scratch;
    void *load_from = swapped ? load_scratch : load, *load_to = swapped ? load : load_scratch;
    swapped ^= radix_passes(from, to, wide, load_from, load_to, payload, n, digits, first, passes);
    if (!first ||
        radix_mend(swapped ? keys_scratch : keys, wide, swapped ? load_scratch : load, payload, n, n / 2))
      return swapped;
  }
}
#endif
