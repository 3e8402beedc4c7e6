// SPDX-License-Identifier: Apache-2.0
/*
 * LZ4 block decoding (both LZ4 and LZ4HC write this format; lz4_Block_format.md of the LZ4 project). Every
 * length is checked against both ends before a byte moves.
 */
#include "gb.h"

typedef struct {
  const u8 *at, *end;
} Input;

/* A length whose 4-bit part was 15 goes on in bytes until one is not 255; 0 if the input ends. */
static int more_length(Input *in, size_t *length) {
  u8 byte;
  do {
    if (in->at == in->end) return 0;
    byte = *in->at++;
    *length += byte;
  } while (byte == 255);
  return 1;
}

static void copy_match(u8 *to, size_t offset, size_t length) {
  const u8 *from = to - offset;
  if (offset >= length)
    memcpy(to, from, length);
  else if (offset == 1)
    memset(to, *from, length);
  else
    while (length--) *to++ = *from++; /* overlapping: the copy repeats itself */
}

/* 1 if `packed` bytes of LZ4 at `from` decode to exactly `bytes` bytes. */
int lz4_unpack(void *to, size_t bytes, const void *from, size_t packed) {
  Input in = {from, (const u8 *)from + packed};
  u8 *const start = to, *out = to, *const end = out + bytes;
  while (in.at < in.end) {
    u8 token = *in.at++;
    size_t literals = token >> 4, match = token & 15;
    if (literals == 15 && !more_length(&in, &literals)) return 0;
    if (literals > (size_t)(in.end - in.at) || literals > (size_t)(end - out)) return 0;
    memcpy(out, in.at, literals);
    out += literals;
    in.at += literals;
    if (in.at == in.end) return out == end; /* the last sequence is literals only */
    if (in.end - in.at < 2) return 0;
    size_t offset = in.at[0] | (size_t)in.at[1] << 8;
    in.at += 2;
    if (match == 15 && !more_length(&in, &match)) return 0;
    match += 4;
    if (!offset || offset > (size_t)(out - start) || match > (size_t)(end - out)) return 0;
    copy_match(out, offset, match);
    out += match;
  }
  return 0;
}
