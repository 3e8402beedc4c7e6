/* SPDX-License-Identifier: Apache-2.0 */
/* What the targets of the sandbox share: the input as a stream, and a sandbox that is set up over it. */
#ifndef SPARSEWIRE_FUZZ_H
#define SPARSEWIRE_FUZZ_H

#include <stdlib.h>
#include <string.h>

#include "../exports.h"

u8 *sw_memory;

#define REQUIRE(condition) \
  if (!(condition)) __builtin_trap()

/* The input, read from the front; zeros when it is used up. */
static const u8 *input;
static size_t input_left;

static inline u64 take(u32 bytes) {
  u64 value = 0;
  for (u32 i = 0; i < bytes && input_left > 0; i++, input_left--) value = value << 8 | *input++;
  return value;
}

/* The memory, made once and as it was afterwards from the control block up to the heap; its configuration, but for what
 * a target captures from. */
static inline struct control *configure(u32 memory_bytes, u32 heap, u32 heap_bytes, u32 log_entries, u32 budget) {
  if (sw_memory == NULL) sw_memory = aligned_alloc(65536, memory_bytes);
  memset(sw_memory + SW_CONTROL_OFFSET, 0, heap - SW_CONTROL_OFFSET);
  struct control *control = sw_control();
  control->abi_version = SW_ABI_VERSION;
  control->memory_pages = memory_bytes >> 16;
  control->heap_offset = heap;
  control->heap_bytes = heap_bytes;
  control->log_entries = log_entries;
  control->link_budget = budget;
  control->address_budget = budget;
  control->table_key = 77;
  return control;
}

/* What the sealed intervals held. */
static u64 packets_out, frames_out;

static inline void read_slot(void) {
  struct slot *slot = &sw_control()->slots[sw_control()->active_slot];
  REQUIRE(slot->state == SW_SLOT_READY);
  const struct matrix *families[2] = {&slot->v4, &slot->v6};
  for (int i = 0; i < 2; i++) {
    const u32 *packets = at(families[i]->packets);
    for (u32 link = 0; link < families[i]->nvals; link++) packets_out += packets[link];
  }
  frames_out += slot->counters[SW_COUNTER_FRAMES];
  slot->state = SW_SLOT_FREE;
}

static inline void finish_seal(void) {
  int32_t result;
  do result = seal_step(1000);
  while (result == 0);
  if (result == 1) read_slot();
}

#endif
