// SPDX-License-Identifier: Apache-2.0
/* GrB_Matrix_build: unordered tuples with duplicates to HyperCSR, by radix sort and fold. */
#include "gb.h"
#include "radix.h"

/*
 * Rows and columns of a narrow pattern from n distinct sorted keys row << 32 | column; P has room for n of
 * * each.
 */
void pattern_from_packed(Pattern *P, const u64 *keys, u32 n) {
  u32 *Ap = P->Ap, *Ah = P->Ah, *Aj = P->Aj, nvec = 0;
  u64 previous = GB_INDEX_MAX; /* no row */
  for (u32 k = 0; k < n;
       k++) { /* without a branch: the next row's place is written until the row is another */
    u64 row = keys[k] >> 32;
    Aj[k] = (u32)keys[k];
    Ah[nvec] = (u32)row;
    Ap[nvec] = k;
    nvec += row != previous;
    previous = row;
  }
  Ap[nvec] = n;
  pattern_trim(P, nvec, n);
}

/* The same for entries (I, J) of a wide pattern. */
static void pattern_from_tuples(Pattern *P, const u64 *I, const u64 *J, u32 n) {
  u64 *Ah = P->Ah, *Aj = P->Aj;
  u32 nvec = 0;
  for (u32 k = 0; k < n; k++) {
    Aj[k] = J[k];
    Ah[nvec] = I[k];
    P->Ap[nvec] = k;
    nvec += !k || I[k] != I[k - 1];
  }
  P->Ap[nvec] = n;
  pattern_trim(P, nvec, n);
}

/* How a row and a column are packed in a 64-bit key. */
typedef struct {
  u32 column_bits; /* at most 60 */
  u64 row0, column0;
} Packing;

/*
 * Sorted keys to A's pattern and values, equal keys folded; order within a run is the input's, as FIRST and
 * SECOND need. No branch depends on whether a key repeats or a row changes, which real traffic makes coin
 * tosses: what may yet be replaced is written anyway. A has room for n + 1 of everything. Returns the number
 * of entries.
 */
INLINE u32 fold(Matrix *A, const u64 *keys, const void *X, u32 x64, u32 n, Op dup, Packing pack, u32 wide,
                u32 a64) {
  Pattern *P = A->pattern;
  u64 mask = ((u64)1 << pack.column_bits) - 1, previous = 0, previous_row = 0, held = 0;
  u32 last = UINT32_MAX, nvec = 0;
  for (u32 k = 0; k < n; k++) {
    u64 key = keys[k], row = key >> pack.column_bits, x = get(X, x64, k);
    u32 same = k && key == previous, same_row = k && row == previous_row;
    u64 both = combine(dup, held, x, a64);
    held = same ? both : x;
    last += !same;
    put(P->Aj, wide, last, (key & mask) + pack.column0);
    put(A->Ax, a64, last, held);
    put(P->Ah, wide, nvec, row + pack.row0);
    P->Ap[nvec] = last;
    nvec += !same_row;
    previous = key;
    previous_row = row;
  }
  u32 count = last + 1;
  P->Ap[nvec] = count;
  pattern_trim(P, nvec, count);
  heap_shrink(A->Ax, ((size_t)count + 1) * width(a64));
  return count;
}

INLINE u32 fold_op(Matrix *A, const u64 *keys, const void *X, u32 x64, u32 n, Packing pack, u32 wide, u32 a64,
                   Op dup) {
  switch (dup) {
    case OP_PLUS: return fold(A, keys, X, x64, n, OP_PLUS, pack, wide, a64);
    case OP_MAX: return fold(A, keys, X, x64, n, OP_MAX, pack, wide, a64);
    case OP_MIN: return fold(A, keys, X, x64, n, OP_MIN, pack, wide, a64);
    case OP_SECOND: return fold(A, keys, X, x64, n, OP_SECOND, pack, wide, a64);
    default: return fold(A, keys, X, x64, n, OP_FIRST, pack, wide, a64);
  }
}

/* Any op on any type. */
static u32 fold_typed(Matrix *A, const u64 *keys, const void *X, u32 n, Op dup, Packing pack) {
  Pattern *P = A->pattern;
  Binary f = binary_of(dup, A->type);
  u64 mask = ((u64)1 << pack.column_bits) - 1;
  u32 count = 0, nvec = 0, x64 = is64(A);
  for (u32 k = 0; k < n; k++) {
    u64 key = keys[k], row = key >> pack.column_bits, x = get(X, x64, k);
    if (k && key == keys[k - 1]) {
      put(A->Ax, x64, count - 1, f(get(A->Ax, x64, count - 1), x));
      continue;
    }
    if (!k || row != keys[k - 1] >> pack.column_bits) {
      put(P->Ah, P->wide, nvec, row + pack.row0);
      P->Ap[nvec++] = count;
    }
    put(P->Aj, P->wide, count, (key & mask) + pack.column0);
    put(A->Ax, x64, count++, x);
  }
  P->Ap[nvec] = count;
  matrix_trim(A, nvec, count);
  return count;
}

