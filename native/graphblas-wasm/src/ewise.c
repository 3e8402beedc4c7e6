// SPDX-License-Identifier: Apache-2.0
/*
 * GrB_eWiseAdd: the union of two patterns is merged once; then each pair of value planes is combined along
 * it.
 *
 * Narrow patterns are expanded to packed keys row << 32 | column first. Comparing two of those is one
 * instruction, which lets the merge run without a branch; and it is cut at quantiles into lanes that run side
 * by side, because one such merge alone waits for its own loads.
 */
#include "gb.h"

/* Where each entry of the union comes from: a bit each. */
#define IN_A 1
#define IN_B 2
#define LANES 3
#define WIDEN 99 /* for a type */

typedef struct {
  Pattern *pattern;
  u8 *source; /* nvals */
} Union;

typedef struct {
  const u64 *a, *a_end, *b, *b_end;
  u64 *key;
  u8 *source;
} Lane;

INLINE void lane_step(Lane *l) {
  u64 a = *l->a, b = *l->b;
  u32 in_a = a <= b, in_b = b <= a;
  *l->key++ = in_a ? a : b;
  *l->source++ = (u8)(in_a | in_b << 1);
  l->a += in_a;
  l->b += in_b;
}

/* Steps that surely do not run past either end. */
INLINE size_t lane_safe(const Lane *l) {
  size_t a = (size_t)(l->a_end - l->a), b = (size_t)(l->b_end - l->b);
  return a < b ? a : b;
}

static void lane_finish(Lane *lane) {
  Lane l = *lane;
  for (size_t steps; (steps = lane_safe(&l));)
    while (steps--) lane_step(&l);
  size_t rest = (size_t)(l.a_end - l.a);
  memcpy(l.key, l.a, rest * 8);
  memset(l.source, IN_A, rest);
  l.key += rest;
  l.source += rest;
  rest = (size_t)(l.b_end - l.b);
  memcpy(l.key, l.b, rest * 8);
  memset(l.source, IN_B, rest);
  lane->key = l.key + rest;
  lane->source = l.source + rest;
}

static void lanes_run(Lane *lanes) {
  Lane x = lanes[0], y = lanes[1], z = lanes[2];
  for (;;) {
    size_t steps = lane_safe(&x), other = lane_safe(&y), third = lane_safe(&z);
    steps = steps < other ? steps : other;
    steps = steps < third ? steps : third;
    if (!steps) break;
    while (steps--) {
      lane_step(&x);
      lane_step(&y);
      lane_step(&z);
    }
  }
  lanes[0] = x, lanes[1] = y, lanes[2] = z;
  for (u32 k = 0; k < LANES; k++) lane_finish(&lanes[k]);
}

static u32 lower_bound(const u64 *keys, u32 n, u64 key) {
  u32 low = 0;
  while (n) {
    u32 half = n / 2;
    if (keys[low + half] < key)
      low += half + 1, n -= half + 1;
    else
      n = half;
  }
  return low;
}

/* Merges a and b, each sorted and distinct, to keys and source, with room for na + nb; returns how many. */
static u32 merge_packed(const u64 *a, u32 na, const u64 *b, u32 nb, u64 *keys, u8 *source) {
  Lane lanes[LANES];
  u32 from[LANES]; /* where each lane's output starts: what both inputs could fill before it */
  for (u32 k = 0, i = 0, j = 0; k < LANES; k++) {
    u32 i_end = k == LANES - 1 ? na : (u32)((u64)na * (k + 1) / LANES);
    u32 j_end = k == LANES - 1 ? nb : i_end == na ? nb : lower_bound(b, nb, a[i_end]);
    from[k] = i + j;
    lanes[k] = (Lane){a + i, a + i_end, b + j, b + j_end, keys + i + j, source + i + j};
    i = i_end;
    j = j_end;
  }
  lanes_run(lanes);
  u32 n = (u32)(lanes[0].key - keys);
  for (u32 k = 1; k < LANES; k++) { /* closes the gaps that entries of both leave */
    u32 count = (u32)(lanes[k].key - keys) - from[k];
    memmove(keys + n, keys + from[k], (size_t)count * 8);
    memmove(source + n, source + from[k], count);
    n += count;
  }
  return n;
}

/* Narrow entries as sorted keys. */
static void expand(const Pattern *P, u64 *keys) {
  const u32 *Ap = P->Ap, *Ah = P->Ah, *Aj = P->Aj;
  for (u32 k = 0; k < P->nvec; k++) {
    u64 row = (u64)Ah[k] << 32;
    u32 p = Ap[k], end = Ap[k + 1];
    do keys[p] = row | Aj[p];
    while (++p < end);
  }
}

