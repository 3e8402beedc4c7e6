/* SPDX-License-Identifier: Apache-2.0 */
/*
 * libFuzzer target of mode host: an input is a list of things a kernel and a host may do to a BPF ring buffer and to the
 * table of interfaces, honest or not. The data ends where the memory ends, so that one byte read too far is a fault. At
 * the end everything is sealed, and packets in must be packets out.
 */
#include "fuzz.h"

int32_t host_start(u32 index);

enum {
  SIZE = 8192,
  LOG_ENTRIES = 4096,
  BUDGET = 3000,
  PAGES = SW_CONTROL_OFFSET + 65536,
  HEAP = PAGES + 65536,
  HEAP_BYTES = 48 << 20,
  DATA = HEAP + HEAP_BYTES + 65536 - 2 * SIZE,
  MEMORY_BYTES = DATA + 2 * SIZE,
  CONSUMER = PAGES,
  PRODUCER = PAGES + 4096,
};
_Static_assert(MEMORY_BYTES % 65536 == 0, "whole pages");

static void set_up(void) {
  struct control *control = configure(MEMORY_BYTES, HEAP, HEAP_BYTES, LOG_ENTRIES, BUDGET);
  memset(sw_memory + DATA, 0, 2 * SIZE);
  control->window_packets = take(1) * 16;
  control->host_rings[0] = (struct host_ring){.consumer = CONSUMER, .producer = PRODUCER, .data = DATA, .size = SIZE};
  REQUIRE(init() == 0 && host_start(0) == 0);
  packets_out = frames_out = 0;
}

/* A byte of data, where it is in both copies. */
static void store(u64 position, u8 value) {
  u8 *data = at(DATA);
  data[position % SIZE] = data[position % SIZE + SIZE] = value;
}

static void store_word(u64 position, u32 value) {
  for (u32 i = 0; i < 4; i++) store(position + i, (u8)(value >> 8 * i));
}

/* A record as the program makes it, or nearly. */
static void put_record(u32 word) {
  u64 *producer = at(PRODUCER), *consumer = at(CONSUMER);
  u32 stride = 8 + sizeof(struct host_record);
  if (*producer - *consumer + stride > SIZE) return;
  u64 start = *producer;
  struct host_record record = {.packets = (u32)take(1), .ifindex = (u32)take(1)};
  record.mark = (u32)take(1) & 3;
  record.bytes = record.packets * (u32)take(2);
  record.captured = (u32)take(1) | (u32)take(1) << SW_HOST_DIRECTION_SHIFT;
  u32 length = (u32)take(1) % (SW_HOST_HEAD_BYTES + 1);
  for (u32 i = 0; i < length; i++) ((u8 *)record.head)[i] = (u8)take(1);
  store_word(start, word);
  for (u32 i = 0; i < sizeof record; i++) store(start + 8 + i, ((u8 *)&record)[i]);
  *producer = start + stride;
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size) {
  input = data;
  input_left = size;
  set_up();
  while (input_left > 0) {
    struct host_interface *interface = &sw_control()->host_interfaces[take(1)];
    switch (take(1) % 10) {
      case 0: case 1: case 2: put_record(sizeof(struct host_record)); break;
      case 3: put_record((u32)take(4)); break;
      case 4: *interface = (struct host_interface){.ifindex = (u32)take(1), .link_type = (u32)take(1)}; break;
      case 5: breathe((u32)take(2)); break;
      case 6: finish_seal(); seal_begin(SW_SEAL_CLOCK); break;
      case 9:
        sw_control()->rate_mark = (u32)take(1);
        sw_control()->rate_settled = (u32)take(1);
        sw_control()->host_rings[0].rate_position = take(2);
        break;
      case 7: *(u64 *)at(take(1) & 1 ? PRODUCER : CONSUMER) = take(8); break;
      default: if (seal_step((u32)take(2)) == 1) read_slot(); break;
    }
  }
  finish_seal();
  REQUIRE(seal_begin(SW_SEAL_STOP) == 0);
  finish_seal();
  breathe(100000);
  REQUIRE(seal_begin(SW_SEAL_STOP) == 0);
  finish_seal();
  const u64 *counters = sw_control()->counters;
  REQUIRE(packets_out == counters[SW_COUNTER_PACKETS] && frames_out == counters[SW_COUNTER_FRAMES]);
  return 0;
}
