// SPDX-License-Identifier: Apache-2.0
/* Binary operators inline, for loops that have op and type as constants; binary_of() has them as functions. */
#ifndef GB_OPS_H
#define GB_OPS_H
#include "gb.h"

INLINE u64 binary_double(Op op, double x, double y) {
  switch (op) {
    case OP_PLUS: return as_bits(x + y);
    case OP_MINUS: return as_bits(x - y);
    case OP_TIMES: return as_bits(x * y);
    case OP_MAX: return as_bits(x != x ? y : y != y ? x : x > y ? x : y); /* fmax: NaN only if both are */
    case OP_MIN: return as_bits(x != x ? y : y != y ? x : x < y ? x : y);
    case OP_LOR: return as_bits(x != 0 || y != 0);
    case OP_LAND: return as_bits(x != 0 && y != 0);
    case OP_ONEB: return as_bits(1);
    case OP_SECOND: return as_bits(y);
    default: return as_bits(x);
  }
}

INLINE u64 binary_integer(Op op, u64 x, u64 y, int is_signed) {
  switch (op) {
    case OP_PLUS: return x + y;
    case OP_MINUS: return x - y;
    case OP_TIMES: return x * y;
    case OP_MAX: return (is_signed ? (i64)x > (i64)y : x > y) ? x : y;
    case OP_MIN: return (is_signed ? (i64)x < (i64)y : x < y) ? x : y;
    case OP_LOR: return x || y;
    case OP_LAND: return x && y;
    case OP_ONEB: return 1;
    case OP_SECOND: return y;
    default: return x;
  }
}

/* As GraphBLAS has it for BOOL: plus and max are or, times and min are and, minus is exclusive or. */
INLINE u64 binary_bool(Op op, u64 x, u64 y) {
  switch (op) {
    case OP_PLUS:
    case OP_MAX:
    case OP_LOR: return x | y;
    case OP_TIMES:
    case OP_MIN:
    case OP_LAND: return x & y;
    case OP_MINUS: return x ^ y;
    case OP_ONEB: return 1;
    case OP_SECOND: return y;
    default: return x;
  }
}

INLINE u64 binary(Op op, Type type, u64 x, u64 y) {
  switch (type) {
    case T_BOOL: return binary_bool(op, x, y);
    case T_UINT32: return (u32)binary_integer(op, x, y, 0);
    case T_INT64: return binary_integer(op, x, y, 1);
    case T_FP64: return binary_double(op, as_double(x), as_double(y));
    default: return binary_integer(op, x, y, 0);
  }
}
#endif
