/*
 * The oracle of the tests: native SuiteSparse:GraphBLAS behind stdin and stdout, one process for thousands of
 * cases.
 *
 *   cc -O2 -o oracle oracle.c -lgraphblas
 *   oracle            answers requests until stdin ends
 *   oracle time BITS  prints, as one line of JSON, milliseconds of native operations on 2^BITS random tuples,
 * single thread
 *
 * A message, either way: u32 code, u32 count, then count arrays, each u64 bytes and its content. Requests
 * carry a command (a letter), answers a GrB_Info. The first array of a request is u64 parameters: type code,
 * nrows, ncols, and more; the next ones are tuples I, J, X, all u64. All little-endian.
 */
#include <GraphBLAS.h>
#include <malloc.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

typedef uint32_t u32;
typedef uint64_t u64;

#define ARRAYS_MAX 32

typedef struct {
  u64 bytes;
  void *data;
} Array;

typedef struct {
  u32 code, count;
  Array arrays[ARRAYS_MAX];
} Message;

static void need(GrB_Info info, const char *what) {
  if (info == GrB_SUCCESS) return;
  fprintf(stderr, "oracle: %s: GrB_Info %d\n", what, (int)info);
  exit(1);
}
#define TRY(call) need(call, #call)

static void *allocate(u64 bytes) {
  void *block = malloc(bytes ? bytes : 1);
  if (!block) {
    fprintf(stderr, "oracle: out of memory\n");
    exit(1);
  }
  return block;
}

static int receive(Message *m) {
  if (fread(&m->code, 4, 1, stdin) != 1) return 0;
  if (fread(&m->count, 4, 1, stdin) != 1 || m->count > ARRAYS_MAX) exit(2);
  for (u32 k = 0; k < m->count; k++) {
    Array *a = &m->arrays[k];
    if (fread(&a->bytes, 8, 1, stdin) != 1) exit(2);
    a->data = allocate(a->bytes);
    if (a->bytes && fread(a->data, a->bytes, 1, stdin) != 1) exit(2);
  }
  return 1;
}

static void answer(Message *m) {
  fwrite(&m->code, 4, 1, stdout);
  fwrite(&m->count, 4, 1, stdout);
  for (u32 k = 0; k < m->count; k++) {
    fwrite(&m->arrays[k].bytes, 8, 1, stdout);
    fwrite(m->arrays[k].data, 1, m->arrays[k].bytes, stdout);
  }
  fflush(stdout);
}

static void discard(Message *m) {
  for (u32 k = 0; k < m->count; k++) free(m->arrays[k].data);
  m->count = 0;
}

static void add(Message *m, void *data, u64 bytes) { m->arrays[m->count++] = (Array){bytes, data}; }

/* By the type codes of a blob. */
static GrB_Type type_of(u64 code) {
  GrB_Type types[] = {NULL,      GrB_BOOL,   GrB_INT8,  GrB_UINT8,  GrB_INT16, GrB_UINT16,
                      GrB_INT32, GrB_UINT32, GrB_INT64, GrB_UINT64, GrB_FP32,  GrB_FP64};
  return types[code];
}

static GrB_BinaryOp op_of(u64 type, u64 op) {
  GrB_BinaryOp narrow[] = {GrB_PLUS_UINT32, GrB_MAX_UINT32, GrB_MIN_UINT32, GrB_FIRST_UINT32,
                           GrB_SECOND_UINT32};
  GrB_BinaryOp wide[] = {GrB_PLUS_UINT64, GrB_MAX_UINT64, GrB_MIN_UINT64, GrB_FIRST_UINT64,
                         GrB_SECOND_UINT64};
  return type == 9 ? wide[op] : narrow[op];
}

/* Tuples at arrays[first..first+2] of the request, distinct unless dup is given. */
static GrB_Matrix build(const Message *m, u32 first, GrB_BinaryOp dup) {
  const u64 *parameters = m->arrays[0].data;
  GrB_Matrix A;
  TRY(GrB_Matrix_new(&A, type_of(parameters[0]), parameters[1], parameters[2]));
  TRY(GrB_Matrix_build_UINT64(A, m->arrays[first].data, m->arrays[first + 1].data, m->arrays[first + 2].data,
                              m->arrays[first].bytes / 8, dup));
  return A;
}

