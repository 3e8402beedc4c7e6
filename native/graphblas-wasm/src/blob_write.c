// SPDX-License-Identifier: Apache-2.0
/* Matrices to `.grb` blobs. Planes that share a pattern compress it once. */
#include "blob.h"

#define RAW_BELOW 256u /* SuiteSparse leaves shorter arrays uncompressed */
#define BLOCK_BYTES (1u << 20) /* of a block before compression, at most: it stays in the cache */

/* One array of the blob, as it is stored. */
typedef struct {
  u64 bytes; /* uncompressed */
  i32 method;
  u32 blocks;
  u64 *ends;   /* blocks members */
  u8 *content; /* ends[blocks - 1] bytes */
} Section;

static void section_free(Section *s) {
  heap_free(s->ends);
  heap_free(s->content);
  *s = (Section){0};
}

/* Elements [first, last) of an array of u32 or u64, as bytes of the width the blob has. */
INLINE void copy_out(void *to, const void *from, u32 from64, u32 to64, u64 first, u64 last) {
  for (u64 k = first; k < last; k++) put(to, to64, (size_t)(k - first), get(from, from64, (size_t)k));
}
static void copy_any(void *to, const void *from, u32 from64, u32 to64, u64 first, u64 last) {
  if (from64)
    memcpy(to, (const u64 *)from + first, (size_t)(last - first) * 8);
  else if (to64)
    copy_out(to, from, 0, 1, first, last);
  else
    memcpy(to, (const u32 *)from + first, (size_t)(last - first) * 4);
}

/* Compresses n elements block by block; an element is stored in to64 ? 8 : 4 bytes. */
static Info section_pack(Section *s, const void *array, u64 n, u32 from64, u32 to64, int level) {
  u64 size = width(to64), capacity = 0;
  s->blocks = (u32)((s->bytes + BLOCK_BYTES - 1) / BLOCK_BYTES);
  s->method = METHOD_ZSTD + level;
  for (u32 b = 0; b < s->blocks; b++)
    capacity +=
        zstd_bound((size_t)(block_start(s->bytes, b + 1, s->blocks) - block_start(s->bytes, b, s->blocks)));
  u8 *plain = from64 == to64 ? NULL : heap_allocate(BLOCK_BYTES + 16);
  s->content = heap_allocate(capacity);
  s->ends = heap_allocate((u64)s->blocks * 8);
  if (!s->content || !s->ends || (from64 != to64 && !plain)) {
    heap_free(plain);
    return fail_memory();
  }
  size_t used = 0, written;
  Info info = OK;
  for (u32 b = 0; b < s->blocks && !info; b++) {
    u64 start = block_start(s->bytes, b, s->blocks), end = block_start(s->bytes, b + 1, s->blocks);
    const u8 *source = (const u8 *)array + start;
    if (plain) { /* a block may start within an element */
      u64 first = start / size, last = (end + size - 1) / size;
      copy_any(plain, array, from64, to64, first, last < n ? last : n);
      source = plain + (start - first * size);
    }
    info = zstd_pack(s->content + used, (size_t)capacity - used, source, (size_t)(end - start), level,
                     to64 != 0, &written);
    used += info ? 0 : written;
    s->ends[b] = used;
  }
  heap_free(plain);
  if (!info) heap_shrink(s->content, used);
  return info;
}

/* level 0: uncompressed. On failure the section is to be freed as well. */
static Info section_write(Section *s, const void *array, u64 n, u32 from64, u32 to64, int level) {
  *s = (Section){.bytes = n * width(to64), .method = METHOD_NONE};
  if (!n) return OK;
  if (level && s->bytes >= RAW_BELOW) return section_pack(s, array, n, from64, to64, level);
  s->blocks = 1;
  s->ends = heap_allocate(8);
  s->content = heap_allocate(s->bytes);
  if (!s->ends || !s->content) return fail_memory();
  s->ends[0] = s->bytes;
  copy_any(s->content, array, from64, to64, 0, n);
  return OK;
}

static Info section_write_bytes(Section *s, const u8 *array, u64 n, int level) {
  *s = (Section){.bytes = n, .method = METHOD_NONE};
  if (!n) return OK;
  u64 words = (n + 3) / 4; /* blocks are cut anywhere: a byte array may pass for one of u32 */
  if (level && n >= RAW_BELOW) return section_pack(s, array, words, 0, 0, level);
  s->blocks = 1;
  s->ends = heap_allocate(8);
  s->content = heap_allocate(n);
  if (!s->ends || !s->content) return fail_memory();
  s->ends[0] = n;
  memcpy(s->content, array, (size_t)n);
  return OK;
}

static int all_equal(const Matrix *A) {
  u32 n = A->pattern->nvals, x64 = is64(A);
  u64 first = n ? get(A->Ax, x64, 0) : 0, differ = 0;
  for (u32 k = 1; k < n && !differ;) { /* in runs, so that the usual matrix is left early */
    u32 end = n - k > 64 ? k + 64 : n;
    for (; k < end; k++) differ |= get(A->Ax, x64, k) ^ first;
  }
  return n && !differ;
}

