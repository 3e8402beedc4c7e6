// SPDX-License-Identifier: Apache-2.0
/* GrB_apply: an operator on each value. The pattern is shared. */
#include "gb.h"

typedef enum { IDENTITY, ONE, AINV, MINV, ABS } Unary;

/* 1 / x; of integers truncated, and of 0 the largest value, as in SuiteSparse. BOOL: true. */
static u64 inverse(u64 x, Type type) {
  if (type == T_FP64) return as_bits(1 / as_double(x));
  if (type == T_BOOL) return 1;
  if (!x) return identity_of(OP_MIN, type);
  return x == 1 || (type == T_INT64 && (i64)x == -1) ? x : 0;
}

static u64 negative(u64 x, Type type) {
  if (type == T_FP64) return as_bits(-as_double(x));
  return type == T_BOOL ? x : type == T_UINT32 ? (u32)-x : -x;
}

static u64 absolute(u64 x, Type type) {
  if (type == T_FP64) return x & ~((u64)1 << 63);
  return type == T_INT64 && (i64)x < 0 ? -x : x;
}

static u64 unary(Unary op, u64 x, Type type) {
  switch (op) {
    case ONE: return cast_value(1, T_UINT64, type);
    case AINV: return negative(x, type);
    case MINV: return inverse(x, type);
    case ABS: return absolute(x, type);
    default: return x;
  }
}

/* op of A's values, once they are in `type`. Result 0: the matrix. */
Info EXPORT(gb_apply)(const Matrix *A, Unary op, Type type) {
  Matrix *C;
  Info info = matrix_cast(A, type, &C);
  if (info) return info;
  u32 n = A->pattern->nvals, x64 = is64(C);
  for (u32 k = 0; k < n && op != IDENTITY; k++) put(C->Ax, x64, k, unary(op, get(C->Ax, x64, k), type));
  gb_result[0] = (uintptr_t)C;
  return OK;
}

/* op(scalar, x) if `first`, else op(x, scalar), in `type`, of which scalar is. Result 0: the matrix. */
Info EXPORT(gb_apply_bind)(const Matrix *A, Op op, Type type, u64 scalar, int first) {
  Matrix *C;
  Info info = matrix_cast(A, type, &C);
  if (info) return info;
  Binary f = binary_of(op, type);
  u32 n = A->pattern->nvals, x64 = is64(C);
  for (u32 k = 0; k < n; k++) {
    u64 x = get(C->Ax, x64, k);
    put(C->Ax, x64, k, first ? f(scalar, x) : f(x, scalar));
  }
  gb_result[0] = (uintptr_t)C;
  return OK;
}
