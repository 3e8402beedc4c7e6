/* SPDX-License-Identifier: Apache-2.0 */
/*
 * LSD radix sort of u64 keys with an optional payload, as a template. No libc, no allocation.
 *
 *   #define RADIX_NAME sort_lengths     function to define
 *   #define RADIX_PAYLOAD uint32_t      payload type; leave undefined for keys alone
 *   #include "radix.h"
 *
 * defines
 *
 *   static uint32_t sort_lengths(uint64_t *keys, uint32_t *payload, uint64_t *keys2, uint32_t *payload2,
 *                                uint32_t n, uint32_t *counts);
 *
 * that sorts n pairs by key, stably. All four arrays hold n elements; counts holds RADIX_COUNTS words of scratch.
 * Returns 0 when the result is in keys/payload, 1 when it is in keys2/payload2 (an odd number of passes).
 *
 * Only the bits in which the keys differ are looked at: digits of at most RADIX_BITS bits are laid over them from
 * below, so keys of one address block cost two or three passes, arbitrary 64-bit keys six. One pass over the keys
 * counts all digits; each further pass is one sequential read and one scattered write. 11 bits: 2048 write
 * positions still fit the first-level cache and its TLB, and 64 / 11 is just under six.
 */
#include <stdint.h>

#ifndef RADIX_COUNTS
enum { RADIX_BITS = 11, RADIX_BUCKETS = 1 << RADIX_BITS, RADIX_PASSES_MAX = 6 };
#define RADIX_COUNTS (RADIX_BUCKETS * RADIX_PASSES_MAX)

/* Lays digits over the bits in which the keys differ; returns their number, 0 when all keys are equal. */
static inline uint32_t radix_plan(const uint64_t *keys, uint32_t n, uint32_t *shifts) {
  uint64_t any = 0, all = ~(uint64_t)0;
  for (uint32_t i = 0; i < n; i++) {
    any |= keys[i];
    all &= keys[i];
  }
  uint64_t varying = n == 0 ? 0 : any & ~all;
  uint32_t passes = 0;
  while (varying != 0) {
    uint32_t shift = (uint32_t)__builtin_ctzll(varying);
    shifts[passes++] = shift;
    varying &= ~((uint64_t)(RADIX_BUCKETS - 1) << shift);
  }
  return passes;
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

#ifdef RADIX_PAYLOAD
#define RADIX_WITH(...) __VA_ARGS__
#else
#define RADIX_WITH(...)
#endif

static uint32_t RADIX_NAME(uint64_t *keys, RADIX_WITH(RADIX_PAYLOAD *payload, ) uint64_t *keys2,
                           RADIX_WITH(RADIX_PAYLOAD *payload2, ) uint32_t n, uint32_t *counts) {
  uint32_t shifts[RADIX_PASSES_MAX];
  uint32_t passes = radix_plan(keys, n, shifts);
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

#undef RADIX_WITH
#undef RADIX_NAME
#ifdef RADIX_PAYLOAD
#undef RADIX_PAYLOAD
#endif
