// SPDX-License-Identifier: Apache-2.0
/*
 * What blobs need of upstream ZSTD, with contexts that are made once and kept; and, for level 1, a match
 * finder for arrays of 64-bit indices that is faster than ZSTD's general one. Any reader of ZSTD reads what
 * it gives.
 */
#define ZSTD_STATIC_LINKING_ONLY
#include "gb.h"
#include "zstd.h"

#define MATCH_MIN 4 /* shorter ones cost more than their bytes as literals */
#define STRIDE 8u

typedef u64 __attribute__((aligned(1), may_alias)) Unaligned64;

static ZSTD_CCtx *compressor;
static ZSTD_DCtx *decompressor;

/*
 * A parse (ZSTD_sequenceProducer_F) that knows what it sees: in sorted indices, and in small values, an
 * element has its high bytes in common with the one before. So matches are 8 back, and end where bytes
 * differ: one xor an element, no hash table.
 */
static size_t parse_indices(void *state, ZSTD_Sequence *out, size_t capacity, const void *source,
                            size_t bytes, const void *dictionary, size_t dictionary_bytes, int level,
                            size_t window) {
  (void)state, (void)dictionary, (void)dictionary_bytes, (void)level, (void)window;
  if (bytes < 2 * STRIDE || capacity < bytes / STRIDE + 2) return ZSTD_SEQUENCE_PRODUCER_ERROR;
  const u8 *from = source;
  u64 previous = *(const Unaligned64 *)from;
  size_t count = 0, at = STRIDE;
  u32 literals = STRIDE, match = 0;
  for (; at + STRIDE <= bytes; at += STRIDE) {
    u64 element = *(const Unaligned64 *)(from + at), differ = element ^ previous;
    previous = element;
    if (!differ) {
      match += STRIDE;
      continue;
    }
    u32 head = (u32)__builtin_ctzll(differ) >> 3, tail = (u32)__builtin_clzll(differ) >> 3;
    match += head;
    if (match >= MATCH_MIN) {
      out[count++] = (ZSTD_Sequence){STRIDE, literals, match, 0};
      literals = 0;
    } else {
      literals += match;
    }
    literals += STRIDE - head - tail;
    match = tail;
  }
  if (match >= MATCH_MIN) {
    out[count++] = (ZSTD_Sequence){STRIDE, literals, match, 0};
    literals = 0;
    match = 0;
  }
  out[count++] = (ZSTD_Sequence){0, literals + match + (u32)(bytes - at), 0, 0};
  return count;
}

size_t zstd_bound(size_t bytes) { return ZSTD_compressBound(bytes); }

/* Compresses to a frame; `indices` says that the bytes are 64-bit elements. OUT_OF_MEMORY. */
Info zstd_pack(void *to, size_t capacity, const void *from, size_t bytes, int level, int indices,
               size_t *written) {
  if (level == 1 && indices && (*written = zstd_pack_direct(to, capacity, from, bytes))) return OK;
  if (!compressor && !(compressor = ZSTD_createCCtx())) return fail_memory();
  ZSTD_CCtx_reset(compressor, ZSTD_reset_session_and_parameters);
  ZSTD_CCtx_setParameter(compressor, ZSTD_c_compressionLevel, level);
  if (level == 1)
    ZSTD_CCtx_setParameter(compressor, ZSTD_c_blockSplitterLevel, 1); /* no search for split points */
  if (level == 1 && indices) {
    ZSTD_registerSequenceProducer(compressor, NULL, parse_indices);
    ZSTD_CCtx_setParameter(compressor, ZSTD_c_enableSeqProducerFallback, 1);
    ZSTD_CCtx_setParameter(compressor, ZSTD_c_repcodeResolution,
                           ZSTD_ps_enable); /* else each "8 back" costs 3 bits */
  }
  *written = ZSTD_compress2(compressor, to, capacity, from, bytes);
  return ZSTD_isError(*written) ? fail_memory() : OK; /* with this capacity only an allocation can fail */
}

/* 1 if the frames at `from` hold exactly `bytes` bytes. */
int zstd_unpack(void *to, size_t bytes, const void *from, size_t packed) {
  if (zstd_unpack_direct(to, bytes, from, packed)) return 1;
  if (!decompressor && !(decompressor = ZSTD_createDCtx())) return 0;
  return ZSTD_decompressDCtx(decompressor, to, bytes, from, packed) == bytes;
}

/* Frees the contexts, so that memory in use is that of matrices alone. */
void EXPORT(gb_zstd_release)(void) {
  ZSTD_freeCCtx(compressor);
  ZSTD_freeDCtx(decompressor);
  compressor = NULL;
  decompressor = NULL;
}
