/* SPDX-License-Identifier: Apache-2.0 */
/*
 * libFuzzer target of mode inline: two sides and a divert interface on one UMEM, and a kernel that receives, sends,
 * completes and lies as the input says. While it has told no lie, frames in = frames out + drops by name, and at the end
 * every chunk is home. The UMEM ends where the memory ends, so that one byte read too far is a fault.
 */
#include "../inline.h"
#include "fuzz.h"

u32 inline_waiting(void);
u32 inline_uncounted(u32 most);

enum {
  SIDES = 3,
  CHUNKS = 16, /* of each of the first two */
  TX = 8,
  COMPLETIONS = 2 * CHUNKS,
  CHUNK_BYTES = 2048,
  LOG_ENTRIES = 4096,
  BUDGET = 3000,
  RINGS = SW_CONTROL_OFFSET + 65536,
  SIDE_BYTES = 16384,
  HEAP = RINGS + 65536,
  HEAP_BYTES = 48 << 20,
  UMEM = HEAP + HEAP_BYTES,
  UMEM_BYTES = 2 * CHUNKS * CHUNK_BYTES,
  MEMORY_BYTES = UMEM + UMEM_BYTES,
};
_Static_assert(MEMORY_BYTES % 65536 == 0, "whole pages");
enum { RX_RING, FILL_RING, TX_RING, COMPLETION_RING };

static u32 has_lied;
static u64 frames_in[2], frames_gone;

static u32 producer_of(u32 side, u32 ring) { return RINGS + side * SIDE_BYTES + ring * 256; }
static u32 consumer_of(u32 side, u32 ring) { return producer_of(side, ring) + 64; }
static u32 entries_of(u32 side, u32 ring) { return RINGS + side * SIDE_BYTES + 4096 + ring * 1024; }
static u32 *word(u32 offset) { return at(offset); }
static u32 waiting(u32 side, u32 ring) { return *word(producer_of(side, ring)) - *word(consumer_of(side, ring)); }

static void set_up(void) {
  struct control *control = configure(MEMORY_BYTES, HEAP, HEAP_BYTES, LOG_ENTRIES, BUDGET);
  control->queue_count = SIDES;
  u32 has_divert = (u32)take(1) & 1;
  for (u32 i = 0; i < SIDES; i++) {
    struct queue *queue = &control->queues[i];
    *queue = (struct queue){
        .rx_producer = producer_of(i, RX_RING), .rx_consumer = consumer_of(i, RX_RING),
        .rx_descriptors = entries_of(i, RX_RING), .rx_size = CHUNKS,
        .fill_producer = producer_of(i, FILL_RING), .fill_consumer = consumer_of(i, FILL_RING),
        .fill_descriptors = entries_of(i, FILL_RING), .fill_size = CHUNKS,
        .tx_producer = producer_of(i, TX_RING), .tx_consumer = consumer_of(i, TX_RING),
        .tx_flags = producer_of(i, TX_RING) + 128, .tx_descriptors = entries_of(i, TX_RING), .tx_size = TX,
        .completion_producer = producer_of(i, COMPLETION_RING), .completion_consumer = consumer_of(i, COMPLETION_RING),
        .completion_descriptors = entries_of(i, COMPLETION_RING), .completion_size = COMPLETIONS,
        .umem_offset = UMEM, .umem_bytes = UMEM_BYTES, .chunk_bytes = CHUNK_BYTES, .link_type = 1, .group = 1,
        .peer = i < 2 ? 2 - i : 0, .divert = i < 2 && has_divert ? 3 : 0,
        .home_first = i < 2 ? i * CHUNKS * CHUNK_BYTES : 0, .home_bytes = i < 2 ? CHUNKS * CHUNK_BYTES : 0};
  }
  REQUIRE(init() == 0);
  for (u32 i = 0; i < SIDES; i++) REQUIRE(queue_start(i) == 0);
  has_lied = 0;
  frames_in[0] = frames_in[1] = frames_gone = 0;
}

static void put_descriptor(u32 side, u64 addr, u32 len, u32 options) {
  u32 *producer = word(producer_of(side, RX_RING));
  struct descriptor *ring = at(entries_of(side, RX_RING));
  ring[*producer % CHUNKS] = (struct descriptor){addr, len, options};
  ++*producer;
}

