// SPDX-License-Identifier: Apache-2.0
/*
 * GrB_mxm: Gustavson's algorithm, row by row. B's columns are numbered densely and in order, so that a row of the
 * result is collected in a plain array; a bitmap of two levels of the columns touched gives them back in order, and no
 * row is ever sorted. Short rows are sorted by insertion; a row that meets one row of B is a copy.
 */
#include "ops.h"
#include "radix.h"

#define SHORT_ROW 24u
#define NO_ROW UINT32_MAX
#define IDENTITY_COLUMNS 65536u /* up to here, or 4 for each entry, columns are their own numbers */

typedef struct {
  u64 *sum;           /* one for each column number */
  u64 *touched;       /* a bit for each; all 0 between rows */
  u64 *touched_words; /* a bit for each word of those */
} Accumulator;

typedef void (*Scatter)(Accumulator acc, u64 a, const u32 *J, const void *X, u32 start, u32 end);

typedef struct {
  const Matrix *A, *B; /* in the semiring's type, if their values are used */
  const Pattern *rows; /* B's pattern as it was given: the one that has B's rows in full width */
  Matrix *C;
  Type type;
  Binary add, multiply;
  Scatter scatter;
  u32 *match;    /* for each entry of A: the row of B among B's rows, or NO_ROW */
  u32 *number;   /* of each entry of B: its column's */
  void *columns; /* column of a number, as wide as the pattern; NULL if they are the same */
  void *owned[2];
  u32 ncolumns;
  Accumulator acc;
  u32 n, nvec;
} Product;

INLINE void scatter(Op add, Op multiply, Type type, Accumulator acc, u64 a, const u32 *J, const void *X, u32 start,
                    u32 end) {
  for (u32 p = start; p < end; p++) {
    u32 j = J[p];
    u64 bit = (u64)1 << (j & 63), seen = acc.touched[j >> 6] & bit;
    u64 product = binary(multiply, type, a, multiply == OP_ONEB || multiply == OP_FIRST ? 0 : get(X, type64(type), p));
    u64 both = binary(add, type, acc.sum[j], product);
    acc.sum[j] = seen ? both : product;
    acc.touched[j >> 6] |= bit;
    acc.touched_words[j >> 12] |= (u64)1 << (j >> 6 & 63);
  }
}

#define SCATTER(add, multiply, type)                                                                         \
  static void scatter_##add##multiply##type(Accumulator acc, u64 a, const u32 *J, const void *X, u32 start,  \
                                            u32 end) {                                                       \
    scatter(add, multiply, type, acc, a, J, X, start, end);                                                  \
  }
#define SCATTER_TYPES(add, multiply)                                                                         \
  SCATTER(add, multiply, T_UINT32)                                                                           \
  SCATTER(add, multiply, T_INT64)                                                                            \
  SCATTER(add, multiply, T_UINT64)                                                                           \
  SCATTER(add, multiply, T_FP64)
SCATTER_TYPES(OP_PLUS, OP_TIMES)
SCATTER_TYPES(OP_PLUS, OP_ONEB)
SCATTER_TYPES(OP_PLUS, OP_FIRST)
SCATTER_TYPES(OP_PLUS, OP_SECOND)
SCATTER_TYPES(OP_MIN, OP_PLUS)
SCATTER_TYPES(OP_MAX, OP_PLUS)
SCATTER(OP_ANY, OP_ONEB, T_BOOL)
SCATTER(OP_LOR, OP_LAND, T_BOOL)

/* NULL: there is no such semiring in this type. */
static Scatter scatter_of(Op add, Op multiply, Type type) {
#define CASE(a, m, t)                                                                                        \
  if (add == a && multiply == m && type == t) return scatter_##a##m##t;
#define CASES(a, m) CASE(a, m, T_UINT32) CASE(a, m, T_INT64) CASE(a, m, T_UINT64) CASE(a, m, T_FP64)
  CASES(OP_PLUS, OP_TIMES)
  CASES(OP_PLUS, OP_ONEB)
  CASES(OP_PLUS, OP_FIRST)
  CASES(OP_PLUS, OP_SECOND)
  CASES(OP_MIN, OP_PLUS)
  CASES(OP_MAX, OP_PLUS)
  CASE(OP_ANY, OP_ONEB, T_BOOL)
  CASE(OP_LOR, OP_LAND, T_BOOL)
  return NULL;
}

