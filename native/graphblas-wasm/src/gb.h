// SPDX-License-Identifier: Apache-2.0
/*
 * graphblas-wasm: the objects and the conventions every source file here shares.
 *
 * A matrix is a pattern (which entries exist) and one array of values. Patterns are counted references, so
 * that value planes over the same links (packets and bytes) hold, merge and compress their pattern once.
 *
 * Exported functions return an Info. Further results go to gb_result[], and on failure gb_reason says what
 * was wrong.
 */
#ifndef GB_H
#define GB_H
#include <stddef.h>
#include <stdint.h>
#include <string.h>

typedef uint8_t u8;
typedef uint16_t u16;
typedef uint32_t u32;
typedef uint64_t u64;
typedef int32_t i32;
typedef int64_t i64;

/* GrB_Info of the GraphBLAS C API 2.0, with its values. */
typedef enum {
  OK = 0,
  INVALID_VALUE = -3,
  INVALID_INDEX = -4,
  DOMAIN_MISMATCH = -5,
  DIMENSION_MISMATCH = -6,
  NOT_IMPLEMENTED = -8,
  OUT_OF_MEMORY = -102,
  INVALID_OBJECT = -104,
  INDEX_OUT_OF_BOUNDS = -105,
} Info;

/* Type codes as SuiteSparse writes them in a blob; a Matrix is of BOOL, UINT32, INT64, UINT64 or FP64. */
typedef enum {
  T_BOOL = 1,
  T_INT8,
  T_UINT8,
  T_INT16,
  T_UINT16,
  T_INT32,
  T_UINT32,
  T_INT64,
  T_UINT64,
  T_FP32,
  T_FP64,
} Type;

typedef enum {
  OP_PLUS,
  OP_MAX,
  OP_MIN,
  OP_FIRST,
  OP_SECOND,
  OP_COUNT,
  OP_NONE,
  OP_TIMES,
  OP_MINUS,
  OP_LOR,
  OP_LAND,
  OP_ANY,
  OP_ONEB,
} Op;

#define GB_INDEX_MAX ((u64)1 << 60)  /* the largest dimension */
#define GB_NARROW_MAX ((u64)1 << 32) /* dimensions up to this have 32-bit indices in memory */

/*
 * HyperCSR: row Ah[k] holds the columns Aj[Ap[k]] .. Aj[Ap[k+1]-1], increasing; no row is empty. Ah and Aj
 * are u32 in a narrow pattern (both dimensions at most 2^32) and u64 in a wide one; Ap is always u32, for
 * nvals cannot reach 2^32 in a 32-bit linear memory.
 */
typedef struct {
  u32 references;
  u32 wide; /* 0 or 1 */
  u32 nvec, nvals;
  u64 nrows, ncols;
  u32 *Ap;  /* nvec + 1 */
  void *Ah; /* nvec */
  void *Aj; /* nvals */
} Pattern;

typedef struct {
  Pattern *pattern;
  Type type;
  void *Ax; /* nvals values: u32 of BOOL (0 or 1) and UINT32, u64 of the others, which are carried as their bits */
} Matrix;
/* A vector is a matrix of one row: every operation on matrices is one on vectors. */

#ifdef __wasm__
#define EXPORT(name) __attribute__((export_name(#name))) name
#else
#define EXPORT(name) name
#endif
#define INLINE static inline __attribute__((always_inline))

/*
 * An index or value array whose element width is a constant at the call site: each caller gets its own
 * loop.
 */
INLINE u64 get(const void *array, u32 wide, size_t i) {
  return wide ? ((const u64 *)array)[i] : ((const u32 *)array)[i];
}
INLINE void put(void *array, u32 wide, size_t i, u64 value) {
  if (wide)
    ((u64 *)array)[i] = value;
  else
    ((u32 *)array)[i] = (u32)value;
}
INLINE size_t width(u32 wide) { return wide ? 8 : 4; }
INLINE u32 type64(Type type) { return type >= T_INT64; }
INLINE u32 is64(const Matrix *A) { return type64(A->type); }
INLINE int is_unsigned(Type type) { return type == T_UINT32 || type == T_UINT64; }

