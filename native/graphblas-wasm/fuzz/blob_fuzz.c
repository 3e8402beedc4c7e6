/*
 * libFuzzer target: hostile `.grb` blobs, in a native build of the very sources that make the wasm, under
 * ASan and UBSan. What is read must be a well-formed matrix: every operation is run on it, it survives a
 * round trip, and nothing leaks.
 */
#include <stdlib.h>
#include "blob.h"
#include "indices.h"
#include "zstd.h"

Info gb_deserialize(const u8 *blob, u64 size, int how);
Info gb_serialize(Matrix **planes, u32 count, int level, u64 *blobs);
Info gb_quantities(Matrix **planes, u32 count, u64 *facts);
Info gb_reduce_rows(const Matrix *A, Op op);
Info gb_reduce_columns(const Matrix *A, Op op);
Info gb_extract_range(const Matrix *A, u64 row_low, u64 row_high, u64 col_low, u64 col_high);
Info gb_matrix_top(const Matrix *A, u32 most, u64 *rows, u64 *columns, u64 *values);
Info gb_ewise_add(Matrix **A, Matrix **B, Matrix **C, u32 planes, Op op, u32 type);
Info gb_transpose(const Matrix *A);
Info gb_select(const Matrix *A, u32 op, u64 k);
Info gb_mxm(const Matrix *A, const Matrix *B, Op add, Op multiply, Type type);
Info gb_ewise_mult(const Matrix *A, const Matrix *B, Op op, u32 type);
Info gb_write(const Matrix *C, const Matrix *T, const Matrix *M, u32 flags, Op accum);
Info gb_extract(const Matrix *A, const IndicesGiven *rows, const IndicesGiven *columns);
Info gb_region(const Matrix *C, const IndicesGiven *rows, const IndicesGiven *columns, int inside);
Info gb_place(const Matrix *A, const IndicesGiven *rows, const IndicesGiven *columns, u64 nrows, u64 ncols);
Info gb_kronecker(const Matrix *A, const Matrix *B, Op op, u32 type);
Info gb_apply(const Matrix *A, u32 op, Type type);
u32 gb_matrix_is_equal(const Matrix *A, const Matrix *B);
u64 gb_memory_blocks(void);

static void require(int holds) {
  if (!holds) abort();
}

static void *result(void) { return (void *)(uintptr_t)gb_result[0]; }

/* What every pattern promises. */
static void check(const Matrix *A) {
  const Pattern *P = A->pattern;
  require(P->Ap[0] == 0 && P->Ap[P->nvec] == P->nvals);
  for (u32 k = 0; k < P->nvec; k++) {
    require(P->Ap[k] < P->Ap[k + 1] && get(P->Ah, P->wide, k) < P->nrows);
    require(!k || get(P->Ah, P->wide, k) > get(P->Ah, P->wide, k - 1));
    for (u32 p = P->Ap[k]; p < P->Ap[k + 1]; p++) {
      require(get(P->Aj, P->wide, p) < P->ncols);
      require(p == P->Ap[k] || get(P->Aj, P->wide, p) > get(P->Aj, P->wide, p - 1));
    }
  }
}

static void round_trip(Matrix *A) {
  u64 blob[2];
  if (gb_serialize(&A, 1, 1, blob)) return; /* out of the fuzzer's memory */
  if (!gb_deserialize((u8 *)(uintptr_t)blob[0], blob[1], 1)) {
    Matrix *B = result();
    require(A->type == T_FP64 || gb_matrix_is_equal(A, B)); /* NaN is not equal to itself */
    gb_matrix_free(B);
  }
  heap_free((void *)(uintptr_t)blob[0]);
}

static void operate(Matrix *A) {
  u64 top[3][8];
  gb_matrix_top(A, A->pattern->nvals < 8 ? A->pattern->nvals : 8, top[0], top[1], top[2]);
  Matrix *twice[] = {A, A};
  u64 facts[18];
  if (!gb_quantities(twice, 2, facts)) require(!memcmp(facts, facts + 9, 72));
  if (!gb_reduce_rows(A, OP_PLUS)) gb_matrix_free(result());
  if (!gb_reduce_columns(A, OP_MAX)) gb_matrix_free(result());
  if (gb_extract_range(A, A->pattern->nrows / 3, A->pattern->nrows, 0, A->pattern->ncols / 2 + 1)) return;
  Matrix *part = result(), *sum;
  check(part);
  if (!gb_ewise_add(&A, &part, &sum, 1, OP_MIN, 0)) {
    require(A->type == T_FP64 || gb_matrix_is_equal(A, sum));
    gb_matrix_free(sum);
  }
  gb_matrix_free(part);
}

/* The result of a call, checked; NULL if it was refused. */
static Matrix *checked(Info info) {
  if (info) return NULL;
  check(result());
  return result();
}

static void require_equal(const Matrix *A, const Matrix *B) {
  require(A->type == T_FP64 || gb_matrix_is_equal(A, B)); /* NaN is not equal to itself */
}

