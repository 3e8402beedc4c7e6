// SPDX-License-Identifier: Apache-2.0
/* Matrices: making, freeing, casting, comparing, copying out. */
#include "gb.h"

/*
 * A matrix over P, of which it takes one new reference; its values are uninitialised. One more value than
 * nvals may be read: loops without branches do.
 */
Info matrix_new(Matrix **out, Pattern *P, Type type) {
  Matrix *A = heap_allocate(sizeof(Matrix));
  void *Ax = heap_allocate(((u64)P->nvals + 1) * width(type64(type)));
  if (!A || !Ax) {
    heap_free(A);
    heap_free(Ax);
    return fail_memory();
  }
  P->references++;
  *A = (Matrix){P, type, Ax};
  *out = A;
  return OK;
}

void EXPORT(gb_matrix_free)(Matrix *A) {
  if (!A) return;
  pattern_release(A->pattern);
  heap_free(A->Ax);
  heap_free(A);
}

/* A matrix over a new pattern of its own, with room for nvec rows and nvals entries. */
Info matrix_over(Matrix **out, u64 nrows, u64 ncols, u64 nvec, u64 nvals, Type type) {
  Pattern *P;
  Info info = pattern_new(&P, nrows, ncols, nvec, nvals);
  if (info) return info;
  info = matrix_new(out, P, type);
  pattern_release(P);
  return info;
}

/* Gives back what the matrix, whose pattern nobody shares yet, had room for and did not need. */
void matrix_trim(Matrix *A, u32 nvec, u32 nvals) {
  pattern_trim(A->pattern, nvec, nvals);
  heap_shrink(A->Ax, ((size_t)nvals + 1) * width(is64(A)));
}

/* A vector with room for nvals indices (Aj) and values (Ax), which the caller writes. */
Info vector_new(Matrix **out, u64 size, u32 nvals, Type type) {
  Info info = matrix_over(out, 1, size, nvals ? 1 : 0, nvals, type);
  if (info || !nvals) return info;
  Pattern *P = (*out)->pattern;
  put(P->Ah, P->wide, 0, 0);
  P->Ap[1] = nvals;
  return OK;
}

/*
 * A matrix over P with the n values X (u64 if x64; the same one n times if iso), bits of the type, or unsigned ones
 * for an unsigned type. Result 0: the matrix.
 */
Info EXPORT(gb_matrix_from_values)(Pattern *P, Type type, const void *X, u32 x64, u32 iso) {
  Matrix *A;
  Info info = matrix_new(&A, P, type);
  if (info) return info;
  u32 wide = is64(A);
  u64 over = 0;
  for (u32 k = 0; k < P->nvals; k++) {
    u64 x = get(X, x64, iso ? 0 : k);
    over |= x;
    put(A->Ax, wide, k, x);
  }
  if (!wide && over > UINT32_MAX) {
    gb_matrix_free(A);
    return fail(DOMAIN_MISMATCH, "a value does not fit UINT32");
  }
  gb_result[0] = (uintptr_t)A;
  return OK;
}

/* type, nrows, ncols, nvals, nvec, wide, pattern, Ap, Ah, Aj, Ax */
void EXPORT(gb_matrix_describe)(const Matrix *A) {
  const Pattern *P = A->pattern;
  u64 facts[] = {A->type,      P->nrows,         P->ncols,         P->nvals,         P->nvec,         P->wide,
                 (uintptr_t)P, (uintptr_t)P->Ap, (uintptr_t)P->Ah, (uintptr_t)P->Aj, (uintptr_t)A->Ax};
  memcpy(gb_result, facts, sizeof facts);
}

/* A's values to C, which has as many, in C's type, as GraphBLAS casts them: integers wrap, FP64 saturates. */
void matrix_copy_values(const Matrix *A, Matrix *C) {
  u32 n = A->pattern->nvals, a64 = is64(A), c64 = is64(C);
  if (A->type == C->type)
    memcpy(C->Ax, A->Ax, n * width(a64));
  else if (A->type == T_UINT32 && C->type == T_UINT64)
    for (u32 k = 0; k < n; k++) ((u64 *)C->Ax)[k] = ((u32 *)A->Ax)[k];
  else
    for (u32 k = 0; k < n; k++) put(C->Ax, c64, k, cast_value(get(A->Ax, a64, k), A->type, C->type));
}

/* The same pattern, shared, with the values in another type. */
Info matrix_cast(const Matrix *A, Type type, Matrix **out) {
  Info info = matrix_new(out, A->pattern, type);
  if (!info) matrix_copy_values(A, *out);
  return info;
}

/* The same. Result 0: the matrix. */
Info EXPORT(gb_matrix_cast)(const Matrix *A, Type type) {
  Matrix *C;
  Info info = matrix_cast(A, type, &C);
  if (!info) gb_result[0] = (uintptr_t)C;
  return info;
}

u32 EXPORT(gb_matrix_is_equal)(const Matrix *A, const Matrix *B) {
  u32 n = A->pattern->nvals;
  if (A->type != B->type || !pattern_equal(A->pattern, B->pattern)) return 0;
  if (A->type != T_FP64) return !memcmp(A->Ax, B->Ax, n * width(is64(A)));
  const double *a = A->Ax, *b = B->Ax; /* 0 equals -0; NaN equals nothing */
  for (u32 k = 0; k < n; k++)
    if (a[k] != b[k]) return 0;
  return 1;
}

/* Makes B use A's pattern if the two are the same; 1 if they now share it. */
u32 EXPORT(gb_matrix_share)(const Matrix *A, Matrix *B) {
  if (A->pattern == B->pattern) return 1;
  if (!pattern_equal(A->pattern, B->pattern)) return 0;
  pattern_release(B->pattern);
  B->pattern = A->pattern;
  B->pattern->references++;
  return 1;
}

/* The row of each entry, to I as u64. */
void EXPORT(gb_matrix_rows)(const Matrix *A, u64 *I) {
  const Pattern *P = A->pattern;
  for (u32 k = 0; k < P->nvec; k++) {
    u64 row = get(P->Ah, P->wide, k);
    for (u32 p = P->Ap[k]; p < P->Ap[k + 1]; p++) I[p] = row;
  }
}

/* n elements of a u32 array to u64 ones. */
void EXPORT(gb_widen)(const u32 *from, u64 *to, u32 n) {
  for (u32 k = 0; k < n; k++) to[k] = from[k];
}