/* A power of two of at least twice n slots. */
static u32 slots_for(u32 n) { return n < 8 ? 16 : (u32)1 << (33 - __builtin_clz(n)); }
static u32 hash(u64 key, u32 mask) { return (u32)(key * 0x9e3779b97f4a7c15ull >> 32) & mask; }

/* Finds B's row for each column of A, by a table of B's rows. */
static Info match_rows(Product *m) {
  const Pattern *P = m->A->pattern, *Q = m->rows;
  u32 slots = slots_for(Q->nvec), mask = slots - 1;
  u32 *table = heap_allocate((u64)slots * 4);
  m->match = heap_allocate((u64)P->nvals * 4);
  if (!table || !m->match) {
    heap_free(table);
    return fail_memory();
  }
  memset(table, 0xff, (size_t)slots * 4);
  for (u32 k = 0; k < Q->nvec; k++) {
    u32 at = hash(get(Q->Ah, Q->wide, k), mask);
    while (table[at] != NO_ROW) at = (at + 1) & mask;
    table[at] = k;
  }
  for (u32 p = 0; p < P->nvals; p++) {
    u64 row = get(P->Aj, P->wide, p);
    u32 at = hash(row, mask);
    while (table[at] != NO_ROW && get(Q->Ah, Q->wide, table[at]) != row) at = (at + 1) & mask;
    m->match[p] = table[at];
  }
  heap_free(table);
  return OK;
}

/* Numbers B's columns: as they are if there are few, else by their rank. */
static Info number_columns(Product *m) {
  const Pattern *Q = m->B->pattern;
  u32 n = Q->nvals, rank = 0;
  if (!Q->wide && (Q->ncols <= IDENTITY_COLUMNS || Q->ncols <= (u64)4 * n)) {
    m->number = Q->Aj;
    m->ncolumns = (u32)Q->ncols;
    return OK;
  }
  u32 *positions = heap_allocate((u64)n * 4);
  if (!positions) return fail_memory();
  for (u32 k = 0; k < n; k++) positions[k] = k;
  Columns c;
  Info info = columns_sorted(Q, positions, 0, &c);
  heap_free(positions);
  if (info) return info;
  m->number = m->owned[0] = heap_allocate((u64)n * 4);
  m->columns = m->owned[1] = heap_allocate((u64)n * width(Q->wide));
  if (!m->number || !m->columns) info = fail_memory();
  for (u32 k = 0; k < n && !info; k++) {
    u64 column = get(c.J, Q->wide, k);
    rank += k && column != get(c.J, Q->wide, k - 1);
    m->number[((u32 *)c.X)[k]] = rank;
    put(m->columns, Q->wide, rank, column);
  }
  m->ncolumns = n ? rank + 1 : 0;
  columns_free(&c);
  return info;
}

static Info accumulator_new(Product *m) {
  u64 words = (m->ncolumns + 63) / 64, upper = (words + 63) / 64;
  m->acc = (Accumulator){heap_allocate((u64)m->ncolumns * 8), heap_allocate(words * 8), heap_allocate(upper * 8)};
  if (!m->acc.sum || !m->acc.touched || !m->acc.touched_words) return fail_memory();
  memset(m->acc.sum, 0, (size_t)m->ncolumns * 8);
  memset(m->acc.touched, 0, (size_t)words * 8);
  memset(m->acc.touched_words, 0, (size_t)upper * 8);
  return OK;
}

/* Makes room for `more` further entries of the result, by half again as many. */
static Info reserve(Product *m, u64 more) {
  Pattern *R = m->C->pattern;
  u64 needed = m->n + more, room = needed + needed / 2;
  if (needed <= R->nvals) return OK;
  if (needed > UINT32_MAX / 8) return fail_memory();
  if (room > UINT32_MAX / 8) room = needed;
  u32 x64 = is64(m->C);
  void *Aj = heap_allocate(room * width(R->wide)), *Ax = heap_allocate((room + 1) * width(x64));
  if (!Aj || !Ax) {
    heap_free(Aj), heap_free(Ax);
    return fail_memory();
  }
  memcpy(Aj, R->Aj, m->n * width(R->wide));
  memcpy(Ax, m->C->Ax, m->n * width(x64));
  heap_free(R->Aj), heap_free(m->C->Ax);
  R->Aj = Aj;
  R->nvals = (u32)room;
  m->C->Ax = Ax;
  return OK;
}

