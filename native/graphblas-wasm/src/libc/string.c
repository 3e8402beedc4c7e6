// SPDX-License-Identifier: Apache-2.0
/*
 * memcpy and friends for a module without a libc. Short runs are copied by hand: the engine turns each
 * bulk-memory instruction into a call, which costs more than a short copy. Long ones use the bulk
 * instruction.
 */
#include <stdint.h>
#include <string.h>

#define BULK_BYTES 96 /* from here on memory.copy and memory.fill win */

typedef uint64_t __attribute__((aligned(1), may_alias)) unaligned64;

void *memcpy(void *restrict to, const void *restrict from, size_t bytes) {
  if (bytes >= BULK_BYTES) return __builtin_memcpy(to, from, bytes);
  char *t = to;
  const char *f = from;
  for (; bytes >= 8; bytes -= 8, t += 8, f += 8) *(unaligned64 *)t = *(const unaligned64 *)f;
#pragma clang loop vectorize(disable) unroll(disable)
  while (bytes--) *t++ = *f++;
  return to;
}

void *memmove(void *to, const void *from, size_t bytes) { return __builtin_memmove(to, from, bytes); }

void *memset(void *to, int value, size_t bytes) {
  if (bytes >= BULK_BYTES) return __builtin_memset(to, value, bytes);
  char *t = to;
  uint64_t wide = (uint8_t)value * 0x0101010101010101ull;
  for (; bytes >= 8; bytes -= 8, t += 8) *(unaligned64 *)t = wide;
#pragma clang loop vectorize(disable) unroll(disable)
  while (bytes--) *t++ = (char)value;
  return to;
}

int memcmp(const void *a, const void *b, size_t bytes) {
  const uint8_t *p = a, *q = b;
  for (; bytes >= 8 && *(const unaligned64 *)p == *(const unaligned64 *)q; bytes -= 8) p += 8, q += 8;
  for (; bytes; bytes--, p++, q++)
    if (*p != *q) return *p < *q ? -1 : 1;
  return 0;
}
