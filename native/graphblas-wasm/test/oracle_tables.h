/* The oracle: operators of SuiteSparse by the codes of requests, for five types. Included by oracle_ops.h. */
/* Constants of five types, in the order of their codes. */
static int type_row(u64 type) { return type == 1 ? 0 : type == 7 ? 1 : type == 8 ? 2 : type == 9 ? 3 : 4; }
#define TYPED(name) name##_BOOL, name##_UINT32, name##_INT64, name##_UINT64, name##_FP64

static GrB_BinaryOp binary_of(u64 op, u64 type) {
  GrB_BinaryOp ops[][5] = {
      {TYPED(GrB_PLUS)},  {TYPED(GrB_MAX)}, {TYPED(GrB_MIN)},   {TYPED(GrB_FIRST)}, {TYPED(GrB_SECOND)},
      {0},                {0},              {TYPED(GrB_TIMES)}, {TYPED(GrB_MINUS)}, {TYPED(GxB_LOR)},
      {TYPED(GxB_LAND)},  {0},              {TYPED(GrB_ONEB)},
  };
  return ops[op][type_row(type)];
}

static GrB_UnaryOp unary_of(u64 op, u64 type) {
  GrB_UnaryOp ops[][5] = {
      {TYPED(GrB_IDENTITY)}, {TYPED(GxB_ONE)}, {TYPED(GrB_AINV)}, {TYPED(GrB_MINV)}, {TYPED(GrB_ABS)},
  };
  return ops[op][type_row(type)];
}

static GrB_IndexUnaryOp select_of(u64 op, u64 type) {
  GrB_IndexUnaryOp by_index[] = {GrB_TRIL,  GrB_TRIU,  GrB_DIAG,  GrB_OFFDIAG,
                                 GrB_ROWLE, GrB_ROWGT, GrB_COLLE, GrB_COLGT};
  GrB_IndexUnaryOp by_value[][5] = {
      {TYPED(GrB_VALUEEQ)}, {TYPED(GrB_VALUENE)}, {TYPED(GrB_VALUELT)},
      {TYPED(GrB_VALUELE)}, {TYPED(GrB_VALUEGT)}, {TYPED(GrB_VALUEGE)},
  };
  return op < 8 ? by_index[op] : by_value[op - 8][type_row(type)];
}

static GrB_Semiring semiring_of(u64 semiring, u64 type) {
#define REAL(name) GxB_LOR_LAND_BOOL, name##_UINT32, name##_INT64, name##_UINT64, name##_FP64
  GrB_Semiring rings[][5] = {
      {REAL(GxB_PLUS_TIMES)}, {REAL(GxB_PLUS_PAIR)}, {REAL(GxB_PLUS_FIRST)}, {REAL(GxB_PLUS_SECOND)},
      {REAL(GxB_MIN_PLUS)},   {REAL(GxB_MAX_PLUS)},  {TYPED(GxB_ANY_PAIR)},  {GxB_LOR_LAND_BOOL},
  };
  return rings[semiring][semiring == 7 ? 0 : type_row(type)];
}

static GrB_Monoid monoid_of(u64 op, u64 type) {
  GrB_Monoid plus[] = {NULL, GrB_PLUS_MONOID_UINT32, GrB_PLUS_MONOID_INT64, GrB_PLUS_MONOID_UINT64,
                       GrB_PLUS_MONOID_FP64};
  GrB_Monoid times[] = {NULL, GrB_TIMES_MONOID_UINT32, GrB_TIMES_MONOID_INT64, GrB_TIMES_MONOID_UINT64,
                        GrB_TIMES_MONOID_FP64};
  GrB_Monoid min[] = {NULL, GrB_MIN_MONOID_UINT32, GrB_MIN_MONOID_INT64, GrB_MIN_MONOID_UINT64,
                      GrB_MIN_MONOID_FP64};
  GrB_Monoid max[] = {NULL, GrB_MAX_MONOID_UINT32, GrB_MAX_MONOID_INT64, GrB_MAX_MONOID_UINT64,
                      GrB_MAX_MONOID_FP64};
  switch (op) {
    case 0: return plus[type_row(type)];
    case 1: return max[type_row(type)];
    case 2: return min[type_row(type)];
    case 7: return times[type_row(type)];
    case 9: return GrB_LOR_MONOID_BOOL;
    default: return GrB_LAND_MONOID_BOOL;
  }
}
