// SPDX-License-Identifier: Apache-2.0
/*
 * `.grb` blobs to matrices. A blob is hostile until proven otherwise: sizes are checked against each other
 * and against the blob before anything is allocated, blocks decode into exactly the room that the header
 * implies, and the arrays that come out are checked entry by entry.
 */
#include "blob.h"

/*
 * What a packed byte can become at most: a ZSTD block of 4 bytes repeats one byte 2^17 times; LZ4 adds 255
 * a * byte.
 */
#define ZSTD_GROWTH 32768u
#define LZ4_GROWTH 255u
#define ISO_FULL_MAX                                                                                         \
  (1u << 16) /* entries a full iso matrix may have: its blob has no bytes to show for them */

typedef struct {
  BlobHeader h;
  const u8 *blob;
  int stored; /* keep the stored type, instead of reading non-negative integers as UINT32 or UINT64 */
  int sorted; /* refuse what would have to be sorted, instead of sorting it */
  u64 ends_at[SECTIONS], content_at[SECTIONS]; /* offsets in the blob */
  void *array[SECTIONS];                       /* decoded, of h.bytes[] */
} Reader;

static Info damaged(const char *why) { return fail(INVALID_OBJECT, why); }

static u64 end_of(const Reader *r, u32 section, u32 block) {
  u64 end;
  memcpy(&end, r->blob + r->ends_at[section] + 8 * (u64)block, 8);
  return end;
}

static u64 growth(i32 method) {
  if (method < 0) return 1;
  i32 algorithm = method / 1000 * 1000;
  return algorithm == METHOD_LZ4 || algorithm == METHOD_LZ4HC ? LZ4_GROWTH : ZSTD_GROWTH;
}

/*
 * Finds every section and checks that its blocks lie in the blob and could hold what the header says they
 * do.
 */
static Info locate(Reader *r, u64 size) {
  u64 at = sizeof(BlobHeader);
  for (u32 k = 0; k < SECTIONS; k++) {
    i32 blocks = r->h.packing[k].blocks;
    if (blocks < 0 || (u64)blocks > (size - at) / 8)
      return damaged("the table of blocks does not fit the blob");
    r->ends_at[k] = at;
    at += (u64)blocks * 8;
  }
  for (u32 k = 0; k < SECTIONS; k++) {
    u64 bytes = r->h.bytes[k], previous = 0;
    u32 blocks = (u32)r->h.packing[k].blocks;
    i32 method = r->h.packing[k].method;
    r->content_at[k] = at;
    if (!blocks && bytes) return damaged("an array has a size but no blocks");
    for (u32 b = 0; b < blocks; b++) {
      u64 end = end_of(r, k, b);
      if (end < previous || end > size - at) return damaged("a block lies outside the blob");
      previous = end;
    }
    if (method < 0 && blocks && (blocks > 1 || previous != bytes))
      return damaged("an uncompressed array has another size");
    if (bytes / growth(method) > previous + 64)
      return damaged("an array's size is more than its blocks can hold");
    at += previous;
  }
  return OK;
}

/* Decodes one section, to `array` or else to a new one in r->array. */
static Info decode(Reader *r, u32 section, u8 *array) {
  u64 bytes = r->h.bytes[section];
  u32 blocks = (u32)r->h.packing[section].blocks;
  i32 method = r->h.packing[section].method;
  if (!array && !(array = r->array[section] = heap_allocate(bytes))) return fail_memory();
  const u8 *content = r->blob + r->content_at[section];
  if (method < 0) {
    if (blocks) memcpy(array, content, (size_t)bytes);
    return OK;
  }
  for (u32 b = 0; b < blocks; b++) {
    u64 from = b ? end_of(r, section, b - 1) : 0, packed = end_of(r, section, b) - from;
    u64 start = block_start(bytes, b, blocks), room = block_start(bytes, b + 1, blocks) - start;
    int done = growth(method) == LZ4_GROWTH
                   ? lz4_unpack(array + start, (size_t)room, content + from, (size_t)packed)
                   : zstd_unpack(array + start, (size_t)room, content + from, (size_t)packed);
    if (!done) return damaged("a compressed block is damaged");
  }
  return OK;
}

static u32 type_bytes(u32 type) {
  static const u8 bytes[] = {0, 1, 1, 1, 2, 2, 4, 4, 8, 8, 4, 8};
  return type < sizeof bytes ? bytes[type] : 0;
}

