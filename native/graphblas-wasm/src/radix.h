/*
 * Stable LSD radix sort of u32 or u64 keys with an optional payload of 4 or 8 bytes, for hosts without a libc.
 * Digits of up to 11 bits are laid only over bits in which the keys differ, so that sorting addresses of one network, or
 * indices with constant high bits, takes as few passes as their entropy needs. Time does not depend on the order of the
 * input, and there is no worst case: an attacker's keys cost what random ones cost.
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

INLINE void radix_insertion(void *keys, u32 wide, void *load, u32 payload, u32 n) {
  for (u32 i = 1; i < n; i++) {
    u64 key = get(keys, wide, i), held = payload == PAYLOAD64 ? ((u64 *)load)[i] : payload ? ((u32 *)load)[i] : 0;
    u32 j = i;
    for (; j && get(keys, wide, j - 1) > key; j--) {
      put(keys, wide, j, get(keys, wide, j - 1));
      radix_move(load, j, load, j - 1, payload);
    }
    put(keys, wide, j, key);
    if (payload) put(load, payload == PAYLOAD64, j, held);
  }
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

/* One pass: scatters by `digit` with its counts, and counts the next digit on the way. */
INLINE void radix_pass(const void *keys, void *keys_to, u32 wide, const void *load, void *load_to, u32 payload, u32 n,
                       RadixDigit digit, RadixDigit next, u32 *at, u32 *counts_next) {
  radix_starts(at, digit.mask);
  memset(counts_next, 0, sizeof(u32) * ((size_t)next.mask + 1));
  for (u32 i = 0; i < n; i++) {
    u64 key = get(keys, wide, i);
    u32 to = at[(u32)(key >> digit.shift) & digit.mask]++;
    counts_next[(u32)(key >> next.shift) & next.mask]++;
    put(keys_to, wide, to, key);
    radix_move(load_to, to, load, i, payload);
  }
}

/* Lays digits over the bits that vary; returns their number. */
static u32 radix_plan(u64 varying, u32 n, RadixDigit *digits) {
  u32 most = n < 4096 ? 8 : RADIX_BITS_MAX, count = 0; /* small inputs would spend their time in the counters */
  while (varying) {
    u32 shift = (u32)__builtin_ctzll(varying), span = 64 - (u32)__builtin_clzll(varying) - shift;
    u32 passes = (span + most - 1) / most, bits = (span + passes - 1) / passes;
    digits[count++] = (RadixDigit){shift, (1u << bits) - 1};
    varying &= ~((((u64)1 << bits) - 1) << shift);
  }
  return count;
}

/*
 * Sorts n keys (u64 if wide) and their payload. The scratch arrays have room for n. Returns 1 if the sorted data ended in
 * the scratch arrays, 0 if in the given ones: the caller swaps its pointers instead of copying.
 */
INLINE int radix_sort(void *keys, void *keys_scratch, u32 wide, void *load, void *load_scratch, u32 payload, u32 n) {
  if (n <= RADIX_INSERTION) {
    radix_insertion(keys, wide, load, payload, n);
    return 0;
  }
  u64 varying = 0, first = get(keys, wide, 0);
  for (u32 i = 1; i < n; i++) varying |= get(keys, wide, i) ^ first;
  RadixDigit digits[RADIX_PASSES_MAX + 1];
  u32 passes = radix_plan(varying, n, digits);
  if (!passes) return 0;
  digits[passes] = (RadixDigit){0, 0};
  memset(radix_counts[0], 0, sizeof radix_counts[0]);
  for (u32 i = 0; i < n; i++) radix_counts[0][(u32)(get(keys, wide, i) >> digits[0].shift) & digits[0].mask]++;
  for (u32 pass = 0; pass < passes; pass++) {
    u32 *at = radix_counts[pass & 1], *next = radix_counts[~pass & 1];
    radix_pass(keys, keys_scratch, wide, load, load_scratch, payload, n, digits[pass], digits[pass + 1], at, next);
    void *swap = keys;
    keys = keys_scratch;
    keys_scratch = swap;
    swap = load;
    load = load_scratch;
    load_scratch = swap;
  }
  return passes & 1;
}
#endif
