/* SPDX-License-Identifier: Apache-2.0 */
/*
 * init(): reads the configuration in the control block and lays the heap out. heapBytes() in lib/abi.ts computes the
 * same bound; a test holds the two together.
 */
#include "held.h"
#include "hypercsr.h"
#include "store.h"

enum { HEAP_ALIGN = 64, LOG_ENTRIES_MIN = 1 << 12 };

/* Results of init(), beside 0. */
enum { INIT_BAD_VERSION = -1, INIT_BAD_SIZES = -2, INIT_HEAP_TOO_SMALL = -3, INIT_BAD_RANGE = -4 };

#ifndef SW_NATIVE
extern u8 __heap_base;
#endif

/* Reserves count * size bytes; returns their offset. */
static u32 reserve(u64 *top, u64 count, u64 size) {
  u64 offset = *top;
  *top += (count * size + HEAP_ALIGN - 1) / HEAP_ALIGN * HEAP_ALIGN;
  return (u32)offset;
}

static struct log reserve_log(u64 *top, u32 entries) {
  /* One more: the batch loop stores first and decides then whether the packet stays. */
  u32 keys = reserve(top, (u64)entries + 1, sizeof(u64)), lengths = reserve(top, (u64)entries + 1, sizeof(u32));
  return (struct log){.keys = at(keys), .lengths = at(lengths)};
}

static struct dictionary reserve_dictionary(u64 *top, u32 capacity) {
  struct dictionary dictionary = {.table_bits = 32 - (u32)__builtin_clz(2 * capacity - 1)};
  dictionary.addresses = at(reserve(top, capacity, 16));
  dictionary.hashes = at(reserve(top, capacity, sizeof(u64)));
  dictionary.canonical = at(reserve(top, capacity, sizeof(u32)));
  dictionary.table = at(reserve(top, (u64)1 << dictionary.table_bits, sizeof(u32)));
  return dictionary;
}

static struct slot_arrays reserve_slot(u64 *top, u32 links, u32 addresses) {
  struct slot_arrays slot;
  u32 *family[2][5] = {{&slot.ap4, &slot.ah4, &slot.aj4, &slot.packets4, &slot.bytes4},
                       {&slot.ap6, &slot.ah6, &slot.aj6, &slot.packets6, &slot.bytes6}};
  for (int i = 0; i < 2; i++) {
    *family[i][0] = reserve(top, (u64)links + 1, sizeof(u64));
    *family[i][1] = reserve(top, links, sizeof(u64));
    *family[i][2] = reserve(top, links, sizeof(u64));
    *family[i][3] = reserve(top, links, sizeof(u32));
    *family[i][4] = reserve(top, links, sizeof(u64));
  }
  slot.dict = reserve(top, addresses, sizeof(struct dict_record));
  return slot;
}

/* Blocks for both intervals, both families, and the addresses while they are ranked. See run.h for the slack. */
static u32 blocks_needed(u32 links, u32 addresses, u32 log_entries) {
  u32 slack = 2 * SW_RUNS_MAX + 4 + log_entries / SW_BLOCK_LINKS;
  return 4 * (links / SW_BLOCK_LINKS + slack) + addresses / SW_BLOCK_LINKS + slack;
}

