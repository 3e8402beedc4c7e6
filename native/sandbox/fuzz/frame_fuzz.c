/* SPDX-License-Identifier: Apache-2.0 */
/*
 * libFuzzer target of the frame cursor: the first byte chooses the link type, the rest is the frame, copied to memory
 * of just its size so that one byte read too far is a fault. Whatever the cursor says must be borne out by the bytes.
 */
#include <stdlib.h>
#include <string.h>

#include "../frame.h"

u8 *sw_memory; /* the cursor does not use it */

#define REQUIRE(condition) \
  if (!(condition)) __builtin_trap()

static const u32 LINK_TYPES[] = {LINK_ETHERNET, LINK_RAW,  LINK_RAW_BSD, LINK_RAW_OPENBSD, LINK_IPV4, LINK_IPV6,
                                 LINK_NULL,     LINK_LOOP, LINK_SLL,     LINK_SLL2,        9999};

static void check(struct verdict verdict, const u8 *frame, size_t size) {
  REQUIRE(verdict.reason < SW_REASON_COUNT);
  int is_ip4 = verdict.reason == SW_REASON_IPV4, is_ip6 = verdict.reason == SW_REASON_IPV6;
  REQUIRE((verdict.ip != NULL) == (is_ip4 || is_ip6));
  if (verdict.ip == NULL) return;
  REQUIRE(verdict.ip >= frame && verdict.ip + (is_ip4 ? 20 : 40) <= frame + size);
  REQUIRE(verdict.ip[0] >> 4 == (is_ip4 ? 4 : 6));
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size) {
  if (size == 0) return -1;
  u32 link_type = LINK_TYPES[data[0] % (sizeof LINK_TYPES / sizeof *LINK_TYPES)];
  size_t captured = size - 1;
  u8 *frame = malloc(captured == 0 ? 1 : captured);
  if (captured != 0) memcpy(frame, data + 1, captured);
  struct verdict verdict = sw_parse(link_type, frame, (u32)captured);
  check(verdict, frame, captured);
  /* The fast path is a shortcut, never another answer. */
  if (link_type == LINK_ETHERNET && captured >= PLAIN4_BYTES && sw_is_plain4(frame, (u32)captured))
    REQUIRE(verdict.reason == SW_REASON_IPV4 && verdict.ip == frame + 14);
  free(frame);
  return 0;
}