static u8 *append(u8 *to, const void *from, u64 bytes) {
  if (bytes) memcpy(to, from, (size_t)bytes); /* an empty section has no address */
  return to + bytes;
}

/*
 * SuiteSparse has no hypersparse matrix of one vector: such a blob says sparse, with two pointers and no
 * Ah.
 */
INLINE u32 one_row(const Pattern *P) { return P->nrows == 1; }

/* The header and the sections, one after the other, in a new block. */
static Info assemble(const Matrix *A, int iso, const Section *sections, u8 **blob, u64 *bytes) {
  const Pattern *P = A->pattern;
  u32 sparse = one_row(P);
  BlobHeader h = {.type_code = A->type,
                  .version = BLOB_VERSION,
                  .vlen = P->ncols,
                  .vdim = P->nrows,
                  .nvec = sparse ? 1 : P->nvec,
                  .nvec_nonempty = P->nvec,
                  .nvals = P->nvals,
                  .type_bytes = A->type == T_BOOL ? 1 : width(is64(A)),
                  .hyper_switch = 0.0625f,
                  .bitmap_switch = 0.04f,
                  .sparsity_control = HYPERSPARSE | SPARSE | BITMAP | FULL,
                  .sparsity_iso_csc = 4 * (sparse ? SPARSE : HYPERSPARSE) + (iso ? 2 : 0),
                  .blob_bytes = sizeof(BlobHeader)};
  for (u32 k = 0; k < SECTIONS; k++) {
    const Section *s = &sections[k];
    h.bytes[k] = s->bytes;
    h.packing[k].blocks = (i32)s->blocks;
    h.packing[k].method = s->method;
    if (s->blocks) h.blob_bytes += s->blocks * 8 + s->ends[s->blocks - 1];
  }
  if (!(*blob = heap_allocate(h.blob_bytes))) return fail_memory();
  *bytes = h.blob_bytes;
  u8 *to = append(*blob, &h, sizeof h);
  for (u32 k = 0; k < SECTIONS; k++) to = append(to, sections[k].ends, sections[k].blocks * 8);
  for (u32 k = 0; k < SECTIONS; k++)
    if (sections[k].blocks) to = append(to, sections[k].content, sections[k].ends[sections[k].blocks - 1]);
  return OK;
}

/* BOOL is a byte in a blob. */
static Info write_bools(Section *s, const u32 *values, u32 n, int level) {
  u8 *plain = heap_allocate(n);
  if (!plain) return fail_memory();
  for (u32 k = 0; k < n; k++) plain[k] = (u8)values[k];
  Info info = section_write_bytes(s, plain, n, level);
  heap_free(plain);
  return info;
}

static Info write_plane(const Matrix *A, Section *sections, int level, u8 **blob, u64 *bytes) {
  int iso = all_equal(A);
  u32 n = iso ? 1 : A->pattern->nvals;
  Section *values = &sections[IN_AX];
  Info info = A->type == T_BOOL ? write_bools(values, A->Ax, n, level)
                                : section_write(values, A->Ax, n, is64(A), is64(A), level);
  if (!info) info = assemble(A, iso, sections, blob, bytes);
  section_free(values);
  return info;
}

/*
 * Blobs of planes that share one pattern. level: 0 uncompressed, 1 to 19 ZSTD. blobs[2k] and [2k + 1] become
 * address and size of the kth, to be freed with gb_free. OUT_OF_MEMORY.
 */
Info EXPORT(gb_serialize)(Matrix **planes, u32 count, int level, u64 *blobs) {
  const Pattern *P = planes[0]->pattern;
  Section sections[SECTIONS] = {{0}};
  sections[IN_AB].method = METHOD_NONE;
  const u32 whole_row[] = {0, P->nvals};
  Info info = section_write(&sections[IN_AP], one_row(P) ? whole_row : P->Ap,
                            one_row(P) ? 2 : (u64)P->nvec + 1, 0, 1, level);
  if (!info) info = section_write(&sections[IN_AH], P->Ah, one_row(P) ? 0 : P->nvec, P->wide, 1, level);
  if (!info) info = section_write(&sections[IN_AI], P->Aj, P->nvals, P->wide, 1, level);
  for (u32 k = 0; k < count && !info; k++) {
    u8 *blob;
    if ((info = write_plane(planes[k], sections, level, &blob, &blobs[2 * k + 1])))
      while (k--) heap_free((void *)(uintptr_t)blobs[2 * k]);
    else
      blobs[2 * k] = (uintptr_t)blob;
    if (info) break;
  }
  for (u32 k = 0; k < SECTIONS; k++) section_free(&sections[k]);
  return info;
}