INLINE void emit(Product *m, u32 wide, u32 number, u64 value) {
  put(m->C->pattern->Aj, wide, m->n, m->columns ? get(m->columns, wide, number) : number);
  put(m->C->Ax, is64(m->C), m->n++, value);
}

INLINE u64 value_in(const Matrix *A, Type type, u32 p) { return A->type == type ? get(A->Ax, type64(type), p) : 0; }

/* The result's row is one row of B, times one value. */
static void copy_row(Product *m, u32 p) {
  const Pattern *Q = m->B->pattern;
  u32 k = m->match[p], wide = Q->wide;
  u64 a = value_in(m->A, m->type, p);
  for (u32 q = Q->Ap[k]; q < Q->Ap[k + 1]; q++) {
    put(m->C->pattern->Aj, wide, m->n, get(Q->Aj, wide, q));
    put(m->C->Ax, is64(m->C), m->n++, m->multiply(a, value_in(m->B, m->type, q)));
  }
}

/* A short row: products in order of their columns by insertion, equal columns added. */
static void short_row(Product *m, u32 start, u32 end) {
  const Pattern *Q = m->B->pattern;
  u32 number[SHORT_ROW], count = 0;
  u64 value[SHORT_ROW];
  for (u32 p = start; p < end; p++) {
    u32 k = m->match[p];
    if (k == NO_ROW) continue;
    u64 a = value_in(m->A, m->type, p);
    for (u32 q = Q->Ap[k]; q < Q->Ap[k + 1]; q++) {
      u32 j = m->number[q], at = count;
      u64 product = m->multiply(a, value_in(m->B, m->type, q));
      while (at && number[at - 1] > j) at--;
      if (at && number[at - 1] == j) {
        value[at - 1] = m->add(value[at - 1], product);
        continue;
      }
      for (u32 e = count++; e > at; e--) number[e] = number[e - 1], value[e] = value[e - 1];
      number[at] = j;
      value[at] = product;
    }
  }
  for (u32 e = 0; e < count; e++) emit(m, Q->wide, number[e], value[e]);
}

/* Empties the accumulator into the result, in the order of columns. */
INLINE void gather(Product *m, u32 wide) {
  u32 upper = (m->ncolumns + 4095) / 4096;
  for (u32 u = 0; u < upper; u++) {
    for (u64 words = m->acc.touched_words[u]; words; words &= words - 1) {
      u32 w = u << 6 | (u32)__builtin_ctzll(words);
      for (u64 bits = m->acc.touched[w]; bits; bits &= bits - 1) {
        u32 number = w << 6 | (u32)__builtin_ctzll(bits);
        emit(m, wide, number, m->acc.sum[number]);
      }
      m->acc.touched[w] = 0;
    }
    m->acc.touched_words[u] = 0;
  }
}

static void long_row(Product *m, u32 start, u32 end) {
  const Pattern *Q = m->B->pattern;
  for (u32 p = start; p < end; p++) {
    u32 k = m->match[p];
    if (k != NO_ROW)
      m->scatter(m->acc, value_in(m->A, m->type, p), m->number, m->B->Ax, Q->Ap[k], Q->Ap[k + 1]);
  }
  Q->wide ? gather(m, 1) : gather(m, 0);
}

