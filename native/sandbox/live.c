/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Live capture: RX descriptors in, chunks back through the fill ring. No system call, no copy.
 *
 * The rings are the kernel's (struct xdp_desc {u64 addr; u32 len; u32 options} and u64 addresses, Linux
 * include/uapi/linux/if_xdp.h), mapped into this memory; we consume RX and produce fill. Every chunk is in the fill
 * ring, in the kernel's hands, in the RX ring, or in the batch at hand: frames on hand = UMEM.
 *
 * A packet of several buffers (XDP_PKT_CONTD) is one frame: headers are read from the first buffer, lengths are
 * summed, and it is counted where it ends, even if that is after a seal. Nothing but a few words is kept of it, so
 * its chunks go back at once. A descriptor that leaves the UMEM is not read, only counted; a frame of which any
 * buffer was such is not counted as a frame.
 */
#include "held.h"
#include "host.h"
#include "inline.h"
#include "live.h"
#include "rate.h"

struct source sw_sources[SW_QUEUES_MAX];
static u32 turn; /* the queue that is first in the next breath */

void live_init(void) {
  __builtin_memset(sw_sources, 0, sizeof sw_sources);
  host_init();
  inline_init();
  rate_init();
  turn = 0;
}

int live_fits(u32 offset, u64 bytes, u32 align) {
  u64 memory = (u64)sw_control()->memory_pages << 16;
  return offset % align == 0 && offset != 0 && offset + bytes <= memory;
}

int live_ring_fits(u32 producer, u32 consumer, u32 descriptors, u32 size, u32 entry_bytes) {
  return is_power_of_two(size) && live_fits(producer, 4, 4) && live_fits(consumer, 4, 4) &&
         live_fits(descriptors, (u64)size * entry_bytes, 8);
}

/* Checks entry `index` of the ring table and gives every chunk of its UMEM (mode inline: of its home) to the kernel.
 * 0, or a QUEUE_ code. */
SW_EXPORT(queue_start) int32_t queue_start(u32 index) {
  struct control *control = sw_control();
  if (index >= SW_QUEUES_MAX) return QUEUE_NO_SUCH;
  struct queue *queue = &control->queues[index];
  int rx_fits = live_ring_fits(queue->rx_producer, queue->rx_consumer, queue->rx_descriptors, queue->rx_size,
                               sizeof(struct descriptor));
  int fill_fits = live_ring_fits(queue->fill_producer, queue->fill_consumer, queue->fill_descriptors,
                                 queue->fill_size, sizeof(u64));
  if (!rx_fits || !fill_fits) return QUEUE_BAD_RING;
  u32 chunk = queue->chunk_bytes;
  if (!is_power_of_two(chunk) || chunk < 2048 || queue->umem_bytes < chunk || queue->umem_bytes % chunk != 0 ||
      !live_fits(queue->umem_offset, queue->umem_bytes, 4096))
    return QUEUE_BAD_UMEM;
  u32 first = queue->group ? queue->home_first : 0;
  u32 chunks = (queue->group ? queue->home_bytes : queue->umem_bytes) / chunk;
  if (chunks > queue->fill_size) return QUEUE_FILL_TOO_SMALL;
  struct source *source = &sw_sources[index];
  *source = (struct source){
      .rx = at(queue->rx_descriptors),
      .fill = at(queue->fill_descriptors),
      .umem = at(queue->umem_offset),
      .rx_producer = queue->rx_producer,
      .rx_consumer = queue->rx_consumer,
      .fill_producer = queue->fill_producer,
      .fill_consumer = queue->fill_consumer,
      .rx_mask = queue->rx_size - 1,
      .fill_mask = queue->fill_size - 1,
      .umem_bytes = queue->umem_bytes,
      .chunk_mask = chunk - 1,
      .link_type = queue->link_type,
      .index = index,
      .extension_base = queue->extension_base,
  };
  int32_t refusal = queue->group ? inline_start(source) : 0;
  if (refusal != 0) return refusal;
  source->active = 1;
  u32 producer = load_acquire(source->fill_producer);
  for (u32 i = 0; i < chunks; i++) source->fill[(producer + i) & source->fill_mask] = first + (u64)i * chunk;
  store_release(source->fill_producer, producer + chunks);
  queue->frames = 0;
  queue->active = 1;
  return 0;
}

