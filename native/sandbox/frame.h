/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The frame cursor: from the first byte of a frame to the outermost IP header.
 *
 * Bounds are checked before each read; a frame's captured length may be shorter than its wire length. The cursor
 * keeps no state and reads nothing but the frame, so it is tested and fuzzed alone.
 */
#ifndef SPARSEWIRE_FRAME_H
#define SPARSEWIRE_FRAME_H

#include "memory.h"

/* Link types as in the headers of capture files (LINKTYPE_, https://www.tcpdump.org/linktypes.html). */
enum {
  LINK_NULL = 0,
  LINK_ETHERNET = 1,
  LINK_RAW_BSD = 12,
  LINK_RAW_OPENBSD = 14,
  LINK_RAW = 101,
  LINK_LOOP = 108,
  LINK_SLL = 113,
  LINK_IPV4 = 228,
  LINK_IPV6 = 229,
  LINK_SLL2 = 276,
};

/* What a frame is. */
struct verdict {
  u32 reason;    /* SW_REASON_*: exactly one per frame */
  const u8 *ip;  /* SW_REASON_IPV4: its 20 bytes can be read; SW_REASON_IPV6: its 40 */
};

/* Reads `captured` bytes at p, a frame of link type `link_type`. Never reads outside p .. p + captured. */
struct verdict sw_parse(u32 link_type, const u8 *p, u32 captured);

enum { PLAIN4_BYTES = 34, PLAIN4_ADDRESSES = 26 };

/* Ethernet, IPv4 without options, an honest total length: what nearly every frame is. Needs 18 readable bytes at p;
 * captured is checked. Without a branch. */
SW_INLINE u32 sw_is_plain4(const u8 *p, u32 captured) {
  u32 is_ip = (load32(p + 12) & 0xffffff) == 0x450008, is_honest = load16be(p + 16) >= 20;
  return is_ip & is_honest & (u32)(captured >= PLAIN4_BYTES);
}

#endif
