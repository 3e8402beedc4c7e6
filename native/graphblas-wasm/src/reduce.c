// SPDX-License-Identifier: Apache-2.0
/*
 * GrB_reduce to vectors and scalars. Of unsigned types the results are UINT64: sums of UINT32 do not wrap at 2^32;
 * sums of UINT64 wrap as in GraphBLAS.
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
 * What a reduction gives: UINT64 of unsigned types and BOOL, INT64 and FP64 of their own; BOOL of lor and land; any
 * as it is; counts are UINT64.
 */
static Type result_type(Type type, Op op) {
  if (op == OP_COUNT) return T_UINT64;
  if (op == OP_LOR || op == OP_LAND) return T_BOOL;
  return op == OP_ANY || type == T_INT64 || type == T_FP64 ? type : T_UINT64;
}

/* Are u64 and combine() all it takes? */
static int is_plain(Type type, Op op) {
  return op == OP_COUNT || (is_unsigned(type) && (op == OP_PLUS || op == OP_MAX || op == OP_MIN));
}

/* X[start] to X[end - 1], of which there is at least one. */
static u64 reduce_typed(const void *X, Type type, u32 start, u32 end, Op op) {
  u32 x64 = type64(type);
  if (is_plain(type, op)) return reduce_any(X, x64, start, end, op);
  Type to = result_type(type, op);
  u64 held = cast_value(get(X, x64, start), type, to);
  if (op == OP_ANY) return held;
  Binary f = binary_of(op, to);
  for (u32 p = start + 1; p < end; p++) held = f(held, cast_value(get(X, x64, p), type, to));
  return held;
}

/* Results: the reduction of all values, without any the identity (of count: 0); its type. */
void EXPORT(gb_matrix_reduce)(const Matrix *A, Op op) {
  u32 n = A->pattern->nvals;
  Type to = result_type(A->type, op);
  gb_result[0] = n ? reduce_typed(A->Ax, A->type, 0, n, op) : identity_of(op, to);
  gb_result[1] = to;
}

INLINE void reduce_rows(const Pattern *P, const void *X, u64 *value, u32 x64, Op op) {
  for (u32 k = 0; k < P->nvec; k++) value[k] = reduce_run(X, x64, P->Ap[k], P->Ap[k + 1], op);
}

INLINE void reduce_rows_op(const Matrix *A, u64 *value, Op op) {
  is64(A) ? reduce_rows(A->pattern, A->Ax, value, 1, op) : reduce_rows(A->pattern, A->Ax, value, 0, op);
}

static void reduce_rows_typed(const Matrix *A, void *value, u32 to64, Op op) {
  const Pattern *P = A->pattern;
  for (u32 k = 0; k < P->nvec; k++)
    put(value, to64, k, reduce_typed(A->Ax, A->type, P->Ap[k], P->Ap[k + 1], op));
}

/* Result 0: a vector of the rows that have entries. */
Info EXPORT(gb_reduce_rows)(const Matrix *A, Op op) {
  const Pattern *P = A->pattern;
  Matrix *v;
  Info info = vector_new(&v, P->nrows, P->nvec, result_type(A->type, op));
  if (info) return info;
  for (u32 k = 0; k < P->nvec; k++) put(v->pattern->Aj, v->pattern->wide, k, get(P->Ah, P->wide, k));
  if (!is_plain(A->type, op))
    reduce_rows_typed(A, v->Ax, is64(v), op);
  else if (op == OP_COUNT)
    reduce_rows_op(A, v->Ax, OP_COUNT);
  else if (op == OP_MAX)
    reduce_rows_op(A, v->Ax, OP_MAX);
  else if (op == OP_MIN)
    reduce_rows_op(A, v->Ax, OP_MIN);
  else
    reduce_rows_op(A, v->Ax, OP_PLUS);
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

/* Result 0: a vector of the columns that have entries. */
Info EXPORT(gb_reduce_columns)(const Matrix *A, Op op) {
  Columns c;
  Info info = columns_sorted(A->pattern, A->Ax, is64(A), &c);
  if (info) return info;
  u32 wide = A->pattern->wide, distinct = 0;
  for (u32 k = 0; k < c.n; k++) distinct += !k || get(c.J, wide, k) != get(c.J, wide, k - 1);
  Matrix *v;
  if (!(info = vector_new(&v, A->pattern->ncols, distinct, result_type(A->type, op)))) {
    for (u32 k = 0, at = 0; k < c.n; at++) {
      u64 column = get(c.J, wide, k);
      u32 start = k;
      while (k < c.n && get(c.J, wide, k) == column) k++;
      put(v->pattern->Aj, v->pattern->wide, at, column);
      put(v->Ax, is64(v), at, reduce_typed(c.X, A->type, start, k, op));
    }
    gb_result[0] = (uintptr_t)v;
  }
  columns_free(&c);
  return info;
}