/* heap.c: every block is 16-byte aligned; NULL when the limit is reached. */
void *heap_allocate(u64 bytes);
void heap_free(void *block);
void heap_shrink(void *block, size_t bytes);
u64 EXPORT(gb_memory_used)(void);

/* error.c */
extern u64 gb_result[16];
Info fail(Info info, const char *reason);
Info fail_memory(void);

/* pattern.c */
Info pattern_new(Pattern **out, u64 nrows, u64 ncols, u64 nvec, u64 nvals);
void pattern_release(Pattern *P);
void pattern_trim(Pattern *P, u32 nvec, u32 nvals);
int pattern_equal(const Pattern *P, const Pattern *Q);
Info check_dimensions(u64 nrows, u64 ncols);

/* matrix.c */
Info matrix_new(Matrix **out, Pattern *P, Type type);
void EXPORT(gb_matrix_free)(Matrix *A);
void EXPORT(gb_matrix_rows)(const Matrix *A, u64 *I);
void matrix_copy_values(const Matrix *A, Matrix *C);
Info matrix_over(Matrix **out, u64 nrows, u64 ncols, u64 nvec, u64 nvals, Type type);
void matrix_trim(Matrix *A, u32 nvec, u32 nvals);
Info matrix_cast(const Matrix *A, Type type, Matrix **out);
Info vector_new(Matrix **out, u64 size, u32 nvals, Type type);

/* ops.c: operators on values as they are carried. */
typedef u64 (*Binary)(u64 x, u64 y);
Binary binary_of(Op op, Type type);
u64 cast_value(u64 x, Type from, Type to);
u64 identity_of(Op op, Type type);
Type larger_type(Type a, Type b);
INLINE double as_double(u64 bits) {
  double x;
  memcpy(&x, &bits, 8);
  return x;
}
INLINE u64 as_bits(double x) {
  u64 bits;
  memcpy(&bits, &x, 8);
  return bits;
}

/* reduce.c: the columns of all entries in order, each with what it had in an array of u32 or u64. */
typedef struct {
  u32 n;
  void *J, *X; /* as wide as the pattern's indices, and as the given array */
  void *blocks[4];
} Columns;
Info columns_sorted(const Pattern *P, const void *load, u32 load64, Columns *c);
void columns_free(Columns *c);

/* build.c */
Info build_tuples(Matrix **out, Type type, u64 nrows, u64 ncols, u64 *I, u64 *J, void *X, u32 n, Op dup);
void pattern_from_packed(Pattern *P, const u64 *keys, u32 n);

/* filter.c */
Info matrix_compact(const Matrix *A, const u8 *keep, Matrix **out);

/* zstd_glue.c, zstd_direct.c, lz4.c */
Info zstd_pack(void *to, size_t capacity, const void *from, size_t bytes, int level, int indices,
               size_t *written);
size_t zstd_bound(size_t bytes);
size_t zstd_pack_direct(void *to, size_t capacity, const void *source, size_t bytes);
int zstd_unpack_direct(void *to, size_t bytes, const u8 *from, size_t packed);
int zstd_unpack(void *to, size_t bytes, const void *from, size_t packed);
int lz4_unpack(void *to, size_t bytes, const void *from, size_t packed);

/* Unsigned arithmetic, in loops of their own for each op and width; binary_of() has the rest. */
INLINE u64 combine(Op op, u64 x, u64 y, u32 wide) {
  switch (op) {
    case OP_PLUS: return wide ? x + y : (u32)(x + y);
    case OP_MAX: return x > y ? x : y;
    case OP_MIN: return x < y ? x : y;
    case OP_SECOND: return y;
    default: return x;
  }
}
#endif
