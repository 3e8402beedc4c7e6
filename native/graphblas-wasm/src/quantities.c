// SPDX-License-Identifier: Apache-2.0
/*
 * The nine network quantities of the Graph Challenge, for one or several value planes over one pattern: a pass
 * over the rows for each plane, and one radix sort of the columns for all.
 */
#include "gb.h"
#include "radix.h"

#define FACTS 9 /* of one plane */

/* Where a plane's values are once the columns are sorted. */
typedef enum { DIRECT, LOW_HALF, HIGH_HALF, BY_POSITION } Place;

typedef struct {
  u64 sum, largest, largest_run_sum;
} Extremes;

INLINE u64 larger(u64 x, u64 y) { return x > y ? x : y; }

INLINE Extremes of_rows(const Pattern *P, const void *X, u32 x64) {
  Extremes e = {0, 0, 0};
  for (u32 k = 0; k < P->nvec; k++) {
    u64 sum = 0;
    for (u32 p = P->Ap[k]; p < P->Ap[k + 1]; p++) {
      u64 x = get(X, x64, p);
      sum += x;
      e.largest = larger(e.largest, x);
    }
    e.sum += sum;
    e.largest_run_sum = larger(e.largest_run_sum, sum);
  }
  return e;
}

static u32 largest_row(const Pattern *P) {
  u32 largest = 0;
  for (u32 k = 0; k < P->nvec; k++) largest = (u32)larger(largest, P->Ap[k + 1] - P->Ap[k]);
  return largest;
}

INLINE u64 value_of(const Columns *c, const void *X, Place place, u32 x64, u32 k) {
  switch (place) {
    case LOW_HALF: return (u32)((u64 *)c->X)[k];
    case HIGH_HALF: return ((u64 *)c->X)[k] >> 32;
    case BY_POSITION: return get(X, x64, ((u32 *)c->X)[k]);
    default: return get(c->X, x64, k);
  }
}

/* The largest sum of a column. A run's sum only grows: every prefix may be compared, so no branch at its end. */
INLINE u64 largest_column_sum(const Columns *c, const void *X, Place place, u32 wide, u32 x64) {
  u64 sum = 0, largest = 0, previous = 0;
  for (u32 k = 0; k < c->n; k++) {
    u64 column = get(c->J, wide, k);
    sum = (column != previous ? 0 : sum) + value_of(c, X, place, x64, k);
    largest = larger(largest, sum);
    previous = column;
  }
  return largest;
}

INLINE u64 largest_in_width(const Columns *c, const Matrix *A, Place place, u32 wide) {
  const void *X = A->Ax;
  switch (place) {
    case LOW_HALF: return largest_column_sum(c, X, LOW_HALF, wide, 1);
    case HIGH_HALF: return largest_column_sum(c, X, HIGH_HALF, wide, 1);
    case BY_POSITION:
      return is64(A) ? largest_column_sum(c, X, BY_POSITION, wide, 1)
                     : largest_column_sum(c, X, BY_POSITION, wide, 0);
    default:
      return is64(A) ? largest_column_sum(c, X, DIRECT, wide, 1) : largest_column_sum(c, X, DIRECT, wide, 0);
  }
}

/* Returns the number of distinct columns; *longest becomes the entries of the fullest. */
INLINE u32 count_columns(const Columns *c, u32 wide, u32 *longest) {
  u32 distinct = 0, start = 0;
  u64 previous = 0;
  *longest = 0;
  for (u32 k = 0; k < c->n; k++) {
    u64 column = get(c->J, wide, k);
    u32 new = !k || column != previous;
    distinct += new;
    start = new ? k : start;
    *longest = (u32)larger(*longest, k + 1 - start);
    previous = column;
  }
  return distinct;
}

static int fits_half(const Matrix *A) {
  u64 all = 0;
  if (is64(A))
    for (u32 k = 0; k < A->pattern->nvals; k++) all |= ((u64 *)A->Ax)[k];
  return all <= UINT32_MAX;
}