static void add_tuples(Message *to, GrB_Matrix A) {
  GrB_Index n;
  TRY(GrB_Matrix_wait(A, GrB_MATERIALIZE));
  TRY(GrB_Matrix_nvals(&n, A));
  u64 *I = allocate(n * 8), *J = allocate(n * 8), *X = allocate(n * 8);
  TRY(GrB_Matrix_extractTuples_UINT64(I, J, X, &n, A));
  add(to, I, n * 8), add(to, J, n * 8), add(to, X, n * 8);
}

static void add_vector(Message *to, GrB_Vector v) {
  GrB_Index n;
  TRY(GrB_Vector_wait(v, GrB_MATERIALIZE));
  TRY(GrB_Vector_nvals(&n, v));
  u64 *I = allocate(n * 8), *X = allocate(n * 8);
  TRY(GrB_Vector_extractTuples_UINT64(I, X, &n, v));
  add(to, I, n * 8), add(to, X, n * 8);
}

/* 'B' parameters[3] dup: tuples of the built matrix. */
static void do_build(const Message *m, Message *to) {
  const u64 *parameters = m->arrays[0].data;
  GrB_Matrix A = build(m, 1, op_of(parameters[0], parameters[3]));
  add_tuples(to, A);
  GrB_Matrix_free(&A);
}

/* 'A' parameters[3] op: tuples of the sum of arrays 1-3 and 4-6. */
static void do_add(const Message *m, Message *to) {
  const u64 *parameters = m->arrays[0].data;
  GrB_Matrix A = build(m, 1, NULL), B = build(m, 4, NULL), C;
  TRY(GrB_Matrix_new(&C, type_of(parameters[0]), parameters[1], parameters[2]));
  TRY(GrB_Matrix_eWiseAdd_BinaryOp(C, NULL, NULL, op_of(parameters[0], parameters[3]), A, B, NULL));
  add_tuples(to, C);
  GrB_Matrix_free(&A), GrB_Matrix_free(&B), GrB_Matrix_free(&C);
}

static void reduce_to(Message *to, GrB_Matrix A, GrB_Monoid monoid, int columns, u64 size) {
  GrB_Vector v;
  TRY(GrB_Vector_new(&v, GrB_UINT64, size));
  TRY(GrB_Matrix_reduce_Monoid(v, NULL, NULL, monoid, A, columns ? GrB_DESC_T0 : NULL));
  add_vector(to, v);
  GrB_Vector_free(&v);
}

/* 'R': vectors (I, X) of plus, max, min, count by row, then by column; then the scalars plus, max, min. */
static void do_reduce(const Message *m, Message *to) {
  const u64 *parameters = m->arrays[0].data;
  GrB_Matrix A = build(m, 1, NULL), ones;
  GrB_Monoid monoids[] = {GrB_PLUS_MONOID_UINT64, GrB_MAX_MONOID_UINT64, GrB_MIN_MONOID_UINT64};
  TRY(GrB_Matrix_new(&ones, GrB_UINT64, parameters[1], parameters[2]));
  TRY(GrB_Matrix_apply(ones, NULL, NULL, GxB_ONE_UINT64, A, NULL));
  for (int columns = 0; columns < 2; columns++) {
    for (int k = 0; k < 3; k++) reduce_to(to, A, monoids[k], columns, parameters[1 + columns]);
    reduce_to(to, ones, GrB_PLUS_MONOID_UINT64, columns, parameters[1 + columns]);
  }
  u64 *scalars = allocate(24);
  for (int k = 0; k < 3; k++) TRY(GrB_Matrix_reduce_UINT64(&scalars[k], NULL, monoids[k], A, NULL));
  add(to, scalars, 24);
  GrB_Matrix_free(&A), GrB_Matrix_free(&ones);
}

