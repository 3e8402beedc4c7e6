// SPDX-License-Identifier: Apache-2.0
/* Lists of row or column indices, as extract and assign take them. */
#ifndef GB_INDICES_H
#define GB_INDICES_H
#include "gb.h"

typedef enum { ALL, RANGE, LIST } IndicesKind;

/* Staged by the host: all u64. A range is first, first + step, ...; a list is an array of u64. */
typedef struct {
  u64 kind, count, first, step, list;
} IndicesGiven;

typedef struct {
  IndicesKind kind;
  u64 count, first, step;
  const u64 *list;
  u64 *sorted; /* the list in order; the list itself if it is increasing */
  u32 *order;  /* sorted[k] is list[order[k]]; NULL if the list is increasing */
  void *owned[4];
} Indices;


Info indices_open(Indices *s, const IndicesGiven *given, u64 bound);
void indices_close(Indices *s);

/* Are positions increasing in indices, and each index there at most once? */
INLINE int indices_increasing(const Indices *s) { return !s->order; }

INLINE u64 indices_get(const Indices *s, u64 position) {
  return s->kind == LIST ? s->list[position] : s->first + position * s->step;
}

/* First place in sorted[] that is not below index. */
INLINE u32 indices_lower(const Indices *s, u64 index) {
  u32 low = 0, high = (u32)s->count;
  while (low < high) {
    u32 middle = low + (high - low) / 2;
    if (s->sorted[middle] < index)
      low = middle + 1;
    else
      high = middle;
  }
  return low;
}

/* Of an increasing set: *position of index; 0 if it is not there. */
INLINE int indices_find(const Indices *s, u64 index, u64 *position) {
  if (s->kind == LIST) {
    *position = indices_lower(s, index);
    return *position < s->count && s->sorted[*position] == index;
  }
  *position = (index - s->first) / s->step;
  return index >= s->first && *position < s->count && !((index - s->first) % s->step);
}

/* Is index in the set, however often? */
INLINE int indices_have(const Indices *s, u64 index) {
  u64 position;
  return indices_find(s, index, &position);
}
#endif