static Info multiply_rows(Product *m) {
  const Pattern *P = m->A->pattern, *Q = m->B->pattern;
  Pattern *R = m->C->pattern;
  u32 wide = R->wide;
  for (u32 k = 0; k < P->nvec; k++) {
    u32 met = 0, at = 0, before = m->n;
    u64 products = 0;
    for (u32 p = P->Ap[k]; p < P->Ap[k + 1]; p++) {
      u32 row = m->match[p];
      if (row == NO_ROW) continue;
      products += Q->Ap[row + 1] - Q->Ap[row];
      met++;
      at = p;
    }
    if (!met) continue;
    Info info = reserve(m, products < m->ncolumns ? products : m->ncolumns);
    if (info) return info;
    if (met == 1)
      copy_row(m, at);
    else if (products <= SHORT_ROW)
      short_row(m, P->Ap[k], P->Ap[k + 1]);
    else
      long_row(m, P->Ap[k], P->Ap[k + 1]);
    if (m->n == before) continue;
    put(R->Ah, wide, m->nvec++, get(P->Ah, P->wide, k));
    R->Ap[m->nvec] = m->n;
  }
  matrix_trim(m->C, m->nvec, m->n);
  return OK;
}

/* A copy of A with indices as wide as the result's, if they are not; rows beyond 32 bits are cut off. */
static Info in_width(const Matrix *A, u32 wide, Matrix **owned) {
  const Pattern *P = A->pattern;
  if (P->wide == wide) return OK;
  Pattern *R = heap_allocate(sizeof(Pattern));
  if (!R) return fail_memory();
  *R = (Pattern){.references = 1, .wide = wide, .nvec = P->nvec, .nvals = P->nvals, .nrows = P->nrows, .ncols = P->ncols};
  R->Ap = heap_allocate(((u64)P->nvec + 1) * 4);
  R->Ah = heap_allocate(P->nvec * width(wide));
  R->Aj = heap_allocate(P->nvals * width(wide));
  Info info = R->Ap && R->Ah && R->Aj ? OK : fail_memory();
  if (!info) {
    memcpy(R->Ap, P->Ap, ((size_t)P->nvec + 1) * 4);
    for (u32 k = 0; k < P->nvec; k++) put(R->Ah, wide, k, get(P->Ah, P->wide, k));
    for (u32 k = 0; k < P->nvals; k++) put(R->Aj, wide, k, get(P->Aj, P->wide, k));
    info = matrix_new(owned, R, A->type);
    if (!info) matrix_copy_values(A, *owned);
  }
  pattern_release(R);
  return info;
}

static Info product(Product *m) {
  const Pattern *P = m->A->pattern;
  Info info = matrix_over(&m->C, P->nrows, m->B->pattern->ncols, P->nvec, P->nvals, m->type);
  if (info) return info;
  if (!(info = match_rows(m)) && !(info = number_columns(m)) && !(info = accumulator_new(m))) info = multiply_rows(m);
  heap_free(m->match), heap_free(m->owned[0]), heap_free(m->owned[1]);
  heap_free(m->acc.sum), heap_free(m->acc.touched), heap_free(m->acc.touched_words);
  if (info) gb_matrix_free(m->C);
  return info;
}

/*
 * A times B over the semiring of add and multiply, in `type`. Result 0: the matrix. DIMENSION_MISMATCH,
 * DOMAIN_MISMATCH (no such semiring in the type), OUT_OF_MEMORY.
 */
Info EXPORT(gb_mxm)(const Matrix *A, const Matrix *B, Op add, Op multiply, Type type) {
  if (A->pattern->ncols != B->pattern->nrows)
    return fail(DIMENSION_MISMATCH, "the columns of the first are not as many as the rows of the second");
  Product m = {.type = type, .add = binary_of(add, type), .multiply = binary_of(multiply, type), .rows = B->pattern};
  if (!(m.scatter = scatter_of(add, multiply, type)))
    return fail(DOMAIN_MISMATCH, "there is no such semiring in this type");
  u32 wide = A->pattern->nrows > GB_NARROW_MAX || B->pattern->ncols > GB_NARROW_MAX;
  Matrix *widened = NULL, *a = NULL, *b = NULL;
  Info info = in_width(B, wide, &widened);
  if (widened) B = widened;
  if (!info && multiply != OP_ONEB && multiply != OP_SECOND) info = matrix_cast(A, type, &a);
  if (!info && multiply != OP_ONEB && multiply != OP_FIRST) info = matrix_cast(B, type, &b);
  m.A = a ? a : A;
  m.B = b ? b : B;
  if (!info && !(info = product(&m))) gb_result[0] = (uintptr_t)m.C;
  gb_matrix_free(a), gb_matrix_free(b), gb_matrix_free(widened);
  return info;
}
