// SPDX-License-Identifier: Apache-2.0
/* Parts of a matrix: a block of rows and columns, and its largest entries. */
#include "gb.h"

INLINE u32 first_not_below(const void *array, u32 wide, u32 low, u32 high, u64 bound) {
  while (low < high) {
    u32 middle = low + (high - low) / 2;
    if (get(array, wide, middle) < bound)
      low = middle + 1;
    else
      high = middle;
  }
  return low;
}

INLINE void take(const Matrix *A, u32 first, u32 last, u64 col_low, u64 col_high, u32 wide, u32 x64,
                 Matrix *C) {
  const Pattern *P = A->pattern;
  Pattern *R = C->pattern;
  u32 n = 0, nvec = 0;
  for (u32 k = first; k < last; k++) {
    u32 p = first_not_below(P->Aj, wide, P->Ap[k], P->Ap[k + 1], col_low), start = n;
    for (; p < P->Ap[k + 1] && get(P->Aj, wide, p) < col_high; p++, n++) {
      put(R->Aj, wide, n, get(P->Aj, wide, p));
      put(C->Ax, x64, n, get(A->Ax, x64, p));
    }
    if (n == start) continue;
    put(R->Ah, wide, nvec++, get(P->Ah, wide, k));
    R->Ap[nvec] = n;
  }
  pattern_trim(R, nvec, n);
  heap_shrink(C->Ax, ((size_t)n + 1) * width(x64));
}

/*
 * Entries with row_low <= row < row_high and col_low <= column < col_high, dimensions kept. Result 0: the
 * * matrix.
 */
Info EXPORT(gb_extract_range)(const Matrix *A, u64 row_low, u64 row_high, u64 col_low, u64 col_high) {
  const Pattern *P = A->pattern;
  u32 first = first_not_below(P->Ah, P->wide, 0, P->nvec, row_low),
      last = first_not_below(P->Ah, P->wide, first, P->nvec, row_high);
  Pattern *R;
  Matrix *C;
  Info info = pattern_new(&R, P->nrows, P->ncols, last - first, P->Ap[last] - P->Ap[first]);
  if (info) return info;
  info = matrix_new(&C, R, A->type);
  pattern_release(R);
  if (info) return info;
  if (P->wide)
    is64(A) ? take(A, first, last, col_low, col_high, 1, 1, C)
            : take(A, first, last, col_low, col_high, 1, 0, C);
  else
    is64(A) ? take(A, first, last, col_low, col_high, 0, 1, C)
            : take(A, first, last, col_low, col_high, 0, 0, C);
  gb_result[0] = (uintptr_t)C;
  return OK;
}

/*
 * A heap of the n best positions, the worst on top. Better: a larger value, or an equal one further to the
 * * front.
 */
typedef struct {
  const void *X;
  u32 x64, count;
  u32 *at;
} Best;

INLINE int worse(const Best *h, u32 p, u32 q) {
  u64 x = get(h->X, h->x64, p), y = get(h->X, h->x64, q);
  return x < y || (x == y && p > q);
}

static void sift(Best *h, u32 hole, u32 position) {
  for (u32 child; (child = 2 * hole + 1) < h->count; hole = child) {
    if (child + 1 < h->count && worse(h, h->at[child + 1], h->at[child])) child++;
    if (!worse(h, h->at[child], position)) break;
    h->at[hole] = h->at[child];
  }
  h->at[hole] = position;
}

/* Positions of the `most` largest of n values to at, best first; returns how many. */
static u32 best_of(const void *X, u32 x64, u32 n, u32 *at, u32 most) {
  Best h = {X, x64, most < n ? most : n, at};
  u32 found = h.count;
  if (!found) return 0;
  for (u32 k = 0; k < found; k++) at[k] = k;
  for (u32 k = found / 2; k--;) sift(&h, k, at[k]);
  u64 bar = get(X, x64, at[0]);
  for (u32 k = found; k < n; k++) { /* an equal value further back is worse: strictly larger only */
    if (get(X, x64, k) <= bar) continue;
    sift(&h, 0, k);
    bar = get(X, x64, at[0]);
  }
  while (h.count > 1) { /* heap sort: the worst goes to the end */
    u32 worst = at[0], position = at[--h.count];
    sift(&h, 0, position);
    at[h.count] = worst;
  }
  return found;
}

/* Values as u64 that compare as the values do; the values themselves if unsigned ones. */
static u64 order_key(u64 x, Type type) {
  const u64 sign = (u64)1 << 63;
  if (type == T_INT64) return x ^ sign;
  return type != T_FP64 ? x : x & sign ? ~x : x | sign;
}

static Info order_keys(const Matrix *A, u64 **keys) {
  u32 n = A->pattern->nvals;
  *keys = NULL;
  if (A->type != T_INT64 && A->type != T_FP64) return OK;
  if (!(*keys = heap_allocate((u64)n * 8))) return fail_memory();
  for (u32 k = 0; k < n; k++) (*keys)[k] = order_key(((u64 *)A->Ax)[k], A->type);
  return OK;
}

/* The row, among P's, of position p. */
static u32 row_of(const Pattern *P, u32 p) {
  u32 low = 0, high = P->nvec; /* the last row that starts at or before p */
  while (high - low > 1) {
    u32 middle = low + (high - low) / 2;
    if (P->Ap[middle] <= p)
      low = middle;
    else
      high = middle;
  }
  return low;
}

/* The largest entries of A, at most `most`, to rows, columns and values (their bits). Result 0: how many. */
Info EXPORT(gb_matrix_top)(const Matrix *A, u32 most, u64 *rows, u64 *columns, u64 *values) {
  const Pattern *P = A->pattern;
  u64 *keys;
  u32 *at = heap_allocate((u64)most * 4);
  Info info = at ? order_keys(A, &keys) : fail_memory();
  if (info) {
    heap_free(at);
    return info;
  }
  u32 found = keys ? best_of(keys, 1, P->nvals, at, most) : best_of(A->Ax, is64(A), P->nvals, at, most);
  for (u32 k = 0; k < found; k++) {
    u32 p = at[k];
    rows[k] = get(P->Ah, P->wide, row_of(P, p));
    columns[k] = get(P->Aj, P->wide, p);
    values[k] = get(A->Ax, is64(A), p);
  }
  heap_free(at), heap_free(keys);
  gb_result[0] = found;
  return OK;
}