/* A frame of up to four buffers, each at the end of its chunk. */
static void receive(u32 side) {
  u32 buffers = 1 + (u32)(take(1) % 16 == 0 ? take(1) % 4 : 0), len = 1 + (u32)take(1);
  if (waiting(side, FILL_RING) < buffers || CHUNKS - waiting(side, RX_RING) < buffers) return;
  for (u32 i = 0; i < buffers; i++) {
    u32 *consumer = word(consumer_of(side, FILL_RING));
    u64 chunk = ((u64 *)at(entries_of(side, FILL_RING)))[*consumer % CHUNKS];
    ++*consumer;
    REQUIRE(has_lied || chunk / CHUNK_BYTES / CHUNKS == side);
    if (chunk > UMEM_BYTES - CHUNK_BYTES) return;
    u8 *frame = (u8 *)at(UMEM) + chunk + CHUNK_BYTES - len;
    for (u32 at = 0; at < len; at++) frame[at] = (u8)take(1);
    put_descriptor(side, chunk + CHUNK_BYTES - len, len, i + 1 < buffers ? CONTINUED : 0);
  }
  frames_in[side]++;
}

static void transmit(u32 side, u32 most) {
  for (u32 i = min32(most, waiting(side, TX_RING)); i > 0; i--) {
    u32 *consumer = word(consumer_of(side, TX_RING)), *producer = word(producer_of(side, COMPLETION_RING));
    struct descriptor descriptor = ((struct descriptor *)at(entries_of(side, TX_RING)))[*consumer % TX];
    ++*consumer;
    REQUIRE(has_lied ||
            (descriptor.addr < UMEM_BYTES && descriptor.len != 0 && descriptor.len <= UMEM_BYTES - descriptor.addr));
    frames_gone += !(descriptor.options & CONTINUED);
    ((u64 *)at(entries_of(side, COMPLETION_RING)))[*producer % COMPLETIONS] = descriptor.addr;
    ++*producer;
  }
}

/* What only a kernel writes, written wrongly. */
static void lie(u32 side) {
  has_lied = 1;
  switch (take(1) % 6) {
    case 0: put_descriptor(side, take(8), (u32)take(4), (u32)take(1)); break;
    case 1: put_descriptor(side, take(3), (u32)take(2), (u32)take(1) & 1); break;
    case 2: ++*word(producer_of(side, COMPLETION_RING)); break;
    case 3: *word(producer_of(side, RX_RING)) = (u32)take(4); break;
    case 4: *word(consumer_of(side, FILL_RING)) = (u32)take(4); break;
    default: *word(consumer_of(side, TX_RING)) = (u32)take(4); break;
  }
}

static void check_honest(void) {
  const struct queue *queues = sw_control()->queues;
  u64 out = 0;
  for (u32 round = 0; round < 20; round++) {
    breathe(~0u);
    finish_seal();
    seal_begin(SW_SEAL_CLOCK);
    finish_seal();
    for (u32 i = 0; i < SIDES; i++) transmit(i, ~0u);
  }
  for (u32 i = 0; i < 2; i++) {
    const struct queue *queue = &queues[i];
    u64 sent = queue->forwarded + queue->diverted;
    REQUIRE(queue->frames + queue->uncounted == frames_in[i]);
    REQUIRE(sent + queue->tx_full + queue->link_down + queue->verdict + queue->unforwardable == frames_in[i]);
    REQUIRE(waiting(i, FILL_RING) == CHUNKS);
    out += sent;
  }
  REQUIRE(out == frames_gone && inline_waiting() == 0);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size) {
  input = data;
  input_left = size;
  set_up();
  u32 may_lie = (u32)take(1) & 1;
  while (input_left > 0) {
    u32 what = (u32)take(1), side = what >> 7;
    switch (what % 10) {
      case 0: case 1: case 2: receive(side); break;
      case 3: transmit((u32)take(1) % SIDES, (u32)take(1)); break;
      case 4: case 5: breathe((u32)take(1)); break;
      case 6: inline_uncounted((u32)take(1) % 8); break;
      case 7: sw_control()->queues[take(1) % SIDES].out_down = (u32)take(1) & 1; break;
      case 8: finish_seal(); seal_begin(SW_SEAL_CLOCK); break;
      default: if (may_lie) lie(side); break;
    }
  }
  for (u32 i = 0; i < SIDES; i++) sw_control()->queues[i].out_down = 0;
  if (!has_lied) check_honest();
  else breathe(~0u);
  return 0;
}
