/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Radix sort of u64 keys with an optional payload, as a template. No libc, no allocation.
 *
 *   #define RADIX_NAME sort_lengths     function to define
 *   #define RADIX_PAYLOAD uint32_t      payload type; leave undefined for keys alone
 *   #include "radix.h"
 *
 * defines
 *
 *   static uint32_t sort_lengths(uint64_t *keys, uint32_t *payload, uint64_t *keys2, uint32_t *payload2,
 *                                uint32_t n, struct radix *radix);
 *
 * that sorts n pairs by key. All four arrays hold n elements; `radix` is scratch that also remembers what worked, so
 * keep one per kind of data (zeroed at first). Returns 0 when the result is in keys/payload, 1 when it is in
 * keys2/payload2 (an odd number of passes). The order of equal keys is kept.
 *
 * Only bits in which the keys differ are looked at. Digits of at most RADIX_BITS bits are laid over them, so keys of
 * one address block cost two or three passes (least significant digit first), arbitrary 64-bit keys six. One pass over
 * the keys counts all digits; each further pass is one sequential read and one scattered write. 11 bits: 2048 write
 * positions are still served by the second-level cache and its TLB, and 64 / 11 is just under six.
 *
 * Scattered keys need less: sorted by their upper 22 or 33 bits they are in order but for a few neighbours, which a
 * pass of insertion mends. It has a budget of moves, so hostile keys cannot make it quadratic: when it is spent, all
 * digits are sorted, and the short cut is left alone for the next RADIX_WARY sorts.
 */
#include <stdint.h>

#ifndef RADIX_BITS
#define RADIX_BITS 11
enum { RADIX_BUCKETS = 1 << RADIX_BITS, RADIX_PASSES_MAX = 6 };
enum { RADIX_UPPER_MIN = 2, RADIX_UPPER_MAX = 3, RADIX_WARY = 31 };

struct radix {
  uint32_t counts[RADIX_BUCKETS * RADIX_PASSES_MAX];
  uint32_t failed; /* the most upper digits that lately were not enough; 0: none */
  uint32_t wary;   /* sorts until that is forgotten */
};

/* The bits in which the keys differ. */
static inline uint64_t radix_varying(const uint64_t *keys, uint32_t n) {
  uint64_t any = 0, all = ~(uint64_t)0;
  for (uint32_t i = 0; i < n; i++) {
    any |= keys[i];
    all &= keys[i];
  }
  return n == 0 ? 0 : any & ~all;
}

/* Lays digits over all varying bits, from below; returns their number, at most RADIX_PASSES_MAX. */
static inline uint32_t radix_plan(uint64_t varying, uint32_t *shifts) {
  uint32_t passes = 0;
  while (varying != 0) {
    uint32_t shift = (uint32_t)__builtin_ctzll(varying);
    shifts[passes++] = shift;
    varying &= ~((uint64_t)(RADIX_BUCKETS - 1) << shift);
  }
  return passes;
}

/* Lays `digits` digits over the uppermost varying bits, the lowest digit first. There must be more bits than that. */
static inline void radix_plan_upper(uint64_t varying, uint32_t digits, uint32_t *shifts) {
  while (digits-- > 0) {
    uint32_t shift = 64 - (uint32_t)__builtin_clzll(varying) - RADIX_BITS;
    shifts[digits] = shift;
    varying &= ((uint64_t)1 << shift) - 1;
  }
}

static inline __attribute__((always_inline)) void radix_count_digits(const uint64_t *keys, uint32_t n,
                                                                     const uint32_t *shifts, uint32_t passes,
                                                                     uint32_t *counts) {
  for (uint32_t i = 0; i < n; i++) {
    uint64_t key = keys[i];
    for (uint32_t pass = 0; pass < passes; pass++)
      counts[pass * RADIX_BUCKETS + ((key >> shifts[pass]) & (RADIX_BUCKETS - 1))]++;
  }
}

/* Counts every digit in one pass over the keys; the switch lets each number of passes be unrolled. */
static inline void radix_count(const uint64_t *keys, uint32_t n, const uint32_t *shifts, uint32_t passes,
                               uint32_t *counts) {
  __builtin_memset(counts, 0, passes * RADIX_BUCKETS * sizeof *counts);
  switch (passes) {
    case 1: radix_count_digits(keys, n, shifts, 1, counts); break;
    case 2: radix_count_digits(keys, n, shifts, 2, counts); break;
    case 3: radix_count_digits(keys, n, shifts, 3, counts); break;
    case 4: radix_count_digits(keys, n, shifts, 4, counts); break;
    case 5: radix_count_digits(keys, n, shifts, 5, counts); break;
    default: radix_count_digits(keys, n, shifts, passes, counts); break;
  }
}