INLINE u32 sparsity_of(const Reader *r) { return r->h.sparsity_iso_csc >> 2; }
INLINE u32 iso_of(const Reader *r) { return r->h.sparsity_iso_csc >> 1 & 1; }
INLINE u32 by_column(const Reader *r) { return r->h.sparsity_iso_csc & 1; }
INLINE u32 type_of(const Reader *r) { return r->h.type_code & 15; }
INLINE u32 Ai64(const Reader *r) { return !(r->h.type_code >> 4 & 1); }
INLINE u32 Ah64(const Reader *r) { return !(r->h.type_code >> 8 & 1); }
INLINE u32 Ap64(const Reader *r) { return !(r->h.type_code >> 12 & 1); }

/* The sizes of the arrays follow from the rest of the header. Sets *nvals to the number of stored places. */
static Info check_sizes(Reader *r, u64 *nvals) {
  const BlobHeader *h = &r->h;
  u32 sparsity = sparsity_of(r);
  u64 places;
  if (sparsity == HYPERSPARSE || sparsity == SPARSE) {
    if (h->nvec > h->vdim || h->bytes[IN_AP] / width(Ap64(r)) != h->nvec + 1 ||
        h->bytes[IN_AP] % width(Ap64(r)))
      return damaged("the size of Ap is not that of nvec + 1 pointers");
    if (sparsity == HYPERSPARSE && h->bytes[IN_AH] != h->nvec * width(Ah64(r)))
      return damaged("the size of Ah is not that of nvec indices");
    if (sparsity == SPARSE && h->nvec != h->vdim)
      return damaged("a sparse matrix has fewer vectors than its dimension");
    if (h->bytes[IN_AI] % width(Ai64(r))) return damaged("the size of Ai is not that of whole indices");
    places = h->bytes[IN_AI] / width(Ai64(r));
  } else if (sparsity == FULL || sparsity == BITMAP) {
    if (h->vlen > UINT32_MAX || h->vdim > UINT32_MAX || h->vlen * h->vdim > UINT32_MAX / 8)
      return fail(NOT_IMPLEMENTED, "a full or bitmap matrix of this size is not read; make it sparse first");
    places = h->vlen * h->vdim;
    if (sparsity == BITMAP && h->bytes[IN_AB] != places)
      return damaged("the size of Ab is not that of the matrix");
    if (sparsity == FULL && iso_of(r) && places > ISO_FULL_MAX)
      return fail(NOT_IMPLEMENTED, "a full iso-valued matrix of this size is not read; make it sparse first");
  } else {
    return damaged("the sparsity format is unknown");
  }
  u64 values = iso_of(r) ? 1 : places;
  if (h->bytes[IN_AX] != values * h->type_bytes && (places || h->bytes[IN_AX]))
    return damaged("the size of Ax is not that of the values");
  if (places > UINT32_MAX / 8) return fail_memory();
  *nvals = places;
  return OK;
}

static Info check_header(Reader *r, u64 size) {
  BlobHeader *h = &r->h;
  u32 type = type_of(r);
  if (size < sizeof *h) return damaged("the blob is shorter than its header");
  if (h->blob_bytes != size) return damaged("the blob's length is not the one in its header");
  if (h->type_code >> 16 || (h->type_code & 0xeee0)) return damaged("the type code is unknown");
  if (type > (r->stored ? T_FP64 : T_UINT64) && type <= 14)
    return fail(DOMAIN_MISMATCH, r->stored ? "complex and user-defined types are not read"
                                           : "only matrices of BOOL, INT and UINT types are read");
  if (!type_bytes(type)) return damaged("the type code is unknown");
  if (h->type_bytes != type_bytes(type)) return damaged("the size of the type is not that of its code");
  if (!h->vlen || !h->vdim || h->vlen > GB_INDEX_MAX || h->vdim > GB_INDEX_MAX)
    return damaged("a dimension is 0 or beyond 2^60");
  if (h->sparsity_iso_csc >> 6) return damaged("the sparsity format is unknown");
  return OK;
}

/* Value k as the bits of UINT64, INT64 or FP64; *negative collects whether an integer was below 0. */
INLINE u64 value_at(const void *X, u32 type, size_t k, u64 *negative) {
  i64 x;
  switch (type) {
    case T_BOOL: return ((const u8 *)X)[k] != 0;
    case T_INT8: x = ((const int8_t *)X)[k]; break;
    case T_UINT8: return ((const u8 *)X)[k];
    case T_INT16: x = ((const int16_t *)X)[k]; break;
    case T_UINT16: return ((const u16 *)X)[k];
    case T_INT32: x = ((const i32 *)X)[k]; break;
    case T_UINT32: return ((const u32 *)X)[k];
    case T_INT64: x = ((const i64 *)X)[k]; break;
    case T_FP32: return as_bits(((const float *)X)[k]);
    default: return ((const u64 *)X)[k];
  }
  *negative |= x < 0;
  return (u64)x;
}

