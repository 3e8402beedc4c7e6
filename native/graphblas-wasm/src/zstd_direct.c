// SPDX-License-Identifier: Apache-2.0
/*
 * A ZSTD frame written directly, for 64-bit elements whose low bytes are noise (random addresses, running sums):
 * there is nothing to be found in them, and ZSTD would take its time to say so. Every element becomes `width`
 * literal bytes and a match of the rest 8 bytes back, the same sequence over and over; sequences of one kind need no
 * bits at all (RLE tables, a repeated offset), so a block is its raw literals and a dozen bytes. Format: RFC 8878.
 *
 * What was written so is also read so: zstd_unpack_direct() knows these blocks alone, and leaves every other frame to
 * ZSTD.
 */
#include "gb.h"

#define ELEMENT 8u
#define BLOCK_ELEMENTS (128u * 1024 / ELEMENT) /* a block holds at most 128 KiB */
#define ELEMENTS_MIN 512u
#define WIDTH_MAX 5u     /* ZSTD's shortest match is 3 bytes */
#define EXCEPTION_COST 32u /* bytes of an element that has more than `width` new bytes, with the blocks around it */
#define SAMPLES 4096u

#define MODES_RLE 0x54u /* all three symbol tables hold one symbol */
#define OFFSET_REPEATED 0u
#define OFFSET_EXPLICIT 3u    /* code of offset value 8 + 3 = 11: three more bits, 011 */
#define BITS_EXPLICIT 0x0bu   /* those bits, and the mark above them */
#define BITS_NONE 0x01u       /* only the mark */

enum { RAW_BLOCK = 0, COMPRESSED_BLOCK = 2 };

typedef u64 __attribute__((aligned(1), may_alias)) Unaligned64;

typedef struct {
  u8 *at;
  u8 *last; /* header of the last block */
} Frame;

/* Bytes of `element` up to the highest that differs from `previous`. */
INLINE u32 new_bytes(u64 element, u64 previous) {
  u64 differ = element ^ previous;
  return differ ? ELEMENT - ((u32)__builtin_clzll(differ) >> 3) : 0;
}

static void put_le(Frame *f, u64 value, u32 bytes) {
  for (u32 k = 0; k < bytes; k++) *f->at++ = (u8)(value >> 8 * k);
}

static void open_block(Frame *f) {
  f->last = f->at;
  f->at += 3;
}

static void close_block(Frame *f, u32 type) {
  u32 header = type << 1 | (u32)(f->at - f->last - 3) << 3;
  f->last[0] = (u8)header, f->last[1] = (u8)(header >> 8), f->last[2] = (u8)(header >> 16);
}

static void raw_element(Frame *f, u64 element) {
  open_block(f);
  put_le(f, element, ELEMENT);
  close_block(f, RAW_BLOCK);
}

/* `count` elements of `width` literals each, the rest as it was 8 bytes before. */
static void sequence_block(Frame *f, const u64 *from, u32 count, u32 width, u32 offset_code) {
  open_block(f);
  put_le(f, 3u << 2 | (u64)(count * width) << 4, 3); /* raw literals, 20 bits of size */
  for (u32 k = 0; k < count; k++, f->at += width) *(Unaligned64 *)f->at = from[k];
  if (count < 128) put_le(f, count, 1);
  else put_le(f, (count >> 8) + 128 | (count & 255) << 8, 2);
  put_le(f, MODES_RLE, 1);
  put_le(f, width, 1);               /* literal length: codes up to 15 are lengths */
  put_le(f, offset_code, 1);
  put_le(f, ELEMENT - width - 3, 1); /* match length less 3 */
  put_le(f, offset_code == OFFSET_EXPLICIT ? BITS_EXPLICIT : BITS_NONE, 1);
  close_block(f, COMPRESSED_BLOCK);
}

/* The cheapest number of literal bytes; *cost becomes the frame's size, at most. */
static u32 choose_width(const u64 *from, u32 n, u64 *cost) {
  u32 counts[ELEMENT + 1] = {0}, width = 1;
  for (u32 k = 1; k < n; k++) counts[new_bytes(from[k], from[k - 1])]++;
  *cost = ~0ull;
  for (u32 w = 1; w <= WIDTH_MAX; w++) {
    u64 exceptions = 0;
    for (u32 more = w + 1; more <= ELEMENT; more++) exceptions += counts[more];
    u64 bytes = (u64)n * w + exceptions * EXCEPTION_COST + (n / BLOCK_ELEMENTS + 4) * EXCEPTION_COST;
    if (bytes < *cost) *cost = bytes, width = w;
  }
  return width;
}

/* Whether the literals are noise: byte values about equally frequent, so that a Huffman code would save nothing. */
static int is_noise(const u64 *from, u32 n, u32 width) {
  u32 counts[256] = {0}, step = n / SAMPLES + 1, samples = 0;
  for (u32 k = 0; k < n; k += step)
    for (u32 byte = 0; byte < width; byte++, samples++) counts[(u8)(from[k] >> 8 * byte)]++;
  u64 squares = 0;
  for (u32 v = 0; v < 256; v++) squares += (u64)counts[v] * counts[v];
  return squares * 256 < (u64)samples * samples * 5 / 4 + (u64)samples * 256;
}

