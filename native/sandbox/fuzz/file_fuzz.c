/* SPDX-License-Identifier: Apache-2.0 */
/*
 * libFuzzer target of the capture file reader.
 *
 * The first bytes of an input choose the buffer, the windows and how the rest, the file, is cut into calls. The
 * bytes at hand always end where the memory ends, so that one byte read too many is a fault. Each file is read twice,
 * in pieces and at once: both must find the same.
 */
#include <stdlib.h>
#include <string.h>

#include "../exports.h"
#include "../file.h"

__attribute__((weak)) u8 *sw_memory;
u32 file_feed(u32 available, u32 eof);
void file_open(void);
u32 file_pending(void);

enum {
  MEMORY_PAGES = 1024,
  HEAP_OFFSET = SW_CONTROL_OFFSET + 65536,
  LOG_ENTRIES = 4096,
  BUDGET = 8192,
  FILE_BYTES_MAX = 1 << 20,
};

#define REQUIRE(condition) \
  if (!(condition)) __builtin_trap()

struct outcome {
  u64 records, offset, frame_bytes, packets, late, seals;
  u32 damage;
};

static void set_up(void) {
  if (sw_memory != NULL) return;
  sw_memory = aligned_alloc(65536, (size_t)MEMORY_PAGES << 16);
  memset(sw_memory, 0, HEAP_OFFSET);
  struct control *control = sw_control();
  control->abi_version = SW_ABI_VERSION;
  control->memory_pages = MEMORY_PAGES;
  control->heap_offset = HEAP_OFFSET;
  control->heap_bytes = (MEMORY_PAGES << 16) - HEAP_OFFSET - FILE_BYTES_MAX;
  control->log_entries = LOG_ENTRIES;
  control->link_budget = BUDGET;
  control->address_budget = BUDGET;
  control->table_key = 1;
  REQUIRE(init() == 0);
}

static void seal(struct outcome *outcome) {
  struct control *control = sw_control();
  REQUIRE(seal_begin(control->seal_needed) == 0);
  while (seal_step(1 << 20) == 0) continue;
  struct slot *slot = &control->slots[control->active_slot];
  REQUIRE(slot->state == SW_SLOT_READY && slot->end_ns > slot->start_ns);
  u64 frames = 0;
  for (u32 reason = 0; reason < SW_REASON_COUNT; reason++) frames += slot->counters[reason];
  REQUIRE(frames == slot->counters[SW_COUNTER_FRAMES] && frames != 0);
  outcome->frame_bytes += slot->counters[SW_COUNTER_FRAME_BYTES];
  outcome->packets += slot->counters[SW_COUNTER_PACKETS];
  outcome->late += slot->counters[SW_COUNTER_LATE];
  outcome->seals++;
  slot->state = SW_SLOT_FREE;
}

/* Reads a file through a buffer, `piece` bytes at a time. */
static struct outcome read_file(const u8 *file, u32 size, u32 buffer_bytes, u32 piece) {
  struct control *control = sw_control();
  struct outcome outcome = {0};
  u32 done = 0, held = 0;
  control->file_buffer_bytes = buffer_bytes;
  file_open();
  for (;;) {
    control->file_buffer = (MEMORY_PAGES << 16) - held;
    memcpy(at(control->file_buffer), file + done, held);
    u32 consumed = file_feed(held, done + held == size);
    REQUIRE(consumed <= held);
    done += consumed;
    held -= consumed;
    u32 status = control->file_status;
    if (status == SW_FILE_DAMAGED || status == SW_FILE_DONE) break;
    if (status != SW_FILE_NEED_MORE) {
      seal(&outcome);
      continue;
    }
    REQUIRE(done + held < size && held < buffer_bytes);
    held += min32(piece, min32(buffer_bytes - held, size - done - held));
  }
  if (file_pending()) seal(&outcome);
  REQUIRE(control->file_status == SW_FILE_DAMAGED || done == size);
  REQUIRE((control->file_status == SW_FILE_DAMAGED) == (control->file_damage != SW_DAMAGE_NONE));
  outcome.records = control->file_records;
  outcome.offset = control->file_offset;
  outcome.damage = control->file_damage;
  return outcome;
}

int LLVMFuzzerTestOneInput(const u8 *data, size_t size) {
  enum { CHOICES = 4 };
  if (size < CHOICES || size > FILE_BYTES_MAX) return 0;
  set_up();
  static const u64 windows_ns[] = {0, 1000000000, 1000, 1, UINT64_MAX, 0, 60000000000, 0};
  struct control *control = sw_control();
  control->window_ns = windows_ns[data[0] % 8];
  control->window_packets = data[1] % 16;
  u32 buffer_bytes = BUFFER_BYTES_MIN + data[2] * 8;
  struct outcome pieces = read_file(data + CHOICES, (u32)size - CHOICES, buffer_bytes, data[3] + 1u);
  struct outcome whole = read_file(data + CHOICES, (u32)size - CHOICES, FILE_BYTES_MAX, FILE_BYTES_MAX);
  /* A record beyond the buffer keeps only its first bytes, which may make a deep stack of headers a truncated one. */
  if (size < buffer_bytes) REQUIRE(memcmp(&pieces, &whole, sizeof whole) == 0);
  REQUIRE(pieces.records == whole.records && pieces.offset == whole.offset && pieces.damage == whole.damage);
  REQUIRE(pieces.frame_bytes == whole.frame_bytes);
  return 0;
}
