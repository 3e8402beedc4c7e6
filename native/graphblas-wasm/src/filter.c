// SPDX-License-Identifier: Apache-2.0
/* GrB_select: the entries for which an index or value operator holds; dimensions and type stay. */
#include "ops.h"

typedef enum {
  TRIL, /* j <= i + k */
  TRIU, /* j >= i + k */
  DIAG,
  OFFDIAG,
  ROWLE,
  ROWGT,
  COLLE,
  COLGT,
  VALUEEQ,
  VALUENE,
  VALUELT,
  VALUELE,
  VALUEGT,
  VALUEGE,
} Select;

/* Columns low <= j < high of row i are kept (OFFDIAG: are dropped). */
typedef struct {
  u64 low, high;
} Interval;

static u64 clamp(i64 index) { return index < 0 ? 0 : (u64)index > GB_INDEX_MAX ? GB_INDEX_MAX : (u64)index; }

static Interval columns_of(Select op, u64 row, i64 k) {
  const Interval all = {0, GB_INDEX_MAX}, none = {0, 0};
  i64 i = (i64)row;
  switch (op) {
    case TRIL: return (Interval){0, clamp(i + k + 1)};
    case TRIU: return (Interval){clamp(i + k), GB_INDEX_MAX};
    case DIAG:
    case OFFDIAG: return (Interval){clamp(i + k), clamp(i + k + 1)};
    case ROWLE: return i <= k ? all : none;
    case ROWGT: return i > k ? all : none;
    case COLLE: return (Interval){0, clamp(k + 1)};
    default: return (Interval){clamp(k + 1), GB_INDEX_MAX};
  }
}

static void keep_by_index(const Pattern *P, Select op, i64 k, u8 *keep) {
  for (u32 v = 0; v < P->nvec; v++) {
    Interval c = columns_of(op, get(P->Ah, P->wide, v), k);
    for (u32 p = P->Ap[v]; p < P->Ap[v + 1]; p++) {
      u64 column = get(P->Aj, P->wide, p);
      keep[p] = (u8)((column >= c.low && column < c.high) != (op == OFFDIAG));
    }
  }
}

INLINE int compare_integers(Select op, u64 x, u64 y, int less) {
  switch (op) {
    case VALUEEQ: return x == y;
    case VALUENE: return x != y;
    case VALUELT: return less;
    case VALUELE: return less || x == y;
    case VALUEGT: return !less && x != y;
    default: return !less;
  }
}

INLINE int compare_doubles(Select op, double x, double y) {
  switch (op) {
    case VALUEEQ: return x == y;
    case VALUENE: return x != y;
    case VALUELT: return x < y;
    case VALUELE: return x <= y;
    case VALUEGT: return x > y;
    default: return x >= y;
  }
}

/* One loop for each operator and type. */
INLINE void keep_by(Select op, Type type, const void *X, u32 n, u64 y, u8 *keep) {
  for (u32 k = 0; k < n; k++) {
    u64 x = get(X, type64(type), k);
    if (type == T_FP64)
      keep[k] = (u8)compare_doubles(op, as_double(x), as_double(y));
    else
      keep[k] = (u8)compare_integers(op, x, y, type == T_INT64 ? (i64)x < (i64)y : x < y);
  }
}

INLINE void keep_typed(Select op, Type type, const void *X, u32 n, u64 y, u8 *keep) {
  switch (type) {
    case T_INT64: keep_by(op, T_INT64, X, n, y, keep); break;
    case T_UINT64: keep_by(op, T_UINT64, X, n, y, keep); break;
    case T_FP64: keep_by(op, T_FP64, X, n, y, keep); break;
    default: keep_by(op, T_UINT32, X, n, y, keep);
  }
}

static void keep_by_value(const Matrix *A, Select op, u64 y, u8 *keep) {
  u32 n = A->pattern->nvals;
  switch (op) {
    case VALUEEQ: keep_typed(VALUEEQ, A->type, A->Ax, n, y, keep); break;
    case VALUENE: keep_typed(VALUENE, A->type, A->Ax, n, y, keep); break;
    case VALUELT: keep_typed(VALUELT, A->type, A->Ax, n, y, keep); break;
    case VALUELE: keep_typed(VALUELE, A->type, A->Ax, n, y, keep); break;
    case VALUEGT: keep_typed(VALUEGT, A->type, A->Ax, n, y, keep); break;
    default: keep_typed(VALUEGE, A->type, A->Ax, n, y, keep);
  }
}

INLINE void compact(const Matrix *A, const u8 *keep, Matrix *C, u32 wide, u32 x64) {
  const Pattern *P = A->pattern;
  Pattern *R = C->pattern;
  u32 n = 0, nvec = 0;
  for (u32 k = 0; k < P->nvec; k++) { /* what is not kept is overwritten by the next */
    u32 start = n;
    for (u32 p = P->Ap[k]; p < P->Ap[k + 1]; p++) {
      put(R->Aj, wide, n, get(P->Aj, wide, p));
      put(C->Ax, x64, n, get(A->Ax, x64, p));
      n += keep[p];
    }
    put(R->Ah, wide, nvec, get(P->Ah, wide, k));
    R->Ap[nvec] = start;
    nvec += n != start;
  }
  R->Ap[nvec] = n;
  matrix_trim(C, nvec, n);
}

/* The entries p with keep[p], which is 0 or 1. */
Info matrix_compact(const Matrix *A, const u8 *keep, Matrix **out) {
  const Pattern *P = A->pattern;
  Info info = matrix_over(out, P->nrows, P->ncols, P->nvec, P->nvals, A->type);
  if (info) return info;
  if (P->wide)
    is64(A) ? compact(A, keep, *out, 1, 1) : compact(A, keep, *out, 1, 0);
  else
    is64(A) ? compact(A, keep, *out, 0, 1) : compact(A, keep, *out, 0, 0);
  return OK;
}

/* k: a diagonal, row or column as i64; or a value's bits in A's type. Result 0: the matrix. */
Info EXPORT(gb_select)(const Matrix *A, Select op, u64 k) {
  Matrix *C;
  u8 *keep = heap_allocate(A->pattern->nvals);
  if (!keep) return fail_memory();
  op < VALUEEQ ? keep_by_index(A->pattern, op, (i64)k, keep) : keep_by_value(A, op, k, keep);
  Info info = matrix_compact(A, keep, &C);
  heap_free(keep);
  if (!info) gb_result[0] = (uintptr_t)C;
  return info;
}
