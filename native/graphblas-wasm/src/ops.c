// SPDX-License-Identifier: Apache-2.0
/* Operators and casts of every type, on values as matrices carry them: as u64, FP64 and INT64 as their bits. */
#include "ops.h"

/* One function for each op and type. */
#define EACH_TYPE(op)                                                                                        \
  static u64 op##_bool(u64 x, u64 y) { return binary_bool(op, x, y); }                                       \
  static u64 op##_u32(u64 x, u64 y) { return (u32)binary_integer(op, x, y, 0); }                             \
  static u64 op##_i64(u64 x, u64 y) { return binary_integer(op, x, y, 1); }                                  \
  static u64 op##_u64(u64 x, u64 y) { return binary_integer(op, x, y, 0); }                                  \
  static u64 op##_f64(u64 x, u64 y) { return binary_double(op, as_double(x), as_double(y)); }
EACH_TYPE(OP_PLUS)
EACH_TYPE(OP_MAX)
EACH_TYPE(OP_MIN)
EACH_TYPE(OP_FIRST)
EACH_TYPE(OP_SECOND)
EACH_TYPE(OP_TIMES)
EACH_TYPE(OP_MINUS)
EACH_TYPE(OP_LOR)
EACH_TYPE(OP_LAND)
EACH_TYPE(OP_ONEB)

/* ANY is FIRST. */
Binary binary_of(Op op, Type type) {
#define ROW(op) {op##_bool, op##_u32, op##_i64, op##_u64, op##_f64}
  static const Binary table[][5] = {
      [OP_PLUS] = ROW(OP_PLUS),   [OP_MAX] = ROW(OP_MAX),       [OP_MIN] = ROW(OP_MIN),
      [OP_FIRST] = ROW(OP_FIRST), [OP_SECOND] = ROW(OP_SECOND), [OP_COUNT] = ROW(OP_FIRST),
      [OP_NONE] = ROW(OP_FIRST),  [OP_TIMES] = ROW(OP_TIMES),   [OP_MINUS] = ROW(OP_MINUS),
      [OP_LOR] = ROW(OP_LOR),     [OP_LAND] = ROW(OP_LAND),     [OP_ANY] = ROW(OP_FIRST),
      [OP_ONEB] = ROW(OP_ONEB),
  };
  return table[op][type == T_BOOL ? 0 : type == T_UINT32 ? 1 : type == T_INT64 ? 2 : type == T_UINT64 ? 3 : 4];
}

/* The bits of 1 or 0 in a type. */
static u64 number(int one, Type type) { return type == T_FP64 ? as_bits(one) : (u64)one; }

/* Of a monoid. ANY has none; it gives 0, as SuiteSparse does. */
u64 identity_of(Op op, Type type) {
  switch (op) {
    case OP_TIMES:
    case OP_LAND: return number(1, type);
    case OP_MIN:
      if (type == T_FP64) return as_bits(__builtin_inf());
      return type == T_BOOL ? 1 : type == T_UINT32 ? UINT32_MAX : type == T_INT64 ? INT64_MAX : UINT64_MAX;
    case OP_MAX: return type == T_FP64 ? as_bits(-__builtin_inf()) : type == T_INT64 ? (u64)INT64_MIN : 0;
    default: return 0;
  }
}

/* The type in which operands of two types meet: BOOL < UINT32 < UINT64 < INT64 < FP64. */
Type larger_type(Type a, Type b) {
  static const u8 order[] = {T_BOOL, T_UINT32, T_UINT64, T_INT64, T_FP64};
  Type larger = T_BOOL;
  for (u32 k = 0; k < sizeof order; k++)
    if (order[k] == a || order[k] == b) larger = order[k];
  return larger;
}

/* FP64 to integers: truncated, saturated, NaN to 0. */
static u64 from_double(double x, Type to) {
  if (to == T_BOOL) return x != 0;
  if (x != x) return 0;
  if (to == T_INT64)
    return x <= -0x1p63 ? (u64)INT64_MIN : x >= 0x1p63 ? (u64)INT64_MAX : (u64)(i64)x;
  if (x <= 0) return 0;
  if (to == T_UINT32) return x >= 0x1p32 ? UINT32_MAX : (u32)x;
  return x >= 0x1p64 ? UINT64_MAX : (u64)x;
}

/* As GraphBLAS casts: integers wrap; to BOOL is "not 0". */
u64 cast_value(u64 x, Type from, Type to) {
  if (from == to) return x;
  if (from == T_FP64) return from_double(as_double(x), to);
  if (to == T_BOOL) return x != 0;
  if (to == T_FP64) return as_bits(from == T_INT64 ? (double)(i64)x : (double)x);
  return to == T_UINT32 ? (u32)x : x;
}

/* Result 0: x in another type. */
void EXPORT(gb_cast_value)(u64 x, Type from, Type to) { gb_result[0] = cast_value(x, from, to); }