/* Whether every value is the same: then sums are entries times the value, and the columns need no payload. */
static int is_constant(const Matrix *A) {
  u32 n = A->pattern->nvals;
  u64 differ = 0;
  if (is64(A))
    for (u32 k = 1; k < n; k++) differ |= ((u64 *)A->Ax)[k] ^ ((u64 *)A->Ax)[0];
  else
    for (u32 k = 1; k < n; k++) differ |= ((u32 *)A->Ax)[k] ^ ((u32 *)A->Ax)[0];
  return differ == 0;
}

static int all_constant(Matrix **planes, u32 count) {
  for (u32 k = 0; k < count; k++)
    if (!is_constant(planes[k])) return 0;
  return 1;
}

/* Sorts the columns alone. Free with columns_free. */
static Info sort_bare(const Pattern *P, Columns *c) {
  u32 n = P->nvals;
  *c = (Columns){.n = n};
  for (u32 k = 0; k < 2; k++) {
    c->blocks[k] = heap_allocate((u64)n * width(P->wide));
    if (!c->blocks[k]) {
      columns_free(c);
      return fail_memory();
    }
  }
  void *J = c->blocks[0], *scratch = c->blocks[1];
  memcpy(J, P->Aj, n * width(P->wide));
  int swapped = P->wide ? radix_sort(J, scratch, 1, 0, 0, NO_PAYLOAD, n, radix_varying(J, 1, n))
                        : radix_sort(J, scratch, 0, 0, 0, NO_PAYLOAD, n, radix_varying(J, 0, n));
  c->J = c->blocks[swapped];
  return OK;
}

/* Sorts the columns of several planes: with two values in one payload if they fit, else with positions. */
static Info sort_planes(Matrix **planes, u32 count, Columns *c, Place *first) {
  const Pattern *P = planes[0]->pattern;
  u32 n = P->nvals, halves = count == 2 && fits_half(planes[0]) && fits_half(planes[1]);
  *first = count == 1 ? DIRECT : halves ? LOW_HALF : BY_POSITION;
  if (count == 1) return columns_sorted(P, planes[0]->Ax, is64(planes[0]), c);
  void *load = heap_allocate((u64)n * width(halves));
  if (!load) return fail_memory();
  for (u32 k = 0; k < n; k++)
    put(load, halves, k,
        halves ? get(planes[0]->Ax, is64(planes[0]), k) | get(planes[1]->Ax, is64(planes[1]), k) << 32 : k);
  Info info = columns_sorted(P, load, halves, c);
  heap_free(load);
  return info;
}

/*
 * facts[9k...] of plane k: n_packets (the sum of the values), n_links, n_sources, n_destinations, max_packets,
 * max_source_packets, max_fan_out, max_destination_packets, max_fan_in. The planes share one pattern and are of
 * unsigned types.
 */
Info EXPORT(gb_quantities)(Matrix **planes, u32 count, u64 *facts) {
  const Pattern *P = planes[0]->pattern;
  Columns c;
  Place first;
  int bare = all_constant(planes, count);
  Info info = bare ? sort_bare(P, &c) : sort_planes(planes, count, &c, &first);
  if (info) return info;
  u32 fan_in, fan_out = largest_row(P),
              destinations = P->wide ? count_columns(&c, 1, &fan_in) : count_columns(&c, 0, &fan_in);
  for (u32 k = 0; k < count; k++, facts += FACTS) {
    const Matrix *A = planes[k];
    if (bare) {
      u64 x = P->nvals ? get(A->Ax, is64(A), 0) : 0;
      u64 found[FACTS] = {x * P->nvals, P->nvals, P->nvec, destinations, x, x * fan_out, fan_out, x * fan_in, fan_in};
      memcpy(facts, found, sizeof found);
      continue;
    }
    Place place = first == LOW_HALF && k ? HIGH_HALF : first;
    Extremes rows = is64(A) ? of_rows(P, A->Ax, 1) : of_rows(P, A->Ax, 0);
    u64 column_sum = P->wide ? largest_in_width(&c, A, place, 1) : largest_in_width(&c, A, place, 0);
    u64 found[FACTS] = {rows.sum,     P->nvals,   P->nvec, destinations, rows.largest, rows.largest_run_sum,
                        fan_out, column_sum, fan_in};
    memcpy(facts, found, sizeof found);
  }
  columns_free(&c);
  return OK;
}