/* Counts to start positions, in place. */
static inline void radix_positions(uint32_t *counts) {
  uint32_t sum = 0;
  for (uint32_t i = 0; i < RADIX_BUCKETS; i++) {
    uint32_t count = counts[i];
    counts[i] = sum;
    sum += count;
  }
}
#endif

#define RADIX_PASTE_(a, b) a##b
#define RADIX_PASTE(a, b) RADIX_PASTE_(a, b)
#define RADIX_MEND RADIX_PASTE(RADIX_NAME, _mend)
#define RADIX_PASSES RADIX_PASTE(RADIX_NAME, _passes)

#ifdef RADIX_PAYLOAD
#define RADIX_WITH(...) __VA_ARGS__
#else
#define RADIX_WITH(...)
#endif

/* Sorts by the given digits, lowest first. Returns the parity of the passes. */
static uint32_t RADIX_PASSES(uint64_t *keys, RADIX_WITH(RADIX_PAYLOAD *payload, ) uint64_t *keys2,
                             RADIX_WITH(RADIX_PAYLOAD *payload2, ) uint32_t n, const uint32_t *shifts, uint32_t passes,
                             uint32_t *counts) {
  radix_count(keys, n, shifts, passes, counts);
  for (uint32_t pass = 0; pass < passes; pass++) {
    uint32_t *position = counts + pass * RADIX_BUCKETS, shift = shifts[pass];
    radix_positions(position);
    for (uint32_t i = 0; i < n; i++) {
      uint64_t key = keys[i];
      uint32_t to = position[(key >> shift) & (RADIX_BUCKETS - 1)]++;
      keys2[to] = key;
      RADIX_WITH(payload2[to] = payload[i];)
    }
    uint64_t *swap = keys;
    keys = keys2;
    keys2 = swap;
    RADIX_WITH(RADIX_PAYLOAD *swap_payload = payload; payload = payload2; payload2 = swap_payload;)
  }
  return passes & 1;
}

/* Insertion sort of what is nearly in order; gives up (returns 0) after n / 4 moves. */
static uint32_t RADIX_MEND(uint64_t *keys, RADIX_WITH(RADIX_PAYLOAD *payload, ) uint32_t n) {
  uint32_t moves = n / 4;
  for (uint32_t i = 1; i < n; i++) {
    uint64_t key = keys[i];
    if (__builtin_expect(key >= keys[i - 1], 1)) continue;
    RADIX_WITH(RADIX_PAYLOAD value = payload[i];)
    uint32_t to = i;
    for (; to > 0 && keys[to - 1] > key && moves > 0; to--, moves--) {
      keys[to] = keys[to - 1];
      RADIX_WITH(payload[to] = payload[to - 1];)
    }
    keys[to] = key;
    RADIX_WITH(payload[to] = value;)
    if (moves == 0) return 0;
  }
  return 1;
}

static uint32_t RADIX_NAME(uint64_t *keys, RADIX_WITH(RADIX_PAYLOAD *payload, ) uint64_t *keys2,
                           RADIX_WITH(RADIX_PAYLOAD *payload2, ) uint32_t n, struct radix *radix) {
  uint32_t shifts[RADIX_PASSES_MAX], upper_shifts[RADIX_UPPER_MAX], moved = 0;
  uint64_t varying = radix_varying(keys, n);
  uint32_t passes = radix_plan(varying, shifts);
  if (radix->wary != 0 && --radix->wary == 0) radix->failed = 0;
  uint32_t upper = radix->failed < RADIX_UPPER_MIN ? RADIX_UPPER_MIN : radix->failed + 1;
  for (;; upper++) {
    uint32_t is_short = upper <= RADIX_UPPER_MAX && upper < passes;
    if (is_short) radix_plan_upper(varying, upper, upper_shifts);
    if (RADIX_PASSES(keys, RADIX_WITH(payload, ) keys2, RADIX_WITH(payload2, ) n, is_short ? upper_shifts : shifts,
                     is_short ? upper : passes, radix->counts)) {
      uint64_t *swap = keys;
      keys = keys2;
      keys2 = swap;
      RADIX_WITH(RADIX_PAYLOAD *swap_payload = payload; payload = payload2; payload2 = swap_payload;)
      moved ^= 1;
    }
    if (!is_short || RADIX_MEND(keys, RADIX_WITH(payload, ) n)) return moved;
    radix->failed = upper;
    radix->wary = RADIX_WARY;
  }
}

#undef RADIX_WITH
#undef RADIX_MEND
#undef RADIX_PASSES
#undef RADIX_PASTE
#undef RADIX_PASTE_
#undef RADIX_NAME
#ifdef RADIX_PAYLOAD
#undef RADIX_PAYLOAD
#endif
