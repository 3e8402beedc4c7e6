/* SPDX-License-Identifier: Apache-2.0 */
/*
 * libFuzzer target of the live path: an input is a list of things a kernel and a host may do, honest or not. The UMEM
 * ends where the memory ends, so that one byte read too far is a fault. At the end everything is sealed, and packets
 * in must be packets out.
 */
#include "fuzz.h"


enum {
  CHUNKS = 32,
  CHUNK_BYTES = 2048,
  LOG_ENTRIES = 4096,
  BUDGET = 3000,
  RINGS = SW_CONTROL_OFFSET + 65536,
  HEAP = RINGS + 65536,
  HEAP_BYTES = 48 << 20,
  UMEM = HEAP + HEAP_BYTES,
  MEMORY_BYTES = UMEM + CHUNKS * CHUNK_BYTES,
};
_Static_assert(MEMORY_BYTES % 65536 == 0, "whole pages");

enum { RX_PRODUCER = RINGS, RX_CONSUMER = RINGS + 64, FILL_PRODUCER = RINGS + 128, FILL_CONSUMER = RINGS + 192 };
enum { RX_DESCRIPTORS = RINGS + 4096, FILL_DESCRIPTORS = RINGS + 8192 };

static void set_up(void) {
  struct control *control = configure(MEMORY_BYTES, HEAP, HEAP_BYTES, LOG_ENTRIES, BUDGET);
  control->queue_count = 1;
  control->queues[0] = (struct queue){
      .rx_producer = RX_PRODUCER, .rx_consumer = RX_CONSUMER, .rx_descriptors = RX_DESCRIPTORS, .rx_size = CHUNKS,
      .fill_producer = FILL_PRODUCER, .fill_consumer = FILL_CONSUMER, .fill_descriptors = FILL_DESCRIPTORS,
      .fill_size = CHUNKS, .umem_offset = UMEM, .umem_bytes = CHUNKS * CHUNK_BYTES, .chunk_bytes = CHUNK_BYTES,
      .link_type = (u32)take(1)};
  REQUIRE(init() == 0 && queue_start(0) == 0);
  packets_out = frames_out = 0;
}

static void put_descriptor(u64 addr, u32 len, u32 options) {
  u32 *producer = at(RX_PRODUCER);
  u8 *descriptor = (u8 *)at(RX_DESCRIPTORS) + (*producer % CHUNKS) * 16;
  memcpy(descriptor, &addr, 8);
  memcpy(descriptor + 8, &len, 4);
  memcpy(descriptor + 12, &options, 4);
  ++*producer;
}

/* A chunk from the fill ring is filled at its end and received. */
static void receive(void) {
  u32 *producer = at(FILL_PRODUCER), *consumer = at(FILL_CONSUMER);
  if (*producer == *consumer) return;
  u64 chunk = ((u64 *)at(FILL_DESCRIPTORS))[*consumer % CHUNKS];
  ++*consumer;
  u32 len = (u32)take(1), options = (u32)take(1) & 1;
  if (chunk > (CHUNKS - 1) * CHUNK_BYTES) return; /* came from a hostile descriptor: a kernel refuses it */
  u8 *frame = (u8 *)at(UMEM) + chunk + CHUNK_BYTES - len;
  for (u32 i = 0; i < len; i++) frame[i] = (u8)take(1);
  put_descriptor(chunk + CHUNK_BYTES - len, len, options);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size) {
  input = data;
  input_left = size;
  set_up();
  while (input_left > 0) {
    switch (take(1) % 8) {
      case 0: case 1: case 2: receive(); break;
      case 3: put_descriptor(take(8), (u32)take(4), (u32)take(1)); break;
      case 4: put_descriptor(take(3), (u32)take(2), (u32)take(1) & 1); break;
      case 5: breathe((u32)take(2)); break;
      case 6: finish_seal(); seal_begin(SW_SEAL_CLOCK); break;
      default: if (seal_step((u32)take(2)) == 1) read_slot(); break;
    }
  }
  breathe(~0u);
  finish_seal();
  REQUIRE(seal_begin(SW_SEAL_STOP) == 0);
  finish_seal();
  const u64 *counters = sw_control()->counters;
  REQUIRE(packets_out == counters[SW_COUNTER_PACKETS] && frames_out == counters[SW_COUNTER_FRAMES]);
  return 0;
}