/* A and its transpose through products, masks and parts. */
static void multiply(Matrix *A, Matrix *T) {
  u64 products = 0;
  for (u32 k = 0; k < A->pattern->nvec; k++) {
    u64 length = A->pattern->Ap[k + 1] - A->pattern->Ap[k];
    products += length * length;
  }
  if (products > 100000) return; /* T times A would take the fuzzer's time */
  Op pairs[][2] = {{OP_PLUS, OP_TIMES}, {OP_PLUS, OP_ONEB}, {OP_MIN, OP_PLUS}};
  for (u32 k = 0; k < 3; k++) gb_matrix_free(checked(gb_mxm(T, A, pairs[k][0], pairs[k][1], k == 1 ? T_UINT64 : T_INT64)));
  gb_matrix_free(checked(gb_mxm(T, A, OP_LOR, OP_LAND, T_BOOL)));
}

static void indices(Matrix *A) {
  const Pattern *P = A->pattern;
  u64 list[] = {P->nrows - 1, 0, P->nrows / 2, 0}, columns[] = {P->ncols - 1, 0, 0, P->ncols / 3};
  IndicesGiven I = {LIST, 4, 0, 0, (uintptr_t)list}, J = {LIST, 4, 0, 0, (uintptr_t)columns}, all = {ALL, 0, 0, 0, 0},
               range = {RANGE, (P->ncols + 1) / 2, 0, 2, 0};
  gb_matrix_free(checked(gb_extract(A, &I, &J)));
  Matrix *half = checked(gb_extract(A, &all, &range));
  if (half) {
    gb_matrix_free(checked(gb_place(half, &all, &range, P->nrows, P->ncols)));
    gb_matrix_free(half);
  }
  gb_matrix_free(checked(gb_region(A, &all, &range, 1)));
  gb_matrix_free(checked(gb_region(A, &I, &all, 0)));
}

static void algebra(Matrix *A) {
  Matrix *T = checked(gb_transpose(A));
  if (!T) return;
  Matrix *back = checked(gb_transpose(T));
  if (back) require_equal(A, back);
  multiply(A, T);
  gb_matrix_free(checked(gb_ewise_mult(A, A, OP_MINUS, 0)));
  gb_matrix_free(checked(gb_apply(A, 3, T_UINT64)));
  gb_matrix_free(checked(gb_apply(A, 2, T_FP64)));
  Matrix *lower = checked(gb_select(A, 0, 0)), *upper = checked(gb_select(A, 1, 1));
  gb_matrix_free(checked(gb_select(A, 12, A->pattern->nvals)));
  if (lower && upper) {
    Matrix *both = checked(gb_write(lower, upper, A, 2, OP_PLUS)); /* where A has entries: everywhere */
    if (both) require_equal(A, both);
    gb_matrix_free(both);
  }
  if (lower && A->pattern->nvals < 300) gb_matrix_free(checked(gb_kronecker(A, lower, OP_TIMES, 0)));
  indices(A);
  gb_matrix_free(lower), gb_matrix_free(upper), gb_matrix_free(back), gb_matrix_free(T);
}

static void warm_up(void) { /* ZSTD's contexts are made once and kept */
  u8 plain[600] = {0}, packed[700];
  size_t written = 0;
  require(!zstd_pack(packed, sizeof packed, plain, sizeof plain, 1, 1, &written));
  require(zstd_unpack(plain, sizeof plain, packed, written));
}

/* The input as a frame: where the short cut takes it, ZSTD itself must give the same elements. */
static void frame(const u8 *data, size_t size) {
  enum { MOST = 16384 };
  static const u8 head[] = {0x28, 0xb5, 0x2f, 0xfd, 0xa0};
  if (size < 32 || size > MOST) return;
  u8 *packed = malloc(size);
  memcpy(packed, data, size);
  memcpy(packed, head, sizeof head);
  packed[6] &= 63, packed[7] = packed[8] = 0; /* at most MOST bytes */
  size_t bytes = packed[5] | (size_t)packed[6] << 8;
  u64 *direct = malloc(bytes + 1), *general = malloc(bytes + 1);
  if (zstd_unpack_direct(direct, bytes, packed, size)) {
    require(ZSTD_decompress(general, bytes, packed, size) == bytes);
    require(!memcmp(direct, general, bytes));
  }
  free(packed), free(direct), free(general);
}

int LLVMFuzzerTestOneInput(const u8 *data, size_t size) {
  static int warm;
  if (!warm++) warm_up();
  u64 blocks = gb_memory_blocks();
  u8 *blob = malloc(size ? size : 1); /* of its exact size: ASan sees the first byte beyond */
  memcpy(blob, data, size);
  if (size >= 8) { /* the first field says the size; with a wrong one nothing else would ever be reached */
    u64 bytes = size;
    memcpy(blob, &bytes, 8);
  }
  if (!gb_deserialize(blob, size, (int)(size & 3))) {
    Matrix *A = result();
    check(A);
    operate(A);
    algebra(A);
    round_trip(A);
    gb_matrix_free(A);
  }
  free(blob);
  frame(data, size);
  require(gb_memory_blocks() == blocks);
  return 0;
}
