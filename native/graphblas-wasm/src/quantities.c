/*
 * The nine network quantities of the Graph Challenge: one pass over the rows, one radix sort of the
 * columns.
 */
#include "gb.h"

typedef struct {
  u64 sum, largest, largest_run_sum, largest_run;
} Extremes;

INLINE void run_ends(Extremes *e, u64 sum, u64 count) {
  e->largest_run_sum = sum > e->largest_run_sum ? sum : e->largest_run_sum;
  e->largest_run = count > e->largest_run ? count : e->largest_run;
}

INLINE Extremes of_rows(const Pattern *P, const void *X, u32 x64) {
  Extremes e = {0, 0, 0, 0};
  for (u32 k = 0; k < P->nvec; k++) {
    u64 sum = 0;
    for (u32 p = P->Ap[k]; p < P->Ap[k + 1]; p++) {
      u64 x = get(X, x64, p);
      sum += x;
      e.largest = x > e.largest ? x : e.largest;
    }
    e.sum += sum;
    run_ends(&e, sum, P->Ap[k + 1] - P->Ap[k]);
  }
  return e;
}

/* Returns the number of distinct columns. */
INLINE u32 of_columns(const Columns *c, u32 wide, u32 x64, Extremes *e) {
  u32 distinct = 0, start = 0;
  u64 sum = 0, previous = 0;
  for (u32 k = 0; k < c->n;
       k++) { /* a run's sum only grows: every prefix may be compared, so no branch at its end */
    u64 column = get(c->J, wide, k);
    u32 new = !k || column != previous;
    distinct += new;
    start = new ? k : start;
    sum = (new ? 0 : sum) + get(c->X, x64, k);
    run_ends(e, sum, k + 1 - start);
    previous = column;
  }
  return distinct;
}

/*
 * Results: n_packets (the sum of the values), n_links, n_sources, n_destinations, max_packets,
 * max_source_packets, max_fan_out, max_destination_packets, max_fan_in.
 */
Info EXPORT(gb_quantities)(const Matrix *A) {
  const Pattern *P = A->pattern;
  Columns c;
  Info info = columns_sorted(A, &c);
  if (info) return info;
  Extremes rows = is64(A) ? of_rows(P, A->Ax, 1) : of_rows(P, A->Ax, 0), columns = {0, 0, 0, 0};
  u32 destinations;
  if (P->wide)
    destinations = is64(A) ? of_columns(&c, 1, 1, &columns) : of_columns(&c, 1, 0, &columns);
  else
    destinations = is64(A) ? of_columns(&c, 0, 1, &columns) : of_columns(&c, 0, 0, &columns);
  columns_free(&c);
  u64 facts[] = {rows.sum,
                 P->nvals,
                 P->nvec,
                 destinations,
                 rows.largest,
                 rows.largest_run_sum,
                 rows.largest_run,
                 columns.largest_run_sum,
                 columns.largest_run};
  memcpy(gb_result, facts, sizeof facts);
  return OK;
}