/* The type that a blob's becomes: the smallest of ours that holds it; or an unsigned one. */
static Type held_as(const Reader *r) {
  switch (type_of(r)) {
    case T_BOOL: return r->stored ? T_BOOL : T_UINT32;
    case T_INT8:
    case T_INT16:
    case T_INT32: return r->stored ? T_INT64 : T_UINT32;
    case T_INT64: return r->stored ? T_INT64 : T_UINT64;
    case T_UINT64: return T_UINT64;
    case T_FP32:
    case T_FP64: return T_FP64;
    default: return T_UINT32;
  }
}

/* Decodes the values, in the order of the blob, `count` of them (iso: one, repeated), to X. */
static Info read_values(Reader *r, void *X, u32 count) {
  u32 type = type_of(r), x64 = type64(held_as(r)),
      as_is = !iso_of(r) && type != T_BOOL && type_bytes(type) == width(x64) && (type != T_INT64 || r->stored) &&
              type != T_INT32 && type != T_FP32;
  u64 negative = 0;
  Info info = decode(r, IN_AX, as_is ? X : NULL);
  if (info || as_is) return info;
  const void *from = r->array[IN_AX];
  if (count && iso_of(r)) {
    u64 one = value_at(from, type, 0, &negative);
    for (u32 k = 0; k < count; k++) put(X, x64, k, one);
  } else {
    for (u32 k = 0; k < count; k++) put(X, x64, k, value_at(from, type, k, &negative));
  }
  return negative && !r->stored ? fail(DOMAIN_MISMATCH, "a value is negative; only non-negative ones are read")
                                : OK;
}

/*
 * The pattern of a by-row blob. Rows without entries are left out. *jumbled is set, and the pattern is not to
 * be used, where columns are not increasing in a row: SuiteSparse may store rows in any order.
 */
INLINE Info convert_rows(const Reader *r, Pattern *P, u32 p64, u32 h64, u32 i64_, u32 wide, int *jumbled) {
  const BlobHeader *h = &r->h;
  int hyper = sparsity_of(r) == HYPERSPARSE;
  u64 start = 0, previous_row = 0, over = 0, disorder = 0;
  u32 nvec = 0;
  if (get(r->array[IN_AP], p64, 0)) return damaged("Ap does not start at 0");
  for (u64 k = 0; k < h->nvec; k++) {
    u64 end = get(r->array[IN_AP], p64, (size_t)k + 1),
        row = hyper ? get(r->array[IN_AH], h64, (size_t)k) : k;
    if (end < start || end > P->nvals) return damaged("Ap is not increasing up to the number of entries");
    if (row >= h->vdim || (k && row <= previous_row))
      return damaged("Ah is not increasing below the dimension");
    previous_row = row;
    if (end == start) continue;
    u64 previous = get(r->array[IN_AI], i64_, (size_t)start);
    over |= previous >= h->vlen;
    put(P->Aj, wide, (size_t)start, previous);
    for (u64 p = start + 1; p < end; p++) {
      u64 column = get(r->array[IN_AI], i64_, (size_t)p);
      over |= column >= h->vlen;
      disorder |= column <= previous;
      put(P->Aj, wide, (size_t)p, column);
      previous = column;
    }
    put(P->Ah, wide, nvec++, row);
    P->Ap[nvec] = (u32)end;
    start = end;
  }
  if (start != P->nvals) return damaged("Ap does not end at the number of entries");
  if (over) return damaged("Ai holds an index beyond the dimension");
  *jumbled = disorder != 0;
  pattern_trim(P, nvec, P->nvals);
  return OK;
}

static Info convert_any(const Reader *r, Pattern *P, int *jumbled) {
  u32 p = Ap64(r), h = Ah64(r), i = Ai64(r);
  if (p && h && i)
    return P->wide ? convert_rows(r, P, 1, 1, 1, 1, jumbled) : convert_rows(r, P, 1, 1, 1, 0, jumbled);
  if (!p && !h && !i)
    return P->wide ? convert_rows(r, P, 0, 0, 0, 1, jumbled) : convert_rows(r, P, 0, 0, 0, 0, jumbled);
  return convert_rows(r, P, p, h, i, P->wide, jumbled);
}

/* Sparse and hypersparse blobs; the pattern is that of the vectors, rows or columns as they may be. */
static Info read_vectors(Reader *r, u32 nvals, Matrix **out, int *jumbled) {
  Pattern *P;
  u64 nvec = r->h.nvec < nvals ? r->h.nvec : nvals;
  Info info = pattern_new(&P, r->h.vdim, r->h.vlen, nvec, nvals);
  if (info) return info;
  if (!(info = convert_any(r, P, jumbled)) && !(info = matrix_new(out, P, held_as(r)))) {
    if ((info = read_values(r, (*out)->Ax, nvals))) gb_matrix_free(*out);
  }
  pattern_release(P);
  return info;
}

