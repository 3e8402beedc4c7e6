// SPDX-License-Identifier: Apache-2.0
/* GrB_eWiseMult: the intersection of two patterns, and an operator on the pairs of values. */
#include "gb.h"

/* Positions in A and B of the entries that both have. */
typedef struct {
  u32 *a, *b;
} Pairs;

/* Columns of one row that are in both; returns how many entries there are now. */
INLINE u32 meet(const Pattern *P, u32 p, u32 p_end, const Pattern *Q, u32 q, u32 q_end, u32 wide, void *Rj,
                Pairs pairs, u32 n) {
  while (p < p_end && q < q_end) { /* without a branch on which is less: written anyway, kept if equal */
    u64 a = get(P->Aj, wide, p), b = get(Q->Aj, wide, q);
    put(Rj, wide, n, a);
    pairs.a[n] = p;
    pairs.b[n] = q;
    n += a == b;
    p += a <= b;
    q += b <= a;
  }
  return n;
}

INLINE void intersect(const Pattern *P, const Pattern *Q, Matrix *C, Pairs pairs, u32 wide) {
  Pattern *R = C->pattern;
  u32 i = 0, j = 0, nvec = 0, n = 0;
  while (i < P->nvec && j < Q->nvec) {
    u64 row = get(P->Ah, wide, i), other = get(Q->Ah, wide, j);
    if (row == other) {
      u32 end = meet(P, P->Ap[i], P->Ap[i + 1], Q, Q->Ap[j], Q->Ap[j + 1], wide, R->Aj, pairs, n);
      if (end > n) {
        put(R->Ah, wide, nvec++, row);
        R->Ap[nvec] = n = end;
      }
    }
    i += row <= other;
    j += other <= row;
  }
  matrix_trim(C, nvec, n);
}

static Info multiply(const Matrix *A, const Matrix *B, Op op, Type type, Matrix **out) {
  const Pattern *P = A->pattern, *Q = B->pattern;
  u32 most = P->nvals < Q->nvals ? P->nvals : Q->nvals;
  Info info = matrix_over(out, P->nrows, P->ncols, most, most, type);
  if (info) return info;
  Pairs pairs = {heap_allocate((u64)most * 4 + 4), heap_allocate((u64)most * 4 + 4)};
  if (pairs.a && pairs.b) {
    P->wide ? intersect(P, Q, *out, pairs, 1) : intersect(P, Q, *out, pairs, 0);
    Binary f = binary_of(op, type);
    u32 n = (*out)->pattern->nvals, x64 = type64(type);
    for (u32 k = 0; k < n; k++)
      put((*out)->Ax, x64, k, f(get(A->Ax, x64, pairs.a[k]), get(B->Ax, x64, pairs.b[k])));
  } else {
    gb_matrix_free(*out);
    info = fail_memory();
  }
  heap_free(pairs.a), heap_free(pairs.b);
  return info;
}

/* op(A, B) where both have an entry, in `type` (0: the larger of the two). Result 0: the matrix. */
Info EXPORT(gb_ewise_mult)(const Matrix *A, const Matrix *B, Op op, u32 type) {
  if (A->pattern->nrows != B->pattern->nrows || A->pattern->ncols != B->pattern->ncols)
    return fail(DIMENSION_MISMATCH, "the matrices are not of the same dimensions");
  if (!type) type = larger_type(A->type, B->type);
  Matrix *a = NULL, *b = NULL, *C;
  Info info = matrix_cast(A, type, &a);
  if (!info) info = matrix_cast(B, type, &b);
  if (!info && !(info = multiply(a, b, op, type, &C))) gb_result[0] = (uintptr_t)C;
  gb_matrix_free(a), gb_matrix_free(b);
  return info;
}
