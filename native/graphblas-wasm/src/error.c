// SPDX-License-Identifier: Apache-2.0
/* The error and result registers: one small place that the host reads after each call. */
#include "gb.h"

u64 gb_result[16];
static const char *reason = "";
static u32 reason_length;

Info fail(Info info, const char *text) {
  reason = text;
  for (reason_length = 0; text[reason_length]; reason_length++) {}
  return info;
}

Info fail_memory(void) { return fail(OUT_OF_MEMORY, "the linear memory's limit is reached"); }

/* Where results are: an array of 16 u64. */
u64 *EXPORT(gb_result_at)(void) { return gb_result; }
const char *EXPORT(gb_reason_at)(void) { return reason; }
u32 EXPORT(gb_reason_length)(void) { return reason_length; }
