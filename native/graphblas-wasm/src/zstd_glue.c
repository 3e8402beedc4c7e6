/* The two calls of upstream ZSTD that blobs need, with contexts that are made once and kept. */
#define ZSTD_STATIC_LINKING_ONLY
#include "gb.h"
#include "zstd.h"

static ZSTD_CCtx *compressor;
static ZSTD_DCtx *decompressor;

size_t zstd_bound(size_t bytes) { return ZSTD_compressBound(bytes); }

Info zstd_pack(void *to, size_t capacity, const void *from, size_t bytes, int level, size_t *written) {
  if (!compressor && !(compressor = ZSTD_createCCtx())) return fail_memory();
  *written = ZSTD_compressCCtx(compressor, to, capacity, from, bytes, level);
  return ZSTD_isError(*written) ? fail_memory() : OK; /* with this capacity only an allocation can fail */
}

/* 1 if the frames at `from` hold exactly `bytes` bytes. */
int zstd_unpack(void *to, size_t bytes, const void *from, size_t packed) {
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