/* The first buffer of a frame: its verdict, and the addresses, which must outlive the chunk. */
static void open_frame(struct source *source, const struct descriptor *descriptor) {
  source->verdict = sw_parse(source->link_type, source->umem + descriptor->addr, descriptor->len);
  u32 reason = source->verdict.reason;
  if (reason != SW_REASON_IPV4 && reason != SW_REASON_IPV6) return;
  __builtin_memcpy(source->addresses, source->verdict.ip, reason == SW_REASON_IPV4 ? 20 : 40);
  source->verdict.ip = source->addresses;
}

/* Any descriptor that is not a plain IPv4 frame of one buffer. `options` are those of the one before it. Returns 1
 * when a frame ends here. */
static u32 take_slow(struct source *source, const struct descriptor *descriptor, u32 options) {
  int is_first = !(options & CONTINUED), is_last = !(descriptor->options & CONTINUED);
  int is_inside = descriptor->addr <= source->umem_bytes && descriptor->len <= source->umem_bytes - descriptor->addr;
  if (is_first) source->wire = source->is_bad = 0;
  if (!is_inside) {
    sw_counts[SW_COUNTER_BAD_DESCRIPTORS]++;
    source->is_bad = 1;
  } else {
    if (is_first) open_frame(source, descriptor);
    source->wire += descriptor->len;
  }
  if (!is_last || source->is_bad) return 0;
  if (!is_first) sw_counts[SW_COUNTER_MULTI_BUFFER]++;
  sw_count_frame(source->verdict, source->wire);
  return 1;
}

/* Counts n <= BATCH descriptors from index `rx`. Their chunks go to the fill ring from index *fill_index; without one
 * (NULL, known when this is compiled) they stay with the caller. Returns the frames that ended.
 *
 * Plain IPv4 frames (nearly all) go straight to the log without a branch that depends on their contents: each is
 * stored, and stays if it was one. The loads of one frame do not depend on those of another, so their cache misses
 * overlap. What is left is done one by one afterwards; order within a batch does not matter but among the buffers of
 * one frame, which are all left. */
SW_INLINE u32 count_batch(struct source *source, u32 rx, u32 n, u32 *fill_index) {
  u32 slow[BATCH], slow_options[BATCH], slow_n = 0;
  u64 *keys = sw_log4.keys, *fill = source->fill, bytes = 0;
  u32 *lengths = sw_log4.lengths, log_n = sw_log4.n, options = source->options;
  u32 fill_at = fill_index ? *fill_index : 0;
  const u8 *umem = source->umem;
  u32 umem_bytes = source->umem_bytes, fill_mask = source->fill_mask;
  u64 chunk_mask = ~(u64)source->chunk_mask;
  u32 is_ethernet = source->link_type == LINK_ETHERNET;
  for (u32 i = 0; i < n; i++) {
    const struct descriptor *descriptor = &source->rx[(rx + i) & source->rx_mask];
    u64 addr = descriptor->addr;
    u32 len = descriptor->len;
    u32 is_readable = (addr < umem_bytes) & (umem_bytes - addr >= PLAIN4_BYTES) & (umem_bytes - addr >= len);
    const u8 *p = umem + (is_readable ? (u32)addr : 0);
    u32 is_plain = is_ethernet & is_readable & sw_is_plain4(p, len) & !((options | descriptor->options) & CONTINUED);
    keys[log_n] = load64be(p + PLAIN4_ADDRESSES);
    lengths[log_n] = len;
    log_n += is_plain;
    bytes += len & -is_plain;
    slow[slow_n] = rx + i;
    slow_options[slow_n] = options;
    slow_n += !is_plain;
    options = descriptor->options;
    if (!fill_index) continue;
    /* An address outside the UMEM names no chunk of ours: there is nothing to give back. */
    fill[fill_at & fill_mask] = addr & chunk_mask;
    fill_at += addr < umem_bytes;
  }
  u32 frames = log_n - sw_log4.n;
  sw_log4.n = log_n;
  sw_bytes4 += bytes;
  source->options = options;
  if (fill_index) *fill_index = fill_at;
  for (u32 i = 0; i < slow_n; i++)
    frames += take_slow(source, &source->rx[slow[i] & source->rx_mask], slow_options[i]);
  return frames;
}

