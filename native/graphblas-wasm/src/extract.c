// SPDX-License-Identifier: Apache-2.0
/* GrB_extract: C(i, j) = A(I[i], J[j]). */
#include "indices.h"
#include "radix.h"

/* A row of A that becomes a row of C. */
typedef struct {
  u32 from;
  u64 to;
} Row;

static u32 find_row(const Pattern *P, u64 row) {
  u32 low = 0, high = P->nvec;
  while (low < high) {
    u32 middle = low + (high - low) / 2;
    if (get(P->Ah, P->wide, middle) < row)
      low = middle + 1;
    else
      high = middle;
  }
  return low < P->nvec && get(P->Ah, P->wide, low) == row ? low : UINT32_MAX;
}

/* The rows of C that are not empty rows of A, in order; *n of them, with room for as many as there may be. */
static Info rows_of(const Matrix *A, const Indices *I, Row **rows, u32 *n) {
  const Pattern *P = A->pattern;
  u64 most = I->kind == LIST ? I->count : P->nvec, position;
  *n = 0;
  if (!(*rows = heap_allocate(most * sizeof(Row)))) return fail_memory();
  if (I->kind == LIST) {
    for (u64 k = 0; k < I->count; k++) {
      u32 from = find_row(P, I->list[k]);
      if (from != UINT32_MAX) (*rows)[(*n)++] = (Row){from, k};
    }
  } else {
    for (u32 k = 0; k < P->nvec; k++)
      if (indices_find(I, get(P->Ah, P->wide, k), &position)) (*rows)[(*n)++] = (Row){k, position};
  }
  return OK;
}

/* Places of sorted J's that equal column: from `from` to before the result. */
static u32 run_end(const Indices *J, u32 from, u64 column) {
  while (from < J->count && J->sorted[from] == column) from++;
  return from;
}

/* An upper bound of the entries of C; exact where columns repeat. */
static u64 count_entries(const Pattern *P, const Indices *J, const Row *rows, u32 n) {
  u64 count = 0;
  for (u32 r = 0; r < n; r++) {
    u32 start = P->Ap[rows[r].from], end = P->Ap[rows[r].from + 1];
    if (indices_increasing(J)) {
      count += end - start;
      continue;
    }
    for (u32 p = start; p < end; p++) {
      u64 column = get(P->Aj, P->wide, p);
      u32 first = indices_lower(J, column);
      count += run_end(J, first, column) - first;
    }
  }
  return count;
}

/* Columns in the order of A's are in order in C. */
static u32 extract_ordered(const Matrix *A, Matrix *C, const Indices *J, u32 p, u32 end, u32 n) {
  const Pattern *P = A->pattern;
  u64 position;
  for (; p < end; p++) {
    if (!indices_find(J, get(P->Aj, P->wide, p), &position)) continue;
    put(C->pattern->Aj, C->pattern->wide, n, position);
    put(C->Ax, is64(C), n++, get(A->Ax, is64(A), p));
  }
  return n;
}

/* Scratch for the columns of one row, to be sorted. */
typedef struct {
  u64 *keys[2], *values[2];
} Scratch;

static u32 extract_sorted(const Matrix *A, Matrix *C, const Indices *J, u32 p, u32 end, u32 n, Scratch *s) {
  const Pattern *P = A->pattern;
  u32 count = 0;
  for (; p < end; p++) {
    u64 column = get(P->Aj, P->wide, p);
    u32 first = indices_lower(J, column), last = run_end(J, first, column);
    for (u32 at = first; at < last; at++) {
      s->keys[0][count] = J->order[at];
      s->values[0][count++] = get(A->Ax, is64(A), p);
    }
  }
  u32 swapped = (u32)radix_sort(s->keys[0], s->keys[1], 1, s->values[0], s->values[1], PAYLOAD64, count,
                                radix_varying(s->keys[0], 1, count));
  for (u32 k = 0; k < count; k++, n++) {
    put(C->pattern->Aj, C->pattern->wide, n, s->keys[swapped][k]);
    put(C->Ax, is64(C), n, s->values[swapped][k]);
  }
  return n;
}

static void extract_rows(const Matrix *A, Matrix *C, const Indices *J, const Row *rows, u32 count, Scratch *s) {
  const Pattern *P = A->pattern;
  Pattern *R = C->pattern;
  u32 n = 0, nvec = 0;
  for (u32 r = 0; r < count; r++) {
    u32 before = n, start = P->Ap[rows[r].from], end = P->Ap[rows[r].from + 1];
    n = indices_increasing(J) ? extract_ordered(A, C, J, start, end, n)
                              : extract_sorted(A, C, J, start, end, n, s);
    if (n == before) continue;
    put(R->Ah, R->wide, nvec++, rows[r].to);
    R->Ap[nvec] = n;
  }
  matrix_trim(C, nvec, n);
}

static Info extract(const Matrix *A, const Indices *I, const Indices *J, Matrix **out) {
  Row *rows = NULL;
  u32 n;
  Info info = rows_of(A, I, &rows, &n);
  if (!info) {
    u64 entries = count_entries(A->pattern, J, rows, n), room = indices_increasing(J) ? 0 : entries;
    Scratch s = {{heap_allocate(room * 8), heap_allocate(room * 8)}, {heap_allocate(room * 8), heap_allocate(room * 8)}};
    info = s.keys[0] && s.keys[1] && s.values[0] && s.values[1] ? OK : fail_memory();
    if (!info) info = matrix_over(out, I->count, J->count, n < entries ? n : entries, entries, A->type);
    if (!info) extract_rows(A, *out, J, rows, n, &s);
    heap_free(s.keys[0]), heap_free(s.keys[1]), heap_free(s.values[0]), heap_free(s.values[1]);
  }
  heap_free(rows);
  return info;
}

/* A's rows I and columns J, in their order. Result 0: the matrix. */
Info EXPORT(gb_extract)(const Matrix *A, const IndicesGiven *rows, const IndicesGiven *columns) {
  Indices I, J = {0};
  Matrix *C;
  Info info = indices_open(&I, rows, A->pattern->nrows);
  if (!info) info = indices_open(&J, columns, A->pattern->ncols);
  if (!info) info = extract(A, &I, &J, &C);
  indices_close(&I), indices_close(&J);
  if (!info) gb_result[0] = (uintptr_t)C;
  return info;
}
