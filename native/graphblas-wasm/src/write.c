// SPDX-License-Identifier: Apache-2.0
/*
 * The last step of every GraphBLAS operation: C<M, replace> = accum(C, T). Rows and columns of the three are merged.
 */
#include "gb.h"

enum { COMPLEMENT = 1, STRUCTURAL = 2, REPLACE = 4 };

typedef struct {
  const Matrix *C, *T, *M; /* M may be NULL */
  Matrix *R;
  u32 flags, n, nvec;
  int accumulate;
  Binary accum;
} Write;

/* The part of a matrix that is its row `row`; moves *k past it. */
static void row_bounds(const Matrix *A, u32 *k, u64 row, u32 *start, u32 *end) {
  *start = *end = 0;
  if (!A || *k == A->pattern->nvec || get(A->pattern->Ah, A->pattern->wide, *k) != row) return;
  *start = A->pattern->Ap[*k];
  *end = A->pattern->Ap[++*k];
}

static int in_mask(const Write *w, u32 p, int present) {
  int holds = !w->M || (present && ((w->flags & STRUCTURAL) || get(w->M->Ax, is64(w->M), p)));
  if (present && holds && w->M && w->M->type == T_FP64 && !(w->flags & STRUCTURAL))
    holds = as_double(((u64 *)w->M->Ax)[p]) != 0; /* -0 */
  return holds != (int)(w->flags & COMPLEMENT);
}

INLINE void emit(Write *w, u32 wide, u32 x64, u64 column, u64 value) {
  put(w->R->pattern->Aj, wide, w->n, column);
  put(w->R->Ax, x64, w->n++, value);
}

static void write_row(Write *w, u32 c, u32 c_end, u32 t, u32 t_end, u32 m, u32 m_end) {
  u32 wide = w->R->pattern->wide, x64 = is64(w->R);
  const void *Cj = w->C->pattern->Aj, *Tj = w->T->pattern->Aj;
  while (c < c_end || t < t_end) {
    u64 of_c = c < c_end ? get(Cj, wide, c) : GB_INDEX_MAX, of_t = t < t_end ? get(Tj, wide, t) : GB_INDEX_MAX;
    u64 column = of_c < of_t ? of_c : of_t;
    int in_c = of_c == column, in_t = of_t == column;
    while (m < m_end && get(w->M->pattern->Aj, wide, m) < column) m++;
    if (in_mask(w, m, m < m_end && get(w->M->pattern->Aj, wide, m) == column)) {
      if (in_c && in_t && w->accumulate)
        emit(w, wide, x64, column, w->accum(get(w->C->Ax, x64, c), get(w->T->Ax, x64, t)));
      else if (in_t)
        emit(w, wide, x64, column, get(w->T->Ax, x64, t));
      else if (w->accumulate)
        emit(w, wide, x64, column, get(w->C->Ax, x64, c));
    } else if (in_c && !(w->flags & REPLACE)) {
      emit(w, wide, x64, column, get(w->C->Ax, x64, c));
    }
    c += (u32)in_c;
    t += (u32)in_t;
  }
}

static void write_rows(Write *w) {
  const Pattern *P = w->C->pattern, *Q = w->T->pattern;
  Pattern *R = w->R->pattern;
  u32 i = 0, j = 0, m = 0;
  while (i < P->nvec || j < Q->nvec) {
    u64 of_c = i < P->nvec ? get(P->Ah, P->wide, i) : GB_INDEX_MAX,
        of_t = j < Q->nvec ? get(Q->Ah, Q->wide, j) : GB_INDEX_MAX, row = of_c < of_t ? of_c : of_t;
    while (w->M && m < w->M->pattern->nvec && get(w->M->pattern->Ah, R->wide, m) < row) m++;
    u32 c, c_end, t, t_end, in_m, m_end, before = w->n;
    row_bounds(w->C, &i, row, &c, &c_end);
    row_bounds(w->T, &j, row, &t, &t_end);
    row_bounds(w->M, &m, row, &in_m, &m_end);
    write_row(w, c, c_end, t, t_end, in_m, m_end);
    if (w->n == before) continue;
    put(R->Ah, R->wide, w->nvec++, row);
    R->Ap[w->nvec] = w->n;
  }
  matrix_trim(w->R, w->nvec, w->n);
}

static int same_dimensions(const Matrix *A, const Matrix *B) {
  return A->pattern->nrows == B->pattern->nrows && A->pattern->ncols == B->pattern->ncols;
}

/*
 * C<M> accum= T in C's type, as a new matrix. M may be 0; flags: 1 complement, 2 structural, 4 replace; accum may be
 * OP_NONE. Result 0: the matrix. DIMENSION_MISMATCH, OUT_OF_MEMORY.
 */
Info EXPORT(gb_write)(const Matrix *C, const Matrix *T, const Matrix *M, u32 flags, Op accum) {
  if (!same_dimensions(C, T) || (M && !same_dimensions(C, M)))
    return fail(DIMENSION_MISMATCH, "the mask or the matrix to write into is not of the result's dimensions");
  Matrix *t;
  Write w = {.C = C, .M = M, .flags = flags, .accumulate = accum != OP_NONE, .accum = binary_of(accum, C->type)};
  Info info = matrix_cast(T, C->type, &t);
  if (info) return info;
  const Pattern *P = C->pattern, *Q = T->pattern;
  w.T = t;
  info = matrix_over(&w.R, P->nrows, P->ncols, (u64)P->nvec + Q->nvec, (u64)P->nvals + Q->nvals, C->type);
  if (!info) {
    write_rows(&w);
    gb_result[0] = (uintptr_t)w.R;
  }
  gb_matrix_free(t);
  return info;
}