/* Is it a choice among unsigned values, or their sum? */
static int folds_unsigned(Type type, Op dup) {
  return dup == OP_FIRST || dup == OP_SECOND || dup == OP_NONE || (is_unsigned(type) && dup <= OP_MIN);
}

static u32 fold_any(Matrix *A, const u64 *keys, const void *X, u32 x64, u32 n, Op dup, Packing pack) {
  u32 a64 = is64(A);
  if (!folds_unsigned(A->type, dup)) return fold_typed(A, keys, X, n, dup, pack);
  if (A->pattern->wide) return fold_op(A, keys, X, x64, n, pack, 1, a64, dup);
  pack = (Packing){32, 0, 0}; /* as build_tuples packs narrow ones: constants, for the usual case */
  if (x64) return fold_op(A, keys, X, 1, n, pack, 0, 1, dup);
  return a64 ? fold_op(A, keys, X, 0, n, pack, 0, 1, dup) : fold_op(A, keys, X, 0, n, pack, 0, 0, dup);
}

/* Copies values to u32; returns whether all fit. */
static int narrowed(u32 *to, const u64 *X, u32 n) {
  u64 over = 0;
  for (u32 k = 0; k < n; k++) {
    over |= X[k];
    to[k] = (u32)X[k];
  }
  return over <= UINT32_MAX;
}

/*
 * Sorts and folds packed keys, which differ in the bits of `varying` at most. keys, spare (n each) and X are
 * overwritten. Values of UINT64 that fit 32 bits, as packets and bytes nearly always do, travel through the
 * sort as such.
 */
static Info build_keys(Matrix **out, Type type, u64 nrows, u64 ncols, u64 *keys, u64 *spare, void *X, u32 n,
                       Op dup, Packing pack, u64 varying) {
  u32 x64 = type64(type);
  void *spare_X = heap_allocate((u64)n * width(x64)), *to_free = spare_X;
  if (!spare_X) return fail_memory();
  if (type == T_UINT64 && folds_unsigned(type, dup) && narrowed(spare_X, X, n)) {
    void *values = spare_X;
    spare_X = X;
    X = values;
    x64 = 0;
  }
  int swapped = x64 ? radix_sort(keys, spare, 1, X, spare_X, PAYLOAD64, n, varying)
                    : radix_sort(keys, spare, 1, X, spare_X, PAYLOAD32, n, varying);
  Pattern *P;
  Info info = pattern_new(&P, nrows, ncols, n, n);
  if (!info) {
    info = matrix_new(out, P, type);
    pattern_release(P);
    u32 distinct =
        info ? n : fold_any(*out, swapped ? spare : keys, swapped ? spare_X : X, x64, n, dup, pack);
    if (dup == OP_NONE && distinct != n) {
      gb_matrix_free(*out);
      info = fail(INVALID_VALUE, "an entry is there twice, and no dup operator is given");
    }
  }
  heap_free(to_free);
  return info;
}

/* Smallest member and the number of bits that the others need above it. */
static u32 range_bits(const u64 *array, u32 n, u64 *lowest) {
  u64 low = n ? array[0] : 0, high = low;
  for (u32 k = 1; k < n; k++) {
    low = array[k] < low ? array[k] : low;
    high = array[k] > high ? array[k] : high;
  }
  *lowest = low;
  return high == low ? 0 : 64 - (u32)__builtin_clzll(high - low);
}

/*
 * Orders positions 0..n-1 by array[position], stably, starting from the order in `order` (not read if *
 * identity).
 */
static u32 *order_by(const u64 *array, u32 *order, u32 *spare, u64 *keys, u64 *spare_keys, u32 n) {
  for (u32 k = 0; k < n; k++) keys[k] = array[order[k]];
  u64 varying = radix_varying(keys, 1, n);
  return radix_sort(keys, spare_keys, 1, order, spare, PAYLOAD32, n, varying) ? spare : order;
}

/* Tuples that no 64-bit key holds: the order by column, then stably by row. */
static Info build_two_keys(Matrix **out, Type type, u64 nrows, u64 ncols, u64 *I, u64 *J, void *X, u32 n,
                           Op dup) {
  u32 x64 = type64(type), *order = heap_allocate((u64)n * 4), *spare = heap_allocate((u64)n * 4);
  u64 *keys = heap_allocate((u64)n * 8), *spare_keys = heap_allocate((u64)n * 8);
  Binary f = binary_of(dup, type);
  Pattern *P = NULL;
  Info info = order && spare && keys && spare_keys ? pattern_new(&P, nrows, ncols, n, n) : fail_memory();
  if (!info && !(info = matrix_new(out, P, type))) {
    for (u32 k = 0; k < n; k++) order[k] = k;
    u32 *by_column = order_by(J, order, spare, keys, spare_keys, n);
    u32 *by_row = order_by(I, by_column, by_column == order ? spare : order, keys, spare_keys, n), last = 0;
    for (u32 k = 0; k < n; k++) {
      u32 from = by_row[k];
      u64 row = I[from], column = J[from], x = get(X, x64, from);
      int same = k && keys[last] == row && spare_keys[last] == column;
      if (same && dup == OP_NONE)
        info = fail(INVALID_VALUE, "an entry is there twice, and no dup operator is given");
      last += k && !same;
      keys[last] = row;
      spare_keys[last] = column;
      put((*out)->Ax, x64, last, same ? f(get((*out)->Ax, x64, last), x) : x);
    }
    if (info)
      gb_matrix_free(*out);
    else {
      pattern_from_tuples(P, keys, spare_keys, n ? last + 1 : 0);
      heap_shrink((*out)->Ax, ((size_t)P->nvals + 1) * width(x64));
    }
  }
  pattern_release(P);
  heap_free(order), heap_free(spare), heap_free(keys), heap_free(spare_keys);
  return info;
}