/* Entries of A, whose rows may be jumbled, in order; its rows become columns if `transpose`. A is freed. */
static Info reorder(Matrix *A, int transpose, Matrix **out) {
  Pattern *P = A->pattern;
  u32 n = P->nvals;
  u64 *I = heap_allocate((u64)n * 8), *J = heap_allocate((u64)n * 8);
  Info info = I && J ? OK : fail_memory();
  if (!info) {
    gb_matrix_rows(A, I);
    for (u32 k = 0; k < n; k++) J[k] = get(P->Aj, P->wide, k);
    u64 *rows = transpose ? J : I, *columns = transpose ? I : J, nrows = transpose ? P->ncols : P->nrows;
    info =
        build_tuples(out, A->type, nrows, transpose ? P->nrows : P->ncols, rows, columns, A->Ax, n, OP_NONE);
    if (info == INVALID_VALUE) info = damaged("an entry is there twice");
  }
  heap_free(I), heap_free(J);
  gb_matrix_free(A);
  return info;
}

/* Bitmap and full blobs: place k is vector k / vlen, position k % vlen. */
static Info read_places(Reader *r, u32 places, Matrix **out) {
  const u8 *present = sparsity_of(r) == BITMAP ? r->array[IN_AB] : NULL;
  Type type = held_as(r);
  u32 x64 = type64(type), n = 0, vlen = (u32)r->h.vlen;
  u64 *I = heap_allocate((u64)places * 8), *J = heap_allocate((u64)places * 8);
  void *X = heap_allocate((u64)places * width(x64));
  Info info = I && J && X ? read_values(r, X, places) : fail_memory();
  if (!info) {
    for (u32 k = 0; k < places; k++) {
      if (present && !present[k]) continue;
      I[n] = by_column(r) ? k % vlen : k / vlen;
      J[n] = by_column(r) ? k / vlen : k % vlen;
      put(X, x64, n++, get(X, x64, k));
    }
    u64 nrows = by_column(r) ? vlen : r->h.vdim, ncols = by_column(r) ? r->h.vdim : vlen;
    info = build_tuples(out, type, nrows, ncols, I, J, X, n, OP_NONE);
  }
  heap_free(I), heap_free(J), heap_free(X);
  return info;
}

static Info read_blob(Reader *r, u64 size, Matrix **out) {
  u64 nvals;
  Info info = check_header(r, size);
  if (!info) info = check_sizes(r, &nvals);
  if (!info) info = locate(r, size);
  u32 vectors = sparsity_of(r) <= SPARSE;
  for (u32 k = 0; k < SECTIONS && !info; k++) {
    int needed = k == IN_AB ? sparsity_of(r) == BITMAP
                            : k != IN_AX && vectors && (k != IN_AH || sparsity_of(r) == HYPERSPARSE);
    if (needed) info = decode(r, k, NULL);
  }
  if (info) return info;
  if (!vectors) return read_places(r, (u32)nvals, out);
  int jumbled = 0;
  if (r->sorted && by_column(r)) return damaged("it is stored by column");
  if ((info = read_vectors(r, (u32)nvals, out, &jumbled))) return info;
  if (r->sorted && jumbled) {
    gb_matrix_free(*out);
    return damaged("the columns of a row are not increasing");
  }
  return jumbled || by_column(r) ? reorder(*out, (int)by_column(r), out) : OK;
}

/*
 * A matrix from a blob of `size` bytes. If bit 0 of `how`, its type is kept, in the smallest of ours that holds it; else
 * types BOOL, INT and UINT of any width are read: into UINT32, those of 64 bits into UINT64. If bit 1, entries that
 * are not in order by row and column are refused instead of sorted. Result 0: the matrix.
 * INVALID_OBJECT (damaged), DOMAIN_MISMATCH (type, or negative), NOT_IMPLEMENTED (large full matrices),
 * OUT_OF_MEMORY.
 */
Info EXPORT(gb_deserialize)(const u8 *blob, u64 size, int how) {
  Reader r = {.blob = blob, .stored = how & 1, .sorted = how >> 1 & 1};
  Matrix *A;
  memcpy(&r.h, blob, size < sizeof r.h ? (size_t)size : sizeof r.h);
  Info info = read_blob(&r, size, &A);
  for (u32 k = 0; k < SECTIONS; k++) heap_free(r.array[k]);
  if (!info) gb_result[0] = (uintptr_t)A;
  return info;
}
