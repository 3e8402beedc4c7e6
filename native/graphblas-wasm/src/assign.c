// SPDX-License-Identifier: Apache-2.0
/*
 * The parts of GrB_assign: a matrix put where rows I and columns J say, and what is inside or outside of them. The
 * host joins the parts with gb_ewise_add and gb_write.
 */
#include "indices.h"

static Info twice(void) { return fail(INVALID_VALUE, "an index of the list is there twice"); }

/* Is no index in the list twice? */
static int distinct(const Indices *s) {
  for (u64 k = 1; s->order && k < s->count; k++)
    if (s->sorted[k] == s->sorted[k - 1]) return 0;
  return 1;
}

static Info open_both(Indices *I, Indices *J, const IndicesGiven *rows, const IndicesGiven *columns, u64 nrows,
                      u64 ncols) {
  *J = (Indices){0};
  Info info = indices_open(I, rows, nrows);
  if (!info) info = indices_open(J, columns, ncols);
  return info ? info : distinct(I) && distinct(J) ? OK : twice();
}

static Info place(const Matrix *A, const Indices *I, const Indices *J, u64 nrows, u64 ncols, Matrix **out) {
  const Pattern *P = A->pattern;
  u32 n = P->nvals;
  u64 *rows = heap_allocate((u64)n * 8), *columns = heap_allocate((u64)n * 8);
  void *X = heap_allocate((u64)n * 8);
  Info info = rows && columns && X ? OK : fail_memory();
  if (!info) {
    for (u32 k = 0; k < P->nvec; k++)
      for (u32 p = P->Ap[k]; p < P->Ap[k + 1]; p++) {
        rows[p] = indices_get(I, get(P->Ah, P->wide, k));
        columns[p] = indices_get(J, get(P->Aj, P->wide, p));
      }
    memcpy(X, A->Ax, n * width(is64(A)));
    info = build_tuples(out, A->type, nrows, ncols, rows, columns, X, n, OP_NONE);
  }
  heap_free(rows), heap_free(columns), heap_free(X);
  return info;
}

/* An nrows x ncols matrix T with T(I[i], J[j]) = A(i, j). Result 0: the matrix. DIMENSION_MISMATCH, INVALID_VALUE. */
Info EXPORT(gb_place)(const Matrix *A, const IndicesGiven *rows, const IndicesGiven *columns, u64 nrows,
                      u64 ncols) {
  Indices I, J;
  Matrix *T;
  Info info = open_both(&I, &J, rows, columns, nrows, ncols);
  if (!info && (I.count != A->pattern->nrows || J.count != A->pattern->ncols))
    info = fail(DIMENSION_MISMATCH, "there are not as many indices as the assigned matrix has rows and columns");
  if (!info) info = place(A, &I, &J, nrows, ncols, &T);
  indices_close(&I), indices_close(&J);
  if (!info) gb_result[0] = (uintptr_t)T;
  return info;
}

/* The entries of C in rows I and columns J, if `inside`; else the others. Result 0: the matrix. */
Info EXPORT(gb_region)(const Matrix *C, const IndicesGiven *rows, const IndicesGiven *columns, int inside) {
  const Pattern *P = C->pattern;
  Indices I, J;
  Matrix *R;
  Info info = open_both(&I, &J, rows, columns, P->nrows, P->ncols);
  u8 *keep = heap_allocate(P->nvals);
  if (!info && !keep) info = fail_memory();
  for (u32 k = 0; k < P->nvec && !info; k++) {
    int row = indices_have(&I, get(P->Ah, P->wide, k));
    for (u32 p = P->Ap[k]; p < P->Ap[k + 1]; p++)
      keep[p] = (u8)((row && indices_have(&J, get(P->Aj, P->wide, p))) == !!inside);
  }
  if (!info) info = matrix_compact(C, keep, &R);
  heap_free(keep);
  indices_close(&I), indices_close(&J);
  if (!info) gb_result[0] = (uintptr_t)R;
  return info;
}

static u64 in_order(const Indices *s, u64 k) { return s->kind == LIST ? s->sorted[k] : indices_get(s, k); }

static Info expand(const Indices *I, const Indices *J, u64 nrows, u64 ncols, Type type, u64 value, Matrix **out) {
  const u64 most = UINT32_MAX / 8;
  if (I->count > most || J->count > most || I->count * J->count > most)
    return fail(OUT_OF_MEMORY, "a scalar for so many entries does not fit; give a mask");
  u32 n = (u32)J->count, at = 0;
  Info info = matrix_over(out, nrows, ncols, I->count, I->count * n, type);
  if (info) return info;
  Pattern *R = (*out)->pattern;
  for (u32 i = 0; i < I->count; i++) {
    put(R->Ah, R->wide, i, in_order(I, i));
    for (u32 j = 0; j < n; j++) {
      put(R->Aj, R->wide, at, in_order(J, j));
      put((*out)->Ax, type64(type), at++, value);
    }
    R->Ap[i + 1] = at;
  }
  return OK;
}

/* An nrows x ncols matrix with one value, bits of `type`, in all of rows I and columns J. Result 0: the matrix. */
Info EXPORT(gb_expand)(const IndicesGiven *rows, const IndicesGiven *columns, u64 nrows, u64 ncols, Type type,
                       u64 value) {
  Indices I, J;
  Matrix *C;
  Info info = open_both(&I, &J, rows, columns, nrows, ncols);
  if (!info) info = expand(&I, &J, nrows, ncols, type, value, &C);
  indices_close(&I), indices_close(&J);
  if (!info) gb_result[0] = (uintptr_t)C;
  return info;
}