u64 store_layout(struct store *store) {
  const struct control *control = sw_control();
  u32 n = control->log_entries;
  if (!is_power_of_two(n) || n < LOG_ENTRIES_MIN || n > SW_LOG_ENTRIES_MAX) return 0;
  if (control->link_budget == 0 || control->link_budget > 1u << 27) return 0;
  if (control->address_budget == 0 || control->address_budget > 1u << 27) return 0;
  u64 top = control->heap_offset;
  store->log_entries = n;
  store->link_budget = control->link_budget;
  store->address_budget = control->address_budget;
  store->link_capacity = control->link_budget + 2 * n + SW_STAGE_PACKETS;
  store->address_capacity = control->address_budget + 2 * SW_STAGE_PACKETS;
  for (int i = 0; i < 2; i++) {
    struct interval *interval = &store->intervals[i];
    interval->log4 = reserve_log(&top, n);
    interval->log6 = reserve_log(&top, n);
    interval->dictionary = reserve_dictionary(&top, store->address_capacity);
  }
  store->scratch_keys = at(reserve(&top, n, sizeof(u64)));
  store->scratch_values = at(reserve(&top, n, sizeof(u32)));
  store->gather_keys = at(reserve(&top, n, sizeof(u64)));
  store->gather_values = at(reserve(&top, n, sizeof(u32)));
  store->ranks = at(reserve(&top, store->address_capacity, sizeof(u32)));
  store->stage_pairs = at(reserve(&top, SW_STAGE_PACKETS, 32));
  store->stage_lengths = at(reserve(&top, SW_STAGE_PACKETS, sizeof(u32)));
  for (u32 i = 0; i < SW_SLOTS; i++)
    store->slots[i] = reserve_slot(&top, store->link_capacity, store->address_capacity);
  u32 blocks = blocks_needed(store->link_capacity, store->address_capacity, n);
  store->pool_blocks = blocks;
  store->pool_next = reserve(&top, blocks, sizeof(u32));
  store->pool = reserve(&top, blocks, sizeof(struct block));
  return top - control->heap_offset;
}

/* Zeroes what must be empty at start; memory fresh from the host is zero already, a second init()'s is not. */
static void clear(struct store *store) {
  for (int i = 0; i < 2; i++) {
    struct dictionary *dictionary = &store->intervals[i].dictionary;
    u32 size = (u32)1 << dictionary->table_bits;
    for (u32 slot = 0; slot < size; slot++)
      if (dictionary->table[slot] != NO_ENTRY) dictionary->table[slot] = NO_ENTRY;
  }
  pool_init(store->pool, store->pool_next, store->pool_blocks);
}

SW_EXPORT(init) int32_t init(void) {
  struct control *control = sw_control();
  if (control->abi_version != SW_ABI_VERSION) return INIT_BAD_VERSION;
  u64 memory = (u64)control->memory_pages << 16, end = (u64)control->heap_offset + control->heap_bytes;
  u64 file_end = (u64)control->file_buffer + control->file_buffer_bytes;
  if (control->heap_offset % HEAP_ALIGN != 0 || end > memory || file_end > memory) return INIT_BAD_RANGE;
  if (control->heap_offset < SW_CONTROL_OFFSET + sizeof *control) return INIT_BAD_RANGE;
  if (control->queue_count > SW_QUEUES_MAX) return INIT_BAD_RANGE;
#ifndef SW_NATIVE
  /* The module's own data and stack end below the control block; the linker was told so, this proves it. */
  if ((u32)(uintptr_t)&__heap_base > SW_CONTROL_OFFSET || memory > (u64)__builtin_wasm_memory_size(0) << 16)
    return INIT_BAD_RANGE;
#endif
  static struct store fresh; /* too large for the stack */
  fresh = (struct store){0};
  u64 needed = store_layout(&fresh);
  if (needed == 0) return INIT_BAD_SIZES;
  if (needed > control->heap_bytes) return INIT_HEAP_TOO_SMALL;
  sw_store = fresh;
  clear(&sw_store);
  dictionary_keys();
  seal_init();
  live_init();
  if (held_init() != 0) return INIT_BAD_RANGE;
  sw_log4 = sw_store.intervals[0].log4;
  __builtin_memset(sw_counts, 0, sizeof sw_counts);
  sw_bytes4 = sw_collisions = sw_merges = 0;
  control->seal_needed = SW_SEAL_NONE;
  __builtin_memset(control->batch_histogram, 0, sizeof control->batch_histogram);
  interval_reset();
  sw_publish();
  return 0;
}
