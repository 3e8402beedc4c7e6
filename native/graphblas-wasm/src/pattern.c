// SPDX-License-Identifier: Apache-2.0
/* Patterns: which entries a matrix has, in HyperCSR; counted references. */
#include "gb.h"

Info check_dimensions(u64 nrows, u64 ncols) {
  if (!nrows || !ncols) return fail(INVALID_VALUE, "a dimension is 0; both must be 1 to 2^60");
  if (nrows > GB_INDEX_MAX || ncols > GB_INDEX_MAX) return fail(INVALID_VALUE, "a dimension is beyond 2^60");
  return OK;
}

/* An uninitialised pattern with one reference and room for nvec rows and nvals entries. */
Info pattern_new(Pattern **out, u64 nrows, u64 ncols, u64 nvec, u64 nvals) {
  u32 wide = nrows > GB_NARROW_MAX || ncols > GB_NARROW_MAX;
  if (nvals > UINT32_MAX / 8 || nvec > nvals) return fail_memory(); /* cannot be held in 4 GiB */
  Pattern *P = heap_allocate(sizeof(Pattern));
  if (!P) return fail_memory();
  *P = (Pattern){
      .references = 1, .wide = wide, .nvec = (u32)nvec, .nvals = (u32)nvals, .nrows = nrows, .ncols = ncols};
  P->Ap = heap_allocate((nvec + 1) * sizeof(u32));
  P->Ah = heap_allocate(nvec * width(wide));
  P->Aj = heap_allocate(nvals * width(wide));
  if (!P->Ap || !P->Ah || !P->Aj) {
    pattern_release(P);
    return fail_memory();
  }
  P->Ap[0] = 0;
  *out = P;
  return OK;
}

void pattern_release(Pattern *P) {
  if (!P || --P->references) return;
  heap_free(P->Ap);
  heap_free(P->Ah);
  heap_free(P->Aj);
  heap_free(P);
}

/* Gives back the room that nvec and nvals, an upper bound until now, did not need. */
void pattern_trim(Pattern *P, u32 nvec, u32 nvals) {
  P->nvec = nvec;
  P->nvals = nvals;
  heap_shrink(P->Ap, ((size_t)nvec + 1) * sizeof(u32));
  heap_shrink(P->Ah, nvec * width(P->wide));
  heap_shrink(P->Aj, nvals * width(P->wide));
}

/* Same dimensions and same entries. */
int pattern_equal(const Pattern *P, const Pattern *Q) {
  if (P == Q) return 1;
  if (P->nrows != Q->nrows || P->ncols != Q->ncols || P->nvec != Q->nvec || P->nvals != Q->nvals) return 0;
  size_t bytes = width(P->wide);
  return !memcmp(P->Ah, Q->Ah, P->nvec * bytes) && !memcmp(P->Aj, Q->Aj, P->nvals * bytes) &&
         !memcmp(P->Ap, Q->Ap, ((size_t)P->nvec + 1) * sizeof(u32));
}

/* The arrays of fromHyperCSR, of either width; Ap has nvec + 1 members. */
typedef struct {
  const void *Ap, *Ah, *Aj;
  u32 Ap64, Ah64, Aj64;
} Arrays;

/* Copies and checks one row's columns. */
INLINE Info copy_row(Pattern *P, const void *Aj, u32 from64, u32 to64, u64 start, u64 end) {
  u64 previous = 0, bad_order = 0, bad_range = 0;
  for (u64 k = start; k < end; k++) {
    u64 j = get(Aj, from64, (size_t)k);
    bad_order |= k > start && j <= previous;
    bad_range |= j >= P->ncols;
    put(P->Aj, to64, (size_t)k, j);
    previous = j;
  }
  if (bad_range) return fail(INDEX_OUT_OF_BOUNDS, "Aj holds a column index that is not below ncols");
  if (bad_order) return fail(INVALID_VALUE, "Aj is not strictly increasing within each row");
  return OK;
}

INLINE Info copy_rows(Pattern *P, const Arrays *from, u32 from64, u32 to64) {
  u64 start = 0, previous = 0;
  for (u32 k = 0; k < P->nvec; k++) {
    u64 end = get(from->Ap, from->Ap64, k + 1), row = get(from->Ah, from->Ah64, k);
    if (end <= start || end > P->nvals)
      return fail(INVALID_VALUE, "Ap is not strictly increasing up to nvals");
    if (row >= P->nrows) return fail(INDEX_OUT_OF_BOUNDS, "Ah holds a row index that is not below nrows");
    if (k && row <= previous) return fail(INVALID_VALUE, "Ah is not strictly increasing");
    Info info = copy_row(P, from->Aj, from64, to64, start, end);
    if (info) return info;
    P->Ap[k + 1] = (u32)end;
    put(P->Ah, to64, k, row);
    start = end;
    previous = row;
  }
  return start == P->nvals ? OK : fail(INVALID_VALUE, "Ap does not end at the number of values");
}

/*
 * A pattern from HyperCSR arrays in linear memory. wide64: bit 0 Ap, bit 1 Ah, bit 2 Aj are u64, else u32.
 * Result 0: the pattern. INVALID_VALUE, INDEX_OUT_OF_BOUNDS, OUT_OF_MEMORY.
 */
Info EXPORT(gb_pattern_from_csr)(u64 nrows, u64 ncols, u32 nvec, u32 nvals, const void *Ap, const void *Ah,
                                 const void *Aj, u32 wide64) {
  Arrays from = {Ap, Ah, Aj, wide64 & 1, wide64 >> 1 & 1, wide64 >> 2 & 1};
  Info info = check_dimensions(nrows, ncols);
  if (info) return info;
  if (get(Ap, from.Ap64, 0)) return fail(INVALID_VALUE, "Ap does not start at 0");
  if (nvec > nvals) return fail(INVALID_VALUE, "there are more rows than values: a row of Ah is empty");
  Pattern *P;
  if ((info = pattern_new(&P, nrows, ncols, nvec, nvals))) return info;
  if (P->wide)
    info = from.Aj64 ? copy_rows(P, &from, 1, 1) : copy_rows(P, &from, 0, 1);
  else
    info = from.Aj64 ? copy_rows(P, &from, 1, 0) : copy_rows(P, &from, 0, 0);
  if (info) {
    pattern_release(P);
    return info;
  }
  gb_result[0] = (uintptr_t)P;
  return OK;
}

void EXPORT(gb_pattern_release)(Pattern *P) { pattern_release(P); }