/* 'S' parameters[3] method (as i64), [4] by column, [5] iso, [6] sparsity control: a blob. */
static void do_serialize(const Message *m, Message *to) {
  const u64 *parameters = m->arrays[0].data;
  GrB_Matrix A;
  if (parameters[5]) {
    GrB_Scalar one;
    TRY(GrB_Scalar_new(&one, type_of(parameters[0])));
    TRY(GrB_Scalar_setElement_UINT64(one, ((u64 *)m->arrays[3].data)[0]));
    TRY(GrB_Matrix_new(&A, type_of(parameters[0]), parameters[1], parameters[2]));
    TRY(GxB_Matrix_build_Scalar(A, m->arrays[1].data, m->arrays[2].data, one, m->arrays[1].bytes / 8));
    GrB_Scalar_free(&one);
  } else {
    A = build(m, 1, NULL);
  }
  TRY(GxB_Matrix_Option_set(A, GxB_FORMAT, parameters[4] ? GxB_BY_COL : GxB_BY_ROW));
  if (parameters[6]) TRY(GxB_Matrix_Option_set(A, GxB_SPARSITY_CONTROL, (int)parameters[6]));
  GrB_Descriptor d;
  TRY(GrB_Descriptor_new(&d));
  TRY(GxB_Desc_set(d, GxB_COMPRESSION, (int)(int64_t)parameters[3]));
  void *blob;
  GrB_Index bytes;
  TRY(GxB_Matrix_serialize(&blob, &bytes, A, d));
  add(to, blob, bytes);
  GrB_Descriptor_free(&d), GrB_Matrix_free(&A);
}

/* 'D' array 1 a blob: its type code's size, nrows, ncols, and its tuples. */
static void do_deserialize(const Message *m, Message *to) {
  GrB_Matrix A = NULL;
  to->code = (u32)GxB_Matrix_deserialize(&A, NULL, m->arrays[1].data, m->arrays[1].bytes, NULL);
  if (to->code) return;
  char name[GxB_MAX_NAME_LEN];
  u64 *facts = allocate(24);
  TRY(GxB_Matrix_type_name(name, A));
  facts[0] = strcmp(name, "uint64_t") ? strcmp(name, "uint32_t") ? 0 : 7 : 9;
  TRY(GrB_Matrix_nrows(&facts[1], A));
  TRY(GrB_Matrix_ncols(&facts[2], A));
  add(to, facts, 24);
  add_tuples(to, A);
  to->code = (u32)GxB_Matrix_fprint(A, "A", GxB_SILENT, NULL); /* a full check of the object */
  if (to->code) GxB_Matrix_fprint(A, "A", GxB_SHORT, stderr);
  GrB_Matrix_free(&A);
}

static double now_ms(void) {
  struct timespec t;
  clock_gettime(CLOCK_MONOTONIC, &t);
  return (double)t.tv_sec * 1e3 + (double)t.tv_nsec * 1e-6;
}

#include "oracle_ops.h"

static void serve(void) {
  Message m = {0}, to = {0};
  while (receive(&m)) {
    to.code = 0;
    switch (m.code) {
      case 'B': do_build(&m, &to); break;
      case 'A': do_add(&m, &to); break;
      case 'R': do_reduce(&m, &to); break;
      case 'S': do_serialize(&m, &to); break;
      case 'D': do_deserialize(&m, &to); break;
      default:
        if (!serve_algebra(&m, &to)) exit(2);
    }
    answer(&to);
    discard(&m);
    discard(&to);
  }
}

static u64 random_state = 88172645463325252ull;
static u64 random_next(void) {
  random_state ^= random_state << 13;
  random_state ^= random_state >> 7;
  random_state ^= random_state << 17;
  return random_state * 0x2545f4914f6cdd1dull;
}

