/*
 * Tars of matrices read and written by native SuiteSparse:GraphBLAS, as the Graph Challenge's tools do.
 *
 *   cc -O2 -o native native.c -lgraphblas
 *   native read TAR...            prints "matrix PACKETS" for each member, then "ROW COLUMN PACKETS" for each link of the sum
 *   native write TAR PER_MATRIX [VALUE]
 *                                 reads "ROW COLUMN" lines, builds a UINT32 matrix of every PER_MATRIX, ZSTD level 1; like
 *                                 those tools it writes no end marker. With VALUE: INT64, each entry of that value
 */
#include <GraphBLAS.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

enum { BLOCK = 512 };
#define SIDE ((GrB_Index)1 << 32)

static void need(GrB_Info info, const char *what) {
  if (info == GrB_SUCCESS) return;
  fprintf(stderr, "native: %s: GrB_Info %d\n", what, (int)info);
  exit(1);
}
#define TRY(call) need(call, #call)

static void *allocate(size_t bytes) {
  void *block = malloc(bytes ? bytes : 1);
  if (!block) exit(1);
  return block;
}

static void add_blob(GrB_Matrix sum, const void *blob, size_t bytes) {
  GrB_Matrix A;
  GrB_Type type;
  GrB_Index nrows, ncols;
  uint64_t packets = 0;
  char name[GxB_MAX_NAME_LEN];
  TRY(GxB_deserialize_type_name(name, blob, bytes));
  if (strcmp(name, "uint32_t")) need(GrB_DOMAIN_MISMATCH, name);
  TRY(GxB_Type_from_name(&type, name));
  TRY(GxB_Matrix_deserialize(&A, type, blob, bytes, NULL));
  TRY(GrB_Matrix_nrows(&nrows, A));
  TRY(GrB_Matrix_ncols(&ncols, A));
  if (nrows != SIDE || ncols != SIDE) need(GrB_DIMENSION_MISMATCH, "a member");
  TRY(GrB_Matrix_reduce_UINT64(&packets, NULL, GrB_PLUS_MONOID_UINT64, A, NULL));
  printf("matrix %llu\n", (unsigned long long)packets);
  TRY(GrB_Matrix_eWiseAdd_BinaryOp(sum, NULL, NULL, GrB_PLUS_UINT64, sum, A, NULL));
  GrB_Matrix_free(&A);
}

static void read_tar(GrB_Matrix sum, const char *path) {
  char header[BLOCK], digits[13] = {0};
  FILE *tar = fopen(path, "rb");
  if (!tar) exit(1);
  while (fread(header, 1, BLOCK, tar) == BLOCK && header[0]) {
    memcpy(digits, header + 124, 12);
    size_t bytes = strtoull(digits, NULL, 8), padded = (bytes + BLOCK - 1) / BLOCK * BLOCK;
    void *blob = allocate(padded);
    if (fread(blob, 1, padded, tar) != padded) exit(1);
    add_blob(sum, blob, bytes);
    free(blob);
  }
  fclose(tar);
}

static int read_all(int count, char **paths) {
  GrB_Matrix sum;
  GrB_Index n;
  TRY(GrB_Matrix_new(&sum, GrB_UINT64, SIDE, SIDE));
  for (int k = 0; k < count; k++) read_tar(sum, paths[k]);
  TRY(GrB_Matrix_nvals(&n, sum));
  GrB_Index *I = allocate(n * 8), *J = allocate(n * 8);
  uint64_t *X = allocate(n * 8);
  TRY(GrB_Matrix_extractTuples_UINT64(I, J, X, &n, sum));
  for (GrB_Index k = 0; k < n; k++)
    printf("%llu %llu %llu\n", (unsigned long long)I[k], (unsigned long long)J[k], (unsigned long long)X[k]);
  return 0;
}

static void write_member(FILE *tar, int number, const void *blob, size_t bytes) {
  char header[BLOCK] = {0}, zeros[BLOCK] = {0};
  unsigned checksum = 0;
  snprintf(header, 100, "%d.grb", number);
  snprintf(header + 100, 8, "%06o", 0644);
  snprintf(header + 124, 12, "%011o", (unsigned)bytes);
  snprintf(header + 136, 12, "%011o", 1700000000u);
  header[156] = '0';
  memcpy(header + 257, "ustar", 6);
  memset(header + 148, ' ', 8);
  for (int k = 0; k < BLOCK; k++) checksum += (unsigned char)header[k];
  snprintf(header + 148, 8, "%06o ", checksum);
  fwrite(header, 1, BLOCK, tar);
  fwrite(blob, 1, bytes, tar);
  fwrite(zeros, 1, (BLOCK - bytes % BLOCK) % BLOCK, tar);
}

static void write_matrix(FILE *tar, int number, GrB_Index *I, GrB_Index *J, size_t n, const char *value) {
  GrB_Matrix A;
  GrB_Descriptor d;
  void *blob = NULL;
  GrB_Index bytes = 0;
  uint32_t *X = allocate(n * 4);
  int64_t *wide = allocate(n * 8);
  for (size_t k = 0; k < n; k++) X[k] = 1, wide[k] = value ? atoll(value) : 1;
  TRY(GrB_Descriptor_new(&d));
  TRY(GxB_Desc_set(d, GxB_COMPRESSION, GxB_COMPRESSION_ZSTD + 1));
  TRY(GrB_Matrix_new(&A, value ? GrB_INT64 : GrB_UINT32, SIDE, SIDE));
  if (value)
    TRY(GrB_Matrix_build_INT64(A, I, J, wide, n, GrB_PLUS_INT64));
  else
    TRY(GrB_Matrix_build_UINT32(A, I, J, X, n, GrB_PLUS_UINT32));
  TRY(GxB_Matrix_serialize(&blob, &bytes, A, d));
  write_member(tar, number, blob, bytes);
  free(blob), free(X), free(wide);
  GrB_Matrix_free(&A), GrB_Descriptor_free(&d);
}

static int write_all(const char *path, size_t per_matrix, const char *value) {
  GrB_Index *I = allocate(per_matrix * 8), *J = allocate(per_matrix * 8);
  unsigned long long row, column;
  size_t n = 0;
  int number = 0;
  FILE *tar = fopen(path, "wb");
  if (!tar) return 1;
  while (scanf("%llu %llu", &row, &column) == 2) {
    I[n] = row, J[n++] = column;
    if (n == per_matrix) write_matrix(tar, number++, I, J, n, value), n = 0;
  }
  if (n) write_matrix(tar, number, I, J, n, value);
  return fclose(tar);
}

int main(int argc, char **argv) {
  TRY(GrB_init(GrB_NONBLOCKING));
  TRY(GxB_Global_Option_set(GxB_NTHREADS, 1));
  if (argc >= 3 && !strcmp(argv[1], "read")) return read_all(argc - 2, argv + 2);
  if (argc >= 4 && !strcmp(argv[1], "write"))
    return write_all(argv[2], strtoull(argv[3], NULL, 10), argc > 4 ? argv[4] : NULL);
  return 2;
}
