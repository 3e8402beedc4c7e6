// SPDX-License-Identifier: Apache-2.0
/* Lists of indices: checked, and put in order. */
#include "indices.h"
#include "radix.h"

static Info sort_list(Indices *s) {
  u32 n = (u32)s->count;
  for (u32 k = 0; k < 4; k++)
    if (!(s->owned[k] = heap_allocate((u64)n * (k < 2 ? 8 : 4)))) return fail_memory();
  u64 *keys = s->owned[0];
  u32 *order = s->owned[2];
  memcpy(keys, s->list, (size_t)n * 8);
  for (u32 k = 0; k < n; k++) order[k] = k;
  int swapped = radix_sort(keys, s->owned[1], 1, order, s->owned[3], PAYLOAD32, n, radix_varying(keys, 1, n));
  s->sorted = s->owned[swapped];
  s->order = s->owned[2 + swapped];
  return OK;
}

static Info open_list(Indices *s, u64 bound) {
  int increasing = 1, below = 1;
  if (s->count > UINT32_MAX / 8) return fail_memory();
  for (u64 k = 0; k < s->count; k++) {
    below &= s->list[k] < bound;
    increasing &= !k || s->list[k] > s->list[k - 1];
  }
  if (!below) return fail(INDEX_OUT_OF_BOUNDS, "an index of the list is not below the dimension");
  s->sorted = (u64 *)(uintptr_t)s->list;
  return increasing ? OK : sort_list(s);
}

/* INDEX_OUT_OF_BOUNDS, INVALID_VALUE (none at all: no dimension is 0), OUT_OF_MEMORY. Close it in any case. */
Info indices_open(Indices *s, const IndicesGiven *given, u64 bound) {
  *s = (Indices){.kind = (IndicesKind)given->kind,
                 .count = given->count,
                 .first = given->first,
                 .step = given->step ? given->step : 1,
                 .list = (const u64 *)(uintptr_t)given->list};
  if (s->kind == ALL) s->count = bound, s->first = 0, s->step = 1;
  if (!s->count) return fail(INVALID_VALUE, "there is no index; a dimension of 0 is not to be had");
  if (s->kind == LIST) return open_list(s, bound);
  if (s->first >= bound || (s->count - 1) > (bound - 1 - s->first) / s->step)
    return fail(INDEX_OUT_OF_BOUNDS, "the range does not lie below the dimension");
  return OK;
}

void indices_close(Indices *s) {
  for (u32 k = 0; k < 4; k++) heap_free(s->owned[k]);
}