/* The chunks go straight back to the kernel. */
static u32 take_batch(struct source *source, u32 rx, u32 n, u32 *fill_index) {
  return count_batch(source, rx, n, fill_index);
}

/* Counted, then held for the extensions, or (mode inline) sent on. */
static u32 forward_batch(struct source *source, u32 rx, u32 n) {
  u32 frames = count_batch(source, rx, n, NULL);
  if (sw_held_on) held_take(source, rx, n);
  else inline_pass(source, rx, n);
  return frames;
}

/* As take_queue(), for an entry whose chunks find their own way to a fill ring, where they always have room. */
static u32 forward_queue(struct source *source, u32 most) {
  u32 rx = load_acquire(source->rx_consumer), frames = 0;
  u32 waiting = min32(min32(load_acquire(source->rx_producer) - rx, source->rx_mask + 1), most);
  if (sw_held_on) waiting = min32(rate_limit(source, rx, waiting), held_room());
  while (waiting != 0) {
    u32 n = min32(min32(waiting, BATCH), sw_room());
    if (n == 0) break;
    frames += forward_batch(source, rx, n);
    rx += n;
    waiting -= n;
  }
  store_release(source->rx_consumer, rx);
  return frames;
}

/* Takes at most `most` of the descriptors that are there now. Returns the frames that ended. */
static u32 take_queue(struct source *source, u32 most) {
  u32 rx = load_acquire(source->rx_consumer), frames = 0;
  u32 waiting = min32(load_acquire(source->rx_producer) - rx, source->rx_mask + 1);
  u32 fill = load_acquire(source->fill_producer);
  u32 room = source->fill_mask + 1 - min32(fill - load_acquire(source->fill_consumer), source->fill_mask + 1);
  waiting = rate_limit(source, rx, min32(waiting, min32(room, most)));
  for (u32 batches = 1; waiting != 0; batches++) {
    u32 n = min32(min32(waiting, BATCH), sw_room());
    if (n == 0) break;
    frames += take_batch(source, rx, n, &fill);
    rx += n;
    waiting -= n;
    if (batches % PUBLISH_EVERY != 0) continue;
    store_release(source->rx_consumer, rx);
    store_release(source->fill_producer, fill);
  }
  store_release(source->rx_consumer, rx);
  store_release(source->fill_producer, fill);
  return frames;
}

static void note_breath(u32 frames) {
  sw_counts[SW_COUNTER_BREATHS]++;
  if (frames == 0) sw_counts[SW_COUNTER_EMPTY_BREATHS]++;
  else sw_control()->batch_histogram[min32(31 - (u32)__builtin_clz(frames), 15)]++;
}

/* Takes at most max_frames frames, of each active queue what is there, beginning with another queue each time.
 * Returns the frames taken; none while control.seal_needed is set. */
SW_EXPORT(breathe) u32 breathe(u32 max_frames) {
  struct control *control = sw_control();
  u32 taken = 0;
  inline_reclaim();
  rate_look();
  if (sw_held_on) held_release();
  for (u32 i = 0; i < SW_QUEUES_MAX && taken < max_frames; i++) {
    u32 index = (turn + i) % SW_QUEUES_MAX;
    struct source *source = &sw_sources[index];
    if (!source->active) continue;
    u32 most = max_frames - taken;
    u32 frames = source->is_forwarding | sw_held_on ? forward_queue(source, most) : take_queue(source, most);
    control->queues[index].frames += frames;
    taken += frames;
  }
  taken += host_take(max_frames - taken);
  if (sw_held_on) held_publish();
  inline_publish();
  turn = (turn + 1) % SW_QUEUES_MAX;
  note_breath(taken);
  rate_tell();
  sw_publish();
  return taken;
}