/* Writes a frame of the elements; 0 where ZSTD itself does better, or `capacity` might not do. */
size_t zstd_pack_direct(void *to, size_t capacity, const void *source, size_t bytes) {
  if (bytes % ELEMENT || bytes / ELEMENT < ELEMENTS_MIN || bytes > UINT32_MAX) return 0;
  const u64 *from = source;
  u32 n = (u32)(bytes / ELEMENT);
  u64 cost;
  u32 width = choose_width(from, n, &cost);
  if (cost > capacity || cost > bytes * 3 / 4 || !is_noise(from, n, width)) return 0;
  Frame f = {to, 0};
  put_le(&f, 0xfd2fb528u, 4);
  put_le(&f, 0xa0, 1); /* a single segment, whose size follows in 4 bytes */
  put_le(&f, bytes, 4);
  raw_element(&f, from[0]);
  for (u32 k = 1, is_repeated = 0; k < n;) {
    u32 end = k, most = is_repeated ? BLOCK_ELEMENTS : 1;
    while (end < n && end - k < most && new_bytes(from[end], from[end - 1]) <= width) end++;
    if (end == k) {
      raw_element(&f, from[k++]);
      continue;
    }
    sequence_block(&f, from + k, end - k, width, is_repeated ? OFFSET_REPEATED : OFFSET_EXPLICIT);
    is_repeated = 1;
    k = end;
  }
  f.last[0] |= 1; /* the last block */
  return (size_t)(f.at - (u8 *)to);
}

typedef struct {
  const u8 *at, *end;
  u64 *to, *to_end;
  u32 has_offset; /* a block has set the repeated offset to 8 */
} Unpacking;

static u32 get_le(const u8 *p, u32 bytes) {
  u32 value = 0;
  for (u32 k = 0; k < bytes; k++) value |= (u32)p[k] << 8 * k;
  return value;
}

/* A block of sequences, `size` bytes at u->at. 0 if it is not one of ours. */
static int unpack_sequences(Unpacking *u, u32 size) {
  if (size < 3 + 7) return 0;
  u32 head = get_le(u->at, 3), literals = head >> 4, left = size - 3;
  if ((head & 15) != 3 << 2 || literals + 6 > left) return 0;
  const u8 *from = u->at + 3, *codes = from + literals;
  u32 count = codes[0], wide = count >= 128;
  if (literals + 6 + wide != left || count == 255) return 0;
  if (wide) count = (count - 128) << 8 | codes[1];
  codes += 1 + wide;
  u32 bytes = codes[1], offset = codes[2], expected = u->has_offset ? OFFSET_REPEATED : OFFSET_EXPLICIT;
  if (codes[0] != MODES_RLE || !bytes || bytes > WIDTH_MAX || offset != expected ||
      codes[3] != ELEMENT - bytes - 3 || codes[4] != (u->has_offset ? BITS_NONE : BITS_EXPLICIT))
    return 0;
  if (!count || literals != count * bytes || count > (size_t)(u->to_end - u->to)) return 0;
  u64 mask = (1ull << 8 * bytes) - 1, high = u->to[-1] & ~mask, last = 0;
  u64 *to = u->to;
  for (u32 k = 0; k + 1 < count; k++, from += bytes) to[k] = (*(const Unaligned64 *)from & mask) | high;
  for (u32 k = 0; k < bytes; k++) last |= (u64)from[k] << 8 * k; /* 8 bytes there might leave the blob */
  to[count - 1] = last | high;
  u->to += count;
  u->has_offset = 1;
  return 1;
}

/* The elements of a frame that zstd_pack_direct() wrote, exactly `bytes` of them. 0: another frame; `to` may be
 * written in part then. */
int zstd_unpack_direct(void *to, size_t bytes, const u8 *from, size_t packed) {
  if (packed < 9 + 3 + ELEMENT || bytes % ELEMENT || bytes > UINT32_MAX || (uintptr_t)to % ELEMENT) return 0;
  if (get_le(from, 4) != 0xfd2fb528u || from[4] != 0xa0 || get_le(from + 5, 4) != bytes) return 0;
  Unpacking u = {from + 9, from + packed, to, (u64 *)to + bytes / ELEMENT, 0};
  for (u32 is_last = 0, is_first = 1; !is_last; is_first = 0) {
    if (u.end - u.at < 3) return 0;
    u32 head = get_le(u.at, 3), type = head >> 1 & 3, size = head >> 3;
    is_last = head & 1;
    u.at += 3;
    if (size > (size_t)(u.end - u.at)) return 0;
    if (type == RAW_BLOCK && size == ELEMENT && u.to < u.to_end) *u.to++ = *(const Unaligned64 *)u.at;
    else if (is_first || type != COMPRESSED_BLOCK || !unpack_sequences(&u, size)) return 0;
    u.at += size;
  }
  return u.at == u.end && u.to == u.to_end;
}