static Info build_wide(Matrix **out, Type type, u64 nrows, u64 ncols, u64 *I, u64 *J, void *X, u32 n,
                       Op dup) {
  Packing pack;
  u32 row_bits = range_bits(I, n, &pack.row0);
  pack.column_bits = range_bits(J, n, &pack.column0);
  if (row_bits + pack.column_bits > 64) return build_two_keys(out, type, nrows, ncols, I, J, X, n, dup);
  for (u32 k = 0; k < n; k++) I[k] = (I[k] - pack.row0) << pack.column_bits | (J[k] - pack.column0);
  return build_keys(out, type, nrows, ncols, I, J, X, n, dup, pack, radix_varying(I, 1, n));
}

/* Is every member below bound? The bits of all together usually say so without a comparison each. */
static int all_below(const u64 *array, u32 n, u64 bits, u64 bound) {
  u64 over = 0;
  if (bits < bound) return 1;
  for (u32 k = 0; k < n; k++) over |= array[k] >= bound;
  return !over;
}

/*
 * From rows I, columns J and values X, all of which are overwritten. One pass over I and J finds the bits
 * that are set and those that differ. INDEX_OUT_OF_BOUNDS, INVALID_VALUE (duplicates and dup is OP_NONE),
 * OUT_OF_MEMORY.
 */
Info build_tuples(Matrix **out, Type type, u64 nrows, u64 ncols, u64 *I, u64 *J, void *X, u32 n, Op dup) {
  u64 row_bits = 0, column_bits = 0, varying = 0, *keys = heap_allocate((u64)n * 8);
  if (!keys) return fail_memory();
  u64 first = n ? I[0] << 32 | J[0] : 0;
  for (u32 k = 0; k < n; k++) {
    u64 row = I[k], column = J[k], key = row << 32 | column;
    row_bits |= row;
    column_bits |= column;
    varying |= key ^ first;
    keys[k] = key; /* of use if the matrix is narrow */
  }
  Info info;
  if (!all_below(I, n, row_bits, nrows))
    info = fail(INDEX_OUT_OF_BOUNDS, "a row index is not below nrows");
  else if (!all_below(J, n, column_bits, ncols))
    info = fail(INDEX_OUT_OF_BOUNDS, "a column index is not below ncols");
  else if (nrows > GB_NARROW_MAX || ncols > GB_NARROW_MAX)
    info = build_wide(out, type, nrows, ncols, I, J, X, n, dup);
  else
    info = build_keys(out, type, nrows, ncols, keys, I, X, n, dup, (Packing){32, 0, 0}, varying);
  heap_free(keys);
  return info;
}

/*
 * GrB_Matrix_build. I, J (u64) and X (of the type) are staging arrays and are overwritten. Result 0: the *
 * matrix.
 */
Info EXPORT(gb_build)(Type type, u64 nrows, u64 ncols, u64 *I, u64 *J, void *X, u32 n, Op dup) {
  Info info = check_dimensions(nrows, ncols);
  if (info) return info;
  Matrix *A;
  info = build_tuples(&A, type, nrows, ncols, I, J, X, n, dup);
  if (!info) gb_result[0] = (uintptr_t)A;
  return info;
}

/* The same for a 2^32 x 2^32 matrix from keys row << 32 | column. */
Info EXPORT(gb_build_packed)(Type type, u64 *keys, void *X, u32 n, Op dup) {
  Matrix *A;
  u64 *spare = heap_allocate((u64)n * 8);
  if (!spare) return fail_memory();
  Info info = build_keys(&A, type, GB_NARROW_MAX, GB_NARROW_MAX, keys, spare, X, n, dup, (Packing){32, 0, 0},
                         radix_varying(keys, 1, n));
  heap_free(spare);
  if (!info) gb_result[0] = (uintptr_t)A;
  return info;
}

/*
 * Fills n values of a type with one, or narrows u64 values in place to u32: DOMAIN_MISMATCH if one does
 * not * fit.
 */
void EXPORT(gb_fill)(void *X, u32 x64, u64 value, u32 n) {
  for (u32 k = 0; k < n; k++) put(X, x64, k, value);
}
Info EXPORT(gb_narrow)(u64 *X, u32 n) {
  u64 over = 0;
  for (u32 k = 0; k < n; k++) {
    u64 x = X[k];
    over |= x;
    ((u32 __attribute__((may_alias)) *)X)[k] = (u32)x;
  }
  return over > UINT32_MAX ? fail(DOMAIN_MISMATCH, "a value does not fit UINT32") : OK;
}
