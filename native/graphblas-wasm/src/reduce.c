// SPDX-License-Identifier: Apache-2.0
/*
 * GrB_reduce to vectors and scalars. Results are UINT64 whatever the matrix holds (sums of UINT32 do not wrap
 * at 2^32; sums of UINT64 wrap as in GraphBLAS).
 */
#include "gb.h"
#include "radix.h"

INLINE u64 reduce_run(const void *X, u32 x64, u32 start, u32 end, Op op) {
  if (op == OP_COUNT) return end - start;
  u64 held = get(X, x64, start);
  for (u32 p = start + 1; p < end; p++) held = combine(op, held, get(X, x64, p), 1);
  return held;
}

static u64 reduce_any(const void *X, u32 x64, u32 start, u32 end, Op op) {
  switch (op) {
    case OP_COUNT: return end - start;
    case OP_MAX: return x64 ? reduce_run(X, 1, start, end, OP_MAX) : reduce_run(X, 0, start, end, OP_MAX);
    case OP_MIN: return x64 ? reduce_run(X, 1, start, end, OP_MIN) : reduce_run(X, 0, start, end, OP_MIN);
    default: return x64 ? reduce_run(X, 1, start, end, OP_PLUS) : reduce_run(X, 0, start, end, OP_PLUS);
  }
}

/*
 * Result 0: the reduction of all values; 0 without any, which is the identity of plus, max and count (not
 * of * min).
 */
void EXPORT(gb_matrix_reduce)(const Matrix *A, Op op) {
  u32 n = A->pattern->nvals;
  gb_result[0] = n ? reduce_any(A->Ax, is64(A), 0, n, op) : op == OP_MIN ? UINT64_MAX : 0;
}

void EXPORT(gb_vector_reduce)(const Vector *v, Op op) {
  gb_result[0] = v->nvals ? reduce_any(v->value, 1, 0, v->nvals, op) : op == OP_MIN ? UINT64_MAX : 0;
}

INLINE void reduce_rows(const Pattern *P, const void *X, Vector *v, u32 x64, u32 wide, Op op) {
  for (u32 k = 0; k < P->nvec; k++) {
    v->index[k] = get(P->Ah, wide, k);
    v->value[k] = reduce_run(X, x64, P->Ap[k], P->Ap[k + 1], op);
  }
}

INLINE void reduce_rows_op(const Matrix *A, Vector *v, Op op) {
  const Pattern *P = A->pattern;
  if (P->wide)
    is64(A) ? reduce_rows(P, A->Ax, v, 1, 1, op) : reduce_rows(P, A->Ax, v, 0, 1, op);
  else
    is64(A) ? reduce_rows(P, A->Ax, v, 1, 0, op) : reduce_rows(P, A->Ax, v, 0, 0, op);
}

/* Result 0: a Vector of the rows that have entries. */
Info EXPORT(gb_reduce_rows)(const Matrix *A, Op op) {
  Vector *v;
  Info info = vector_new(&v, A->pattern->nrows, A->pattern->nvec);
  if (info) return info;
  if (op == OP_COUNT)
    reduce_rows_op(A, v, OP_COUNT);
  else if (op == OP_MAX)
    reduce_rows_op(A, v, OP_MAX);
  else if (op == OP_MIN)
    reduce_rows_op(A, v, OP_MIN);
  else
    reduce_rows_op(A, v, OP_PLUS);
  gb_result[0] = (uintptr_t)v;
  return OK;
}

void columns_free(Columns *c) {
  heap_free(c->blocks[0]), heap_free(c->blocks[1]), heap_free(c->blocks[2]), heap_free(c->blocks[3]);
}

/* Sorts blocks 0 by itself with blocks 2; 1 and 3 are scratch. 1 if the result is there. */
INLINE u32 sort_columns(void **blocks, u32 n, u64 varying, u32 wide, u32 payload) {
  return (u32)radix_sort(blocks[0], blocks[1], wide, blocks[2], blocks[3], payload, n, varying);
}

/* P's columns, sorted, with the nvals elements of `load`. Free with columns_free. */
Info columns_sorted(const Pattern *P, const void *load, u32 x64, Columns *c) {
  u32 n = P->nvals;
  *c = (Columns){.n = n};
  for (u32 k = 0; k < 4; k++) {
    c->blocks[k] = heap_allocate((u64)n * (k < 2 ? width(P->wide) : width(x64)));
    if (!c->blocks[k]) {
      columns_free(c);
      return fail_memory();
    }
  }
  void *J = c->blocks[0], *X = c->blocks[2];
  memcpy(J, P->Aj, n * width(P->wide));
  memcpy(X, load, n * width(x64));
  u64 varying = P->wide ? radix_varying(J, 1, n) : radix_varying(J, 0, n);
  u32 swapped;
  if (P->wide)
    swapped = x64 ? sort_columns(c->blocks, n, varying, 1, PAYLOAD64)
                  : sort_columns(c->blocks, n, varying, 1, PAYLOAD32);
  else
    swapped = x64 ? sort_columns(c->blocks, n, varying, 0, PAYLOAD64)
                  : sort_columns(c->blocks, n, varying, 0, PAYLOAD32);
  c->J = c->blocks[swapped];
  c->X = c->blocks[2 + swapped];
  return OK;
}

/* Result 0: a Vector of the columns that have entries. */
Info EXPORT(gb_reduce_columns)(const Matrix *A, Op op) {
  Columns c;
  Info info = columns_sorted(A->pattern, A->Ax, is64(A), &c);
  if (info) return info;
  u32 wide = A->pattern->wide, distinct = 0;
  for (u32 k = 0; k < c.n; k++) distinct += !k || get(c.J, wide, k) != get(c.J, wide, k - 1);
  Vector *v;
  if (!(info = vector_new(&v, A->pattern->ncols, distinct))) {
    for (u32 k = 0, at = 0; k < c.n; at++) {
      u64 column = get(c.J, wide, k);
      u32 start = k;
      while (k < c.n && get(c.J, wide, k) == column) k++;
      v->index[at] = column;
      v->value[at] = reduce_any(c.X, is64(A), start, k, op);
    }
    gb_result[0] = (uintptr_t)v;
  }
  columns_free(&c);
  return info;
}