static Info union_narrow(Union *U, const Pattern *P, const Pattern *Q) {
  u32 most = P->nvals + Q->nvals;
  u64 *a = heap_allocate((u64)P->nvals * 8), *b = heap_allocate((u64)Q->nvals * 8),
      *keys = heap_allocate((u64)most * 8);
  Info info = OK;
  if (!a || !b || !keys) info = fail_memory();
  if (!info) {
    expand(P, a);
    expand(Q, b);
    u32 n = merge_packed(a, P->nvals, b, Q->nvals, keys, U->source);
    heap_free(a), heap_free(b);
    a = b = NULL;
    if (!(info = pattern_new(&U->pattern, P->nrows, P->ncols, n, n)))
      pattern_from_packed(U->pattern, keys, n);
  }
  heap_free(a), heap_free(b), heap_free(keys);
  return info;
}

/* Wide patterns: entry by entry, rows first. */
static Info union_wide(Union *U, const Pattern *P, const Pattern *Q) {
  Pattern *R;
  Info info = pattern_new(&R, P->nrows, P->ncols, P->nvec + Q->nvec, P->nvals + Q->nvals);
  if (info) return info;
  const u64 *Ph = P->Ah, *Qh = Q->Ah, *Pj = P->Aj, *Qj = Q->Aj;
  u64 *Rh = R->Ah, *Rj = R->Aj;
  u32 i = 0, j = 0, nvec = 0, n = 0;
  while (i < P->nvec || j < Q->nvec) {
    int row_p = j == Q->nvec || (i < P->nvec && Ph[i] <= Qh[j]),
        row_q = i == P->nvec || (j < Q->nvec && Qh[j] <= Ph[i]);
    u32 p = row_p ? P->Ap[i] : 0, p_end = row_p ? P->Ap[i + 1] : 0, q = row_q ? Q->Ap[j] : 0,
        q_end = row_q ? Q->Ap[j + 1] : 0;
    Rh[nvec++] = row_p ? Ph[i] : Qh[j];
    while (p < p_end || q < q_end) {
      int in_p = q == q_end || (p < p_end && Pj[p] <= Qj[q]),
          in_q = p == p_end || (q < q_end && Qj[q] <= Pj[p]);
      Rj[n] = in_p ? Pj[p] : Qj[q];
      U->source[n++] = (u8)(in_p | in_q << 1);
      p += (u32)in_p;
      q += (u32)in_q;
    }
    R->Ap[nvec] = n;
    i += (u32)row_p;
    j += (u32)row_q;
  }
  pattern_trim(R, nvec, n);
  U->pattern = R;
  return OK;
}

/* Where only one matrix has an entry, the union takes that value, whatever op is. */
INLINE void combine_along(const u8 *source, u32 n, const Matrix *A, const Matrix *B, Matrix *C, Op op,
                          u32 a64, u32 b64, u32 c64) {
  u32 i = 0, j = 0; /* may come to stand one past the end, where matrix_new has left room */
  for (u32 k = 0; k < n; k++) {
    u32 from = source[k];
    u64 a = get(A->Ax, a64, i), b = get(B->Ax, b64, j), c;
    if (op == OP_PLUS)
      c = (a & -(u64)(from & 1)) + (b & -(u64)(from >> 1));
    else {
      u64 both = combine(op, a, b, c64);
      c = from == IN_A ? a : from == IN_B ? b : both;
    }
    put(C->Ax, c64, k, c);
    i += from & 1;
    j += from >> 1;
  }
}

INLINE void combine_op(const u8 *source, u32 n, const Matrix *A, const Matrix *B, Matrix *C, Op op) {
  if (!is64(C))
    combine_along(source, n, A, B, C, op, 0, 0, 0);
  else if (is64(A) && is64(B))
    combine_along(source, n, A, B, C, op, 1, 1, 1);
  else if (is64(A))
    combine_along(source, n, A, B, C, op, 1, 0, 1);
  else if (is64(B))
    combine_along(source, n, A, B, C, op, 0, 1, 1);
  else
    combine_along(source, n, A, B, C, op, 0, 0, 1);
}

static void combine_values(const u8 *source, u32 n, const Matrix *A, const Matrix *B, Matrix *C, Op op) {
  switch (op) {
    case OP_PLUS: return combine_op(source, n, A, B, C, OP_PLUS);
    case OP_MAX: return combine_op(source, n, A, B, C, OP_MAX);
    case OP_MIN: return combine_op(source, n, A, B, C, OP_MIN);
    case OP_SECOND: return combine_op(source, n, A, B, C, OP_SECOND);
    default: return combine_op(source, n, A, B, C, OP_FIRST);
  }
}

