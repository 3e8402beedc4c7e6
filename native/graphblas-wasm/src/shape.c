// SPDX-License-Identifier: Apache-2.0
/* Matrices with the same values elsewhere: transpose, diagonals, vectors as columns. */
#include "gb.h"
#include "radix.h"

/* Narrow entries as keys column << 32 | row, in row order: a stable sort by column alone puts them in order. */
static Info transpose_narrow(const Matrix *A, Matrix **out) {
  const Pattern *P = A->pattern;
  u32 n = P->nvals, x64 = is64(A), swapped;
  u64 *keys[2] = {heap_allocate((u64)n * 8), heap_allocate((u64)n * 8)}, bits = 0;
  void *X[2] = {heap_allocate((u64)n * width(x64)), heap_allocate((u64)n * width(x64))};
  Info info = keys[0] && keys[1] && X[0] && X[1] ? OK : fail_memory();
  if (!info) info = matrix_over(out, P->ncols, P->nrows, n, n, A->type);
  if (!info) {
    const u32 *Ah = P->Ah, *Aj = P->Aj;
    for (u32 k = 0; k < P->nvec; k++)
      for (u32 p = P->Ap[k]; p < P->Ap[k + 1]; p++) keys[0][p] = (u64)Aj[p] << 32 | Ah[k];
    for (u32 p = 1; p < n; p++) bits |= (u64)(Aj[p] ^ Aj[0]) << 32;
    memcpy(X[0], A->Ax, n * width(x64));
    swapped = x64 ? (u32)radix_sort(keys[0], keys[1], 1, X[0], X[1], PAYLOAD64, n, bits)
                  : (u32)radix_sort(keys[0], keys[1], 1, X[0], X[1], PAYLOAD32, n, bits);
    pattern_from_packed((*out)->pattern, keys[swapped], n);
    memcpy((*out)->Ax, X[swapped], n * width(x64));
  }
  heap_free(keys[0]), heap_free(keys[1]), heap_free(X[0]), heap_free(X[1]);
  return info;
}

static Info transpose_wide(const Matrix *A, Matrix **out) {
  const Pattern *P = A->pattern;
  u32 n = P->nvals, x64 = is64(A);
  u64 *I = heap_allocate((u64)n * 8), *J = heap_allocate((u64)n * 8);
  void *X = heap_allocate((u64)n * 8);
  Info info = I && J && X ? OK : fail_memory();
  if (!info) {
    gb_matrix_rows(A, I);
    memcpy(J, P->Aj, (size_t)n * 8);
    memcpy(X, A->Ax, n * width(x64));
    info = build_tuples(out, A->type, P->ncols, P->nrows, J, I, X, n, OP_NONE);
  }
  heap_free(I), heap_free(J), heap_free(X);
  return info;
}

/* GrB_transpose. Result 0: the matrix. */
Info EXPORT(gb_transpose)(const Matrix *A) {
  Matrix *C;
  Info info = A->pattern->wide ? transpose_wide(A, &C) : transpose_narrow(A, &C);
  if (!info) gb_result[0] = (uintptr_t)C;
  return info;
}

/* A vector (one row) as a matrix of one column. Result 0: the matrix. */
Info EXPORT(gb_as_column)(const Matrix *v) {
  const Pattern *P = v->pattern;
  u32 n = P->nvals;
  Matrix *C;
  Info info = matrix_over(&C, P->ncols, 1, n, n, v->type);
  if (info) return info;
  Pattern *R = C->pattern;
  memcpy(R->Ah, P->Aj, n * width(P->wide));
  memset(R->Aj, 0, n * width(P->wide));
  for (u32 k = 0; k < n; k++) R->Ap[k + 1] = k + 1;
  memcpy(C->Ax, v->Ax, n * width(is64(v)));
  gb_result[0] = (uintptr_t)C;
  return OK;
}

/* A matrix of one column as a vector. Result 0: the vector. */
Info EXPORT(gb_as_vector)(const Matrix *A) {
  const Pattern *P = A->pattern;
  Matrix *v;
  Info info = vector_new(&v, P->nrows, P->nvals, A->type);
  if (info) return info;
  memcpy(v->pattern->Aj, P->Ah, P->nvals * width(P->wide));
  memcpy(v->Ax, A->Ax, P->nvals * width(is64(A)));
  gb_result[0] = (uintptr_t)v;
  return OK;
}

/* GrB_Matrix_diag: a square matrix with vector v on diagonal k. Result 0: the matrix. INVALID_VALUE. */
Info EXPORT(gb_matrix_diag)(const Matrix *v, i64 k) {
  const Pattern *P = v->pattern;
  u64 shift = k < 0 ? 0 - (u64)k : (u64)k, row0 = k < 0 ? shift : 0, column0 = k < 0 ? 0 : shift;
  u32 n = P->nvals;
  if (shift > GB_INDEX_MAX || P->ncols + shift > GB_INDEX_MAX)
    return fail(INVALID_VALUE, "the matrix with this diagonal would be beyond 2^60");
  Matrix *C;
  Info info = matrix_over(&C, P->ncols + shift, P->ncols + shift, n, n, v->type);
  if (info) return info;
  Pattern *R = C->pattern;
  for (u32 e = 0; e < n; e++) {
    u64 index = get(P->Aj, P->wide, e);
    put(R->Ah, R->wide, e, index + row0);
    put(R->Aj, R->wide, e, index + column0);
    R->Ap[e + 1] = e + 1;
  }
  memcpy(C->Ax, v->Ax, n * width(is64(v)));
  gb_result[0] = (uintptr_t)C;
  return OK;
}

static u32 find_column(const Pattern *P, u32 low, u32 high, u64 column) {
  u32 end = high;
  while (low < high) {
    u32 middle = low + (high - low) / 2;
    if (get(P->Aj, P->wide, middle) < column)
      low = middle + 1;
    else
      high = middle;
  }
  return low < end && get(P->Aj, P->wide, low) == column ? low : UINT32_MAX;
}

/* GxB_Vector_diag: diagonal k of A. Result 0: the vector. INVALID_VALUE: A has no such diagonal. */
Info EXPORT(gb_vector_diag)(const Matrix *A, i64 k) {
  const Pattern *P = A->pattern;
  u64 shift = k < 0 ? 0 - (u64)k : (u64)k, row0 = k < 0 ? shift : 0, column0 = k < 0 ? 0 : shift;
  if (row0 >= P->nrows || column0 >= P->ncols) return fail(INVALID_VALUE, "the matrix has no such diagonal");
  u64 rows = P->nrows - row0, columns = P->ncols - column0;
  Matrix *v;
  Info info = vector_new(&v, rows < columns ? rows : columns, P->nvec, A->type);
  if (info) return info;
  u32 n = 0;
  for (u32 e = 0; e < P->nvec; e++) {
    u64 row = get(P->Ah, P->wide, e);
    u32 at = row < row0 ? UINT32_MAX : find_column(P, P->Ap[e], P->Ap[e + 1], row - row0 + column0);
    if (at == UINT32_MAX) continue;
    put(v->pattern->Aj, v->pattern->wide, n, row - row0);
    put(v->Ax, is64(v), n++, get(A->Ax, is64(A), at));
  }
  v->pattern->Ap[n ? 1 : 0] = n;
  matrix_trim(v, n ? 1 : 0, n);
  gb_result[0] = (uintptr_t)v;
  return OK;
}