/* n tuples of random IPv4 pairs, a tenth of which repeat others, with values of 1 to 1500. */
static GrB_Matrix time_build(u64 n, double *best, int rounds) {
  u64 *I = allocate(n * 8), *J = allocate(n * 8), *X = allocate(n * 8);
  for (u64 k = 0; k < n; k++) {
    u64 from = n - 1 - k, key = random_next();
    I[k] = key >> 32, J[k] = key & 0xffffffff, X[k] = random_next() % 1500 + 1;
    if (k >= n - n / 10) I[k] = I[from], J[k] = J[from];
  }
  GrB_Matrix A = NULL;
  for (int k = 0; k < rounds; k++) {
    GrB_Matrix_free(&A);
    double start = now_ms();
    TRY(GrB_Matrix_new(&A, GrB_UINT64, (u64)1 << 32, (u64)1 << 32));
    TRY(GrB_Matrix_build_UINT64(A, I, J, X, n, GrB_PLUS_UINT64));
    double spent = now_ms() - start;
    if (spent < *best) *best = spent;
  }
  free(I), free(J), free(X);
  return A;
}

static double best_of(double best, double start) {
  double spent = now_ms() - start;
  return spent < best ? spent : best;
}

static int time_native(int bits) {
  if (bits < 1 || bits > 26) return 2;
  const int rounds = bits > 18 ? 5 : 15;
  double build_ms = 1e9, add_ms = 1e9, serialize_ms = 1e9, deserialize_ms = 1e9, rows_ms = 1e9;
  GrB_Matrix A = time_build((u64)1 << bits, &build_ms, rounds),
             B = time_build((u64)1 << bits, &build_ms, rounds);
  GrB_Descriptor d;
  GrB_Index bytes = 0;
  TRY(GrB_Descriptor_new(&d));
  TRY(GxB_Desc_set(d, GxB_COMPRESSION, GxB_COMPRESSION_ZSTD + 1));
  for (int k = 0; k < rounds; k++) {
    GrB_Matrix C, D;
    GrB_Vector v;
    void *blob;
    double start = now_ms();
    TRY(GrB_Matrix_new(&C, GrB_UINT64, (u64)1 << 32, (u64)1 << 32));
    TRY(GrB_Matrix_eWiseAdd_BinaryOp(C, NULL, NULL, GrB_PLUS_UINT64, A, B, NULL));
    TRY(GrB_Matrix_wait(C, GrB_MATERIALIZE));
    add_ms = best_of(add_ms, start);
    start = now_ms();
    TRY(GrB_Vector_new(&v, GrB_UINT64, (u64)1 << 32));
    TRY(GrB_Matrix_reduce_Monoid(v, NULL, NULL, GrB_PLUS_MONOID_UINT64, A, NULL));
    rows_ms = best_of(rows_ms, start);
    start = now_ms();
    TRY(GxB_Matrix_serialize(&blob, &bytes, A, d));
    serialize_ms = best_of(serialize_ms, start);
    start = now_ms();
    TRY(GxB_Matrix_deserialize(&D, NULL, blob, bytes, NULL));
    deserialize_ms = best_of(deserialize_ms, start);
    GrB_Matrix_free(&C), GrB_Matrix_free(&D), GrB_Vector_free(&v), free(blob);
  }
  printf("{\"bits\":%d,\"build_ms\":%.3f,\"add_ms\":%.3f,\"reduce_rows_ms\":%.3f,\"serialize_ms\":%.3f,"
         "\"deserialize_ms\":%.3f,\"blob_bytes\":%llu}\n",
         bits, build_ms, add_ms, rows_ms, serialize_ms, deserialize_ms, (unsigned long long)bytes);
  return 0;
}

int main(int argc, char **argv) {
  mallopt(M_MMAP_MAX, 0); /* else page faults of fresh mappings are timed, not GraphBLAS */
  mallopt(M_TRIM_THRESHOLD, -1);
  TRY(GrB_init(GrB_NONBLOCKING));
  TRY(GxB_Global_Option_set(GxB_NTHREADS, 1));
  TRY(GxB_Global_Option_set(GxB_FORMAT, GxB_BY_ROW));
  int status = 0;
  if (argc == 3 && !strcmp(argv[1], "time"))
    status = time_native(atoi(argv[2]));
  else if (argc == 1)
    serve();
  else
    status = 2;
  GrB_finalize();
  return status;
}