/* The union of a matrix and an empty one, or of two with one pattern, needs no merge. */
static Info union_of(Union *U, Pattern *P, Pattern *Q) {
  u32 most = P->nvals + Q->nvals;
  if (most < P->nvals) return fail_memory();
  *U = (Union){NULL, heap_allocate(most)};
  if (!U->source) return fail_memory();
  Info info = OK;
  if (!P->nvals || !Q->nvals || pattern_equal(P, Q)) {
    memset(U->source, !P->nvals ? IN_B : !Q->nvals ? IN_A : IN_A | IN_B, most);
    U->pattern = P->nvals ? P : Q;
    U->pattern->references++;
  } else {
    info = P->wide ? union_wide(U, P, Q) : union_narrow(U, P, Q);
  }
  if (info) heap_free(U->source);
  return info;
}

/* Would the sum of A and B overflow UINT32? An upper bound: the sum of the two largest values. */
static int sum_may_overflow(const Matrix *A, const Matrix *B) {
  u32 a = 0, b = 0;
  for (u32 k = 0; k < A->pattern->nvals; k++) a = ((u32 *)A->Ax)[k] > a ? ((u32 *)A->Ax)[k] : a;
  for (u32 k = 0; k < B->pattern->nvals; k++) b = ((u32 *)B->Ax)[k] > b ? ((u32 *)B->Ax)[k] : b;
  return (u64)a + b > UINT32_MAX;
}

/* Any op on any type, in which A and B already are. */
static void combine_typed(const u8 *source, const Matrix *A, const Matrix *B, Matrix *C, Op op) {
  Binary f = binary_of(op, C->type);
  u32 n = C->pattern->nvals, x64 = is64(C), i = 0, j = 0;
  for (u32 k = 0; k < n; k++) {
    u32 from = source[k];
    u64 a = get(A->Ax, x64, i), b = get(B->Ax, x64, j);
    put(C->Ax, x64, k, from == IN_A ? a : from == IN_B ? b : f(a, b));
    i += from & 1;
    j += from >> 1;
  }
}

static Info add_typed(const Union *U, const Matrix *A, const Matrix *B, Op op, Type type, Matrix **out) {
  Matrix *a = NULL, *b = NULL;
  Info info = matrix_cast(A, type, &a);
  if (!info) info = matrix_cast(B, type, &b);
  if (!info && !(info = matrix_new(out, U->pattern, type))) combine_typed(U->source, a, b, *out, op);
  gb_matrix_free(a), gb_matrix_free(b);
  return info;
}

static Info add_plane(const Union *U, const Matrix *A, const Matrix *B, Op op, u32 type, Matrix **out) {
  Type larger = larger_type(A->type, B->type);
  if (!type)
    type = larger;
  else if (type == WIDEN)
    type = larger == T_UINT32 && A->type == B->type && op == OP_PLUS && sum_may_overflow(A, B) ? T_UINT64 : larger;
  else if (type == T_UINT32 && larger == T_UINT64)
    return fail(DOMAIN_MISMATCH, "UINT64 values are not added in UINT32; cast them first");
  if (op > OP_SECOND || !is_unsigned(type) || !is_unsigned(A->type) || !is_unsigned(B->type))
    return add_typed(U, A, B, op, type, out);
  Info info = matrix_new(out, U->pattern, type);
  if (info) return info;
  const Matrix *alone = !B->pattern->nvals ? A : !A->pattern->nvals ? B : NULL;
  if (alone)
    matrix_copy_values(alone, *out);
  else
    combine_values(U->source, U->pattern->nvals, A, B, *out, op);
  return OK;
}

/*
 * C[k] = A[k] op B[k] for k < planes, where all A share one pattern and all B share one: the merge is done
 * once and the C share theirs. type: 0 the larger of the two, WIDEN the same but UINT64 where a sum of UINT32
 * might overflow, or a Type. DIMENSION_MISMATCH, DOMAIN_MISMATCH, OUT_OF_MEMORY.
 */
Info EXPORT(gb_ewise_add)(Matrix **A, Matrix **B, Matrix **C, u32 planes, Op op, u32 type) {
  if (A[0]->pattern->nrows != B[0]->pattern->nrows || A[0]->pattern->ncols != B[0]->pattern->ncols)
    return fail(DIMENSION_MISMATCH, "the matrices are not of the same dimensions");
  Union U;
  Info info = union_of(&U, A[0]->pattern, B[0]->pattern);
  if (info) return info;
  for (u32 k = 0; k < planes; k++) {
    if ((info = add_plane(&U, A[k], B[k], op, type, &C[k]))) {
      while (k--) gb_matrix_free(C[k]);
      break;
    }
  }
  pattern_release(U.pattern);
  heap_free(U.source);
  return info;
}
