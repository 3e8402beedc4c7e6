/* GrB_Matrix_build: unordered tuples with duplicates to HyperCSR, by radix sort and fold. */
#include "gb.h"
#include "radix.h"

/* Rows and columns of a narrow pattern from n distinct sorted keys row << 32 | column; P has room for n of each. */
void pattern_from_packed(Pattern *P, const u64 *keys, u32 n) {
  u32 *Ap = P->Ap, *Ah = P->Ah, *Aj = P->Aj, nvec = 0;
  u64 previous = GB_INDEX_MAX; /* no row */
  for (u32 k = 0; k < n; k++) { /* without a branch: the next row's place is written until the row is another */
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

/* The same for entries (I, J) of a pattern of either width. */
INLINE void pattern_from_tuples(Pattern *P, const u64 *I, const u64 *J, u32 n, u32 wide) {
  u32 nvec = 0;
  for (u32 k = 0; k < n; k++) {
    put(P->Aj, wide, k, J[k]);
    put(P->Ah, wide, nvec, I[k]);
    P->Ap[nvec] = k;
    nvec += !k || I[k] != I[k - 1];
  }
  P->Ap[nvec] = n;
  pattern_trim(P, nvec, n);
}

/*
 * Folds runs of equal keys, in place; order within a run is the input's, as FIRST and SECOND need. Without a branch on
 * whether a key repeats, which is a coin toss for real traffic. Returns the number of distinct keys.
 */
INLINE u32 fold(u64 *keys, void *X, u32 x64, u32 n, Op dup) {
  if (!n) return 0;
  u32 last = 0;
  for (u32 k = 1; k < n; k++) {
    u64 key = keys[k], x = get(X, x64, k);
    u32 same = key == keys[last];
    u64 held = get(X, x64, last), both = combine(dup, held, x, x64);
    last += !same;
    keys[last] = key;
    put(X, x64, last, same ? both : x);
  }
  return last + 1;
}

static u32 fold_any(u64 *keys, void *X, u32 x64, u32 n, Op dup) {
  switch (dup) {
    case OP_PLUS: return x64 ? fold(keys, X, 1, n, OP_PLUS) : fold(keys, X, 0, n, OP_PLUS);
    case OP_MAX: return x64 ? fold(keys, X, 1, n, OP_MAX) : fold(keys, X, 0, n, OP_MAX);
    case OP_MIN: return x64 ? fold(keys, X, 1, n, OP_MIN) : fold(keys, X, 0, n, OP_MIN);
    case OP_SECOND: return x64 ? fold(keys, X, 1, n, OP_SECOND) : fold(keys, X, 0, n, OP_SECOND);
    default: return x64 ? fold(keys, X, 1, n, OP_FIRST) : fold(keys, X, 0, n, OP_FIRST);
  }
}

/* Values of the folded tuples, the first n of X, become A's. */
static Info finish(Matrix **out, Pattern *P, Type type, const void *X) {
  Info info = matrix_new(out, P, type);
  if (!info) memcpy((*out)->Ax, X, P->nvals * width(type == T_UINT64));
  pattern_release(P);
  return info;
}

/*
 * Sorts keys with their values and folds duplicates. On return *keys and *X are the sorted arrays (the given ones or
 * *keys_scratch and *X_scratch, swapped). With dup OP_NONE a duplicate is INVALID_VALUE.
 */
static Info sort_and_fold(u64 **keys, u64 **keys_scratch, void **X, void **X_scratch, u32 x64, u32 n, Op dup, u32 *distinct) {
  int swapped = x64 ? radix_sort(*keys, *keys_scratch, 1, *X, *X_scratch, PAYLOAD64, n)
                    : radix_sort(*keys, *keys_scratch, 1, *X, *X_scratch, PAYLOAD32, n);
  if (swapped) {
    u64 *key_swap = *keys;
    void *swap = *X;
    *keys = *keys_scratch;
    *keys_scratch = key_swap;
    *X = *X_scratch;
    *X_scratch = swap;
  }
  *distinct = fold_any(*keys, *X, x64, n, dup);
  if (dup == OP_NONE && *distinct != n) return fail(INVALID_VALUE, "an entry is there twice, and no dup operator is given");
  return OK;
}

/* From keys row << 32 | column of a narrow matrix. Keys and X are overwritten. */
Info build_packed(Matrix **out, Type type, u64 nrows, u64 ncols, u64 *keys, void *X, u32 n, Op dup) {
  u32 x64 = type == T_UINT64, distinct = 0;
  u64 *scratch = heap_allocate((u64)n * 8), *to_free = scratch;
  void *X_scratch = heap_allocate((u64)n * width(x64)), *X_to_free = X_scratch;
  Info info = scratch && X_scratch ? sort_and_fold(&keys, &scratch, &X, &X_scratch, x64, n, dup, &distinct) : fail_memory();
  Pattern *P;
  if (!info) info = pattern_new(&P, nrows, ncols, distinct, distinct);
  if (!info) {
    pattern_from_packed(P, keys, distinct);
    info = finish(out, P, type, X);
  }
  heap_free(to_free);
  heap_free(X_to_free);
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

/* Tuples of a wide matrix whose rows and columns together vary in at most 64 bits: one radix sort of packed keys. */
static Info build_by_range(Matrix **out, Type type, u64 nrows, u64 ncols, u64 *I, u64 *J, void *X, u32 n, Op dup, u64 row0,
                           u64 col0, u32 col_bits) {
  u32 x64 = type == T_UINT64, distinct = 0;
  void *X_scratch = heap_allocate((u64)n * width(x64)), *X_to_free = X_scratch;
  if (!X_scratch) return fail_memory();
  for (u32 k = 0; k < n; k++) I[k] = (col_bits < 64 ? (I[k] - row0) << col_bits : 0) | (J[k] - col0);
  u64 *keys = I, *scratch = J;
  Info info = sort_and_fold(&keys, &scratch, &X, &X_scratch, x64, n, dup, &distinct);
  Pattern *P;
  if (!info) info = pattern_new(&P, nrows, ncols, distinct, distinct);
  if (!info) {
    u64 mask = ((u64)1 << col_bits) - 1; /* col_bits is at most 60 */
    for (u32 k = 0; k < distinct; k++) {
      u64 key = keys[k];
      scratch[k] = (key & mask) + col0;
      keys[k] = (key >> col_bits) + row0;
    }
    if (P->wide) pattern_from_tuples(P, keys, scratch, distinct, 1);
    else pattern_from_tuples(P, keys, scratch, distinct, 0);
    info = finish(out, P, type, X);
  }
  heap_free(X_to_free);
  return info;
}

/* Orders positions 0..n-1 by array[position], stably, starting from the order in `order` (not read if identity). */
static u32 *order_by(const u64 *array, u32 *order, u32 *spare, u64 *keys, u64 *spare_keys, u32 n) {
  for (u32 k = 0; k < n; k++) keys[k] = array[order[k]];
  return radix_sort(keys, spare_keys, 1, order, spare, PAYLOAD32, n) ? spare : order;
}

/* Tuples that no 64-bit key holds: the order by column, then stably by row. */
static Info build_two_keys(Matrix **out, Type type, u64 nrows, u64 ncols, u64 *I, u64 *J, void *X, u32 n, Op dup) {
  u32 x64 = type == T_UINT64, *order = heap_allocate((u64)n * 4), *spare = heap_allocate((u64)n * 4);
  u64 *keys = heap_allocate((u64)n * 8), *spare_keys = heap_allocate((u64)n * 8);
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
      if (same && dup == OP_NONE) info = fail(INVALID_VALUE, "an entry is there twice, and no dup operator is given");
      last += k && !same;
      keys[last] = row;
      spare_keys[last] = column;
      put((*out)->Ax, x64, last, same ? combine(dup, get((*out)->Ax, x64, last), x, x64) : x);
    }
    if (info) gb_matrix_free(*out);
    else {
      pattern_from_tuples(P, keys, spare_keys, n ? last + 1 : 0, 1);
      heap_shrink((*out)->Ax, ((size_t)P->nvals + 1) * width(x64));
    }
  }
  pattern_release(P);
  heap_free(order), heap_free(spare), heap_free(keys), heap_free(spare_keys);
  return info;
}

/* From rows I, columns J and values X, all of which are overwritten. Indices must be below the dimensions. */
Info build_tuples(Matrix **out, Type type, u64 nrows, u64 ncols, u64 *I, u64 *J, void *X, u32 n, Op dup) {
  u64 row0, col0;
  u32 row_bits = range_bits(I, n, &row0), col_bits = range_bits(J, n, &col0);
  if (row_bits + col_bits <= 64) return build_by_range(out, type, nrows, ncols, I, J, X, n, dup, row0, col0, col_bits);
  return build_two_keys(out, type, nrows, ncols, I, J, X, n, dup);
}

/*
 * GrB_Matrix_build. I, J (u64) and X (of the type) are staging arrays and are overwritten. Result 0: the matrix.
 * INDEX_OUT_OF_BOUNDS, INVALID_VALUE (duplicates and dup is OP_NONE), OUT_OF_MEMORY.
 */
Info EXPORT(gb_build)(Type type, u64 nrows, u64 ncols, u64 *I, u64 *J, void *X, u32 n, Op dup) {
  Info info = check_dimensions(nrows, ncols);
  if (info) return info;
  u64 row_over = 0, col_over = 0;
  for (u32 k = 0; k < n; k++) {
    row_over |= I[k] >= nrows;
    col_over |= J[k] >= ncols;
  }
  if (row_over) return fail(INDEX_OUT_OF_BOUNDS, "a row index is not below nrows");
  if (col_over) return fail(INDEX_OUT_OF_BOUNDS, "a column index is not below ncols");
  Matrix *A;
  info = build_tuples(&A, type, nrows, ncols, I, J, X, n, dup);
  if (!info) gb_result[0] = (uintptr_t)A;
  return info;
}

/* The same for a 2^32 x 2^32 matrix from keys row << 32 | column. */
Info EXPORT(gb_build_packed)(Type type, u64 *keys, void *X, u32 n, Op dup) {
  Matrix *A;
  Info info = build_packed(&A, type, GB_NARROW_MAX, GB_NARROW_MAX, keys, X, n, dup);
  if (!info) gb_result[0] = (uintptr_t)A;
  return info;
}

/* Fills n values of a type with one, and narrows u64 values in place to u32: DOMAIN_MISMATCH if one does not fit. */
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
