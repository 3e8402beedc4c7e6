/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Where the frames of the new rate begin in each RX ring.
 *
 * The program marks them in their metadata, the 4 bytes ahead of the frame (bpf/shed.h); a mark is random and used once,
 * so neither what a chunk held before nor a frame's own bytes can look like one. A driver without metadata leaves no
 * marks, and a queue without traffic has no frame: the host therefore reads every ring's producer index a little after
 * the change, when no frame of the old rate can be under way any more, and from that index on all frames are new.
 */
#include "rate.h"

#include "host.h"

enum { MARK_BYTES = 4 };

u32 sw_rate_mark;
static u32 done_mark; /* of the last change that was made */

void rate_init(void) { sw_rate_mark = done_mark = 0; }

static u32 host_mark(void) { return __atomic_load_n(&sw_control()->rate_mark, __ATOMIC_ACQUIRE); }

void rate_look(void) {
  u32 mark = host_mark();
  sw_rate_mark = mark == done_mark ? 0 : mark;
  __atomic_store_n(&sw_control()->rate_seen, mark, __ATOMIC_RELEASE);
}

void rate_switch(void) {
  done_mark = host_mark();
  sw_rate_mark = 0;
  __atomic_store_n(&sw_control()->rate_reached, 0, __ATOMIC_RELEASE);
}

static int is_marked(const struct source *source, const struct descriptor *descriptor) {
  u64 addr = descriptor->addr;
  if (addr > source->umem_bytes || (addr & source->chunk_mask) < MARK_BYTES) return 0;
  return load32(source->umem + addr - MARK_BYTES) == sw_rate_mark;
}

/* Whether every frame from index `rx` on is known to be of the new rate. */
static int is_settled(const struct source *source, u32 rx) {
  struct control *control = sw_control();
  if (__atomic_load_n(&control->rate_settled, __ATOMIC_ACQUIRE) != sw_rate_mark) return 0;
  return (int32_t)(rx - control->queues[source->index].rate_index) >= 0;
}

u32 rate_search(const struct source *source, u32 rx, u32 waiting) {
  u32 options = source->options;
  for (u32 i = 0; i < waiting; i++) {
    const struct descriptor *descriptor = &source->rx[(rx + i) & source->rx_mask];
    /* Buffers that continue a frame go with its first one. */
    int is_first = !(options & CONTINUED);
    if (is_first && (is_marked(source, descriptor) || is_settled(source, rx + i))) return i;
    options = descriptor->options;
  }
  return waiting;
}

/* Whether the next frame that this queue gives, if any, is a new one. */
static int has_reached(const struct source *source) {
  u32 rx = load_acquire(source->rx_consumer);
  if (source->options & CONTINUED) return 0;
  if (load_acquire(source->rx_producer) == rx) return is_settled(source, rx);
  return rate_search(source, rx, 1) == 0;
}

void rate_tell(void) {
  if (sw_rate_mark == 0) return;
  for (u32 i = 0; i < SW_QUEUES_MAX; i++) {
    if (sw_sources[i].active && !has_reached(&sw_sources[i])) return;
  }
  if (!host_reached()) return;
  __atomic_store_n(&sw_control()->rate_reached, sw_rate_mark, __ATOMIC_RELEASE);
}
