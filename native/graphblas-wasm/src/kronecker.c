// SPDX-License-Identifier: Apache-2.0
/* GrB_kronecker: C(ia * nrows(B) + ib, ja * ncols(B) + jb) = op(A(ia, ja), B(ib, jb)). */
#include "gb.h"

static void fill(const Matrix *A, const Matrix *B, Matrix *C, Binary f) {
  const Pattern *P = A->pattern, *Q = B->pattern;
  Pattern *R = C->pattern;
  u32 n = 0, nvec = 0, x64 = is64(C);
  for (u32 i = 0; i < P->nvec; i++) {
    for (u32 k = 0; k < Q->nvec; k++) { /* rows and columns of the result come in order */
      put(R->Ah, R->wide, nvec++, get(P->Ah, P->wide, i) * Q->nrows + get(Q->Ah, Q->wide, k));
      for (u32 p = P->Ap[i]; p < P->Ap[i + 1]; p++) {
        u64 column = get(P->Aj, P->wide, p) * Q->ncols, a = get(A->Ax, x64, p);
        for (u32 q = Q->Ap[k]; q < Q->Ap[k + 1]; q++) {
          put(R->Aj, R->wide, n, column + get(Q->Aj, Q->wide, q));
          put(C->Ax, x64, n++, f(a, get(B->Ax, x64, q)));
        }
      }
      R->Ap[nvec] = n;
    }
  }
}

static int beyond(u64 a, u64 b) { return a > GB_INDEX_MAX / b; }

/* In `type` (0: the larger of the two). Result 0: the matrix. INVALID_VALUE: a dimension would be beyond 2^60. */
Info EXPORT(gb_kronecker)(const Matrix *A, const Matrix *B, Op op, u32 type) {
  const Pattern *P = A->pattern, *Q = B->pattern;
  if (beyond(P->nrows, Q->nrows) || beyond(P->ncols, Q->ncols))
    return fail(INVALID_VALUE, "a dimension of the product would be beyond 2^60");
  if (!type) type = larger_type(A->type, B->type);
  Matrix *a = NULL, *b = NULL, *C;
  Info info = matrix_cast(A, type, &a);
  if (!info) info = matrix_cast(B, type, &b);
  if (!info)
    info = matrix_over(&C, P->nrows * Q->nrows, P->ncols * Q->ncols, (u64)P->nvec * Q->nvec,
                       (u64)P->nvals * Q->nvals, type);
  if (!info) {
    fill(a, b, C, binary_of(op, type));
    gb_result[0] = (uintptr_t)C;
  }
  gb_matrix_free(a), gb_matrix_free(b);
  return info;
}
