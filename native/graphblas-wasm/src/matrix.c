// SPDX-License-Identifier: Apache-2.0
/* Matrices and vectors: making, freeing, casting, comparing, copying out. */
#include "gb.h"

/*
 * A matrix over P, of which it takes one new reference; its values are uninitialised. One more value than
 * nvals may be read: loops without branches do.
 */
Info matrix_new(Matrix **out, Pattern *P, Type type) {
  Matrix *A = heap_allocate(sizeof(Matrix));
  void *Ax = heap_allocate(((u64)P->nvals + 1) * width(type == T_UINT64));
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

Info vector_new(Vector **out, u64 size, u32 capacity) {
  Vector *v = heap_allocate(sizeof(Vector));
  u64 *index = heap_allocate((u64)capacity * 8), *value = heap_allocate((u64)capacity * 8);
  if (!v || !index || !value) {
    heap_free(v);
    heap_free(index);
    heap_free(value);
    return fail_memory();
  }
  *v = (Vector){size, capacity, index, value};
  *out = v;
  return OK;
}

void EXPORT(gb_vector_free)(Vector *v) {
  if (!v) return;
  heap_free(v->index);
  heap_free(v->value);
  heap_free(v);
}

/* A matrix over P with the n values X (u64 if x64; the same one n times if iso). Result 0: the matrix. */
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

/* size, nvals, index, value */
void EXPORT(gb_vector_describe)(const Vector *v) {
  u64 facts[] = {v->size, v->nvals, (uintptr_t)v->index, (uintptr_t)v->value};
  memcpy(gb_result, facts, sizeof facts);
}

/* A's values to C, which has as many, in C's type; to UINT32 they wrap, as in GraphBLAS. */
void matrix_copy_values(const Matrix *A, Matrix *C) {
  u32 n = A->pattern->nvals;
  if (A->type == C->type)
    memcpy(C->Ax, A->Ax, n * width(is64(A)));
  else if (is64(C))
    for (u32 k = 0; k < n; k++) ((u64 *)C->Ax)[k] = ((u32 *)A->Ax)[k];
  else
    for (u32 k = 0; k < n; k++) ((u32 *)C->Ax)[k] = (u32)((u64 *)A->Ax)[k];
}

/* The same pattern, shared, with the values in another type. Result 0: the matrix. */
Info EXPORT(gb_matrix_cast)(const Matrix *A, Type type) {
  Matrix *C;
  Info info = matrix_new(&C, A->pattern, type);
  if (info) return info;
  matrix_copy_values(A, C);
  gb_result[0] = (uintptr_t)C;
  return OK;
}

u32 EXPORT(gb_matrix_is_equal)(const Matrix *A, const Matrix *B) {
  return A->type == B->type && pattern_equal(A->pattern, B->pattern) &&
         !memcmp(A->Ax, B->Ax, A->pattern->nvals * width(is64(A)));
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
