// SPDX-License-Identifier: Apache-2.0
/*
 * The layout of a `.grb` blob: GxB_Matrix_serialize of SuiteSparse:GraphBLAS, as versions 5.2 to 10 write it
 * (facts from its Source/serialize and from blobs of the native library).
 *
 *   header (160 bytes) | ends of the compressed blocks, u64, of Ap, Ah, Ab, Ai, Ax | the blocks of each, in
 * that order
 *
 * All little-endian, as is WebAssembly. Version 10 puts flags for 32-bit Ap, Ah and Ai in bits 4 to 15 of the
 * type code; 8.1 appends two strings, which say nothing we need.
 */
#ifndef GB_BLOB_H
#define GB_BLOB_H
#include "gb.h"

enum { IN_AP, IN_AH, IN_AB, IN_AI, IN_AX, SECTIONS };

typedef struct {
  u64 blob_bytes;
  u32 type_code;  /* bits 0-3 type, 4-7 Ai is 32 bit, 8-11 Ah, 12-15 Ap */
  i32 version;    /* (major * 1000 + minor) * 1000 + sub */
  u64 vlen, vdim; /* length and number of vectors: by row, vdim is nrows */
  u64 nvec, nvec_nonempty, nvals, type_bytes;
  u64 bytes[SECTIONS]; /* uncompressed; Ap, Ah, Ab, Ai, Ax */
  float hyper_switch, bitmap_switch;
  u32 sparsity_control;
  u32 sparsity_iso_csc; /* 4 * sparsity + 2 * iso + by column */
  struct {
    i32 blocks, method;
  } packing[SECTIONS];
} BlobHeader;
_Static_assert(sizeof(BlobHeader) == 160, "the header has no padding");

#define BLOB_VERSION 7004000 /* what we write: 64-bit indices, no strings; every later version reads it */
#define METHOD_NONE (-1)
#define METHOD_LZ4 1000
#define METHOD_LZ4HC 2000
#define METHOD_ZSTD 3000
#define HYPERSPARSE 1u
#define SPARSE 2u
#define BITMAP 4u
#define FULL 8u

/*
 * Where block `block` of `blocks` starts in an array of `bytes`: SuiteSparse computes it in doubles, and
 * so * must we.
 */
INLINE u64 block_start(u64 bytes, u32 block, u32 blocks) {
  return block == blocks ? bytes : (u64)((double)block * (double)bytes / (double)blocks);
}
#endif
