/* SPDX-License-Identifier: Apache-2.0 */
/* Mode inline: see inline.h. All rings here are produced and consumed by one thread on our side. */
#include "held.h"
#include "inline.h"

/* Buffers of one frame: MAX_SKB_FRAGS and the head, the most that a kernel receives or sends. */
enum { BUFFERS_MAX = 18 };

/* The sending half of an entry, and the frame that is on its way in by its receiving half. */
struct forward {
  struct queue *queue; /* its counters; NULL: not in use */
  struct source *source;
  struct descriptor *tx;
  const u64 *completions;
  u32 tx_producer, tx_consumer, completion_producer, completion_consumer; /* offsets of the indices */
  u32 tx_mask, completion_mask;
  u32 tx_at;   /* where the next descriptor goes; shown to the kernel by inline_publish() */
  u32 fill_at; /* likewise of the fill ring */
  u64 home_first, home_end;
  struct forward *group, *peer, *divert;
  /* The frame whose last buffer has not come yet. */
  struct descriptor chain[BUFFERS_MAX];
  u32 chain_n, verdict;
  u32 is_open, is_lost; /* is_lost: it cannot be forwarded, and has been counted so */
};

static struct forward forwards[SW_QUEUES_MAX + 1]; /* one more, never in use: the entry after the last */

void inline_init(void) { __builtin_memset(forwards, 0, sizeof forwards); }

static struct forward *entry(u32 number) { return number == 0 ? NULL : &forwards[number - 1]; }

int32_t inline_start(struct source *source) {
  struct queue *queue = &sw_control()->queues[source->index];
  struct forward *forward = &forwards[source->index];
  int tx_fits = live_ring_fits(queue->tx_producer, queue->tx_consumer, queue->tx_descriptors, queue->tx_size,
                               sizeof(struct descriptor));
  int completion_fits = live_ring_fits(queue->completion_producer, queue->completion_consumer,
                                       queue->completion_descriptors, queue->completion_size, sizeof(u64));
  if (!tx_fits || !completion_fits || !live_fits(queue->tx_flags, 4, 4)) return QUEUE_BAD_RING;
  if (queue->group > SW_QUEUES_MAX || queue->peer > SW_QUEUES_MAX || queue->divert > SW_QUEUES_MAX)
    return QUEUE_BAD_GROUP;
  u64 home_end = (u64)queue->home_first + queue->home_bytes;
  if (((queue->home_first | queue->home_bytes) & source->chunk_mask) != 0 || home_end > source->umem_bytes)
    return QUEUE_BAD_UMEM;
  u32 chunks = queue->home_bytes / (source->chunk_mask + 1); /* which queue_start() puts in the fill ring next */
  *forward = (struct forward){
      .queue = queue,
      .source = source,
      .tx = at(queue->tx_descriptors),
      .completions = at(queue->completion_descriptors),
      .tx_producer = queue->tx_producer,
      .tx_consumer = queue->tx_consumer,
      .completion_producer = queue->completion_producer,
      .completion_consumer = queue->completion_consumer,
      .tx_mask = queue->tx_size - 1,
      .completion_mask = queue->completion_size - 1,
      .tx_at = load_acquire(queue->tx_producer),
      .fill_at = load_acquire(source->fill_producer) + chunks,
      .home_first = queue->home_first,
      .home_end = home_end,
      .group = entry(queue->group),
      .peer = entry(queue->peer),
      .divert = entry(queue->divert),
  };
  source->is_forwarding = 1;
  return 0;
}

/* Gives a chunk back to the fill ring that is its home. An address that is nobody's is no chunk of ours. */
static void give_back(struct forward *group, u64 addr) {
  struct forward *home = addr < group->home_end ? group : group + 1;
  if (addr < home->home_first || addr >= home->home_end) return;
  struct source *source = home->source;
  source->fill[home->fill_at++ & source->fill_mask] = addr & ~(u64)source->chunk_mask;
}

static void reclaim(struct forward *out) {
  u32 from = load_acquire(out->completion_consumer);
  u32 n = min32(load_acquire(out->completion_producer) - from, out->completion_mask + 1);
  if (n == 0) return;
  for (u32 i = 0; i < n; i++) give_back(out->group, out->completions[(from + i) & out->completion_mask]);
  store_release(out->completion_consumer, from + n);
}

void inline_reclaim(void) {
  for (u32 i = 0; i < SW_QUEUES_MAX; i++)
    if (forwards[i].queue != NULL) reclaim(&forwards[i]);
}

void inline_publish(void) {
  for (u32 i = 0; i < SW_QUEUES_MAX; i++) {
    struct forward *forward = &forwards[i];
    if (forward->queue == NULL) continue;
    store_release(forward->tx_producer, forward->tx_at);
    store_release(forward->source->fill_producer, forward->fill_at);
  }
}

/* Descriptors that the TX ring has room for. */
static u32 tx_room(const struct forward *out) {
  return out->tx_mask + 1 - min32(out->tx_at - load_acquire(out->tx_consumer), out->tx_mask + 1);
}

/* Sends the n buffers of a frame by `out`, all or none; their chunks go home when they cannot go out. */
static void send_frame(struct forward *in, struct forward *out, const struct descriptor *buffers, u32 n) {
  u64 *counter = NULL;
  if (out == NULL || out->queue == NULL) counter = &in->queue->verdict;
  else if (__atomic_load_n(&out->queue->out_down, __ATOMIC_RELAXED)) counter = &in->queue->link_down;
  else if (tx_room(out) < n) counter = &in->queue->tx_full;
  if (__builtin_expect(counter != NULL, 0)) {
    ++*counter;
    for (u32 i = 0; i < n; i++) give_back(in->group, buffers[i].addr);
    return;
  }
  u64 bytes = 0;
  for (u32 i = 0; i < n; i++) {
    out->tx[(out->tx_at + i) & out->tx_mask] = buffers[i];
    bytes += buffers[i].len;
  }
  out->tx_at += n;
  if (out == in->divert) {
    in->queue->diverted++;
  } else {
    in->queue->forwarded++;
    in->queue->forwarded_bytes += bytes;
  }
}

static void end_frame(struct forward *in) {
  struct forward *out = in->verdict == SW_VERDICT_DIVERT ? in->divert : in->peer;
  if (in->verdict != SW_VERDICT_PASS && in->verdict != SW_VERDICT_DIVERT) out = NULL;
  if (!in->is_lost) send_frame(in, out, in->chain, in->chain_n);
  in->chain_n = 0;
}

/* The open frame cannot be forwarded: what there is of it goes home, what still comes will too. */
static void lose_frame(struct forward *in) {
  if (!in->is_lost) in->queue->unforwardable++;
  for (u32 i = 0; i < in->chain_n; i++) give_back(in->group, in->chain[i].addr);
  in->chain_n = 0;
  in->is_lost = 1;
}

/* Sends refuse what the kernel would: buffers that leave the UMEM or their chunk, and empty ones. */
static int is_sendable(const struct source *source, u64 addr, u32 len) {
  u32 in_chunk = (u32)addr & source->chunk_mask;
  return addr < source->umem_bytes && len != 0 && len <= source->chunk_mask + 1 - in_chunk;
}

void inline_dispose(struct source *source, u64 addr, u32 len, u32 options, u32 verdict) {
  struct forward *in = &forwards[source->index];
  if (!in->is_open) {
    in->verdict = verdict;
    in->is_lost = 0;
  }
  in->is_open = (options & CONTINUED) != 0;
  if (!is_sendable(source, addr, len) || in->chain_n == BUFFERS_MAX) lose_frame(in);
  if (in->is_lost) give_back(in->group, addr);
  else in->chain[in->chain_n++] = (struct descriptor){addr, len, options & CONTINUED};
  if (!in->is_open) end_frame(in);
}

void inline_pass(struct source *source, u32 rx, u32 n) {
  struct forward *in = &forwards[source->index];
  for (u32 i = 0; i < n; i++) {
    struct descriptor descriptor = source->rx[(rx + i) & source->rx_mask];
    u32 is_whole = !in->is_open & !(descriptor.options & CONTINUED);
    if (__builtin_expect(is_whole && is_sendable(source, descriptor.addr, descriptor.len), 1)) {
      descriptor.options = 0;
      send_frame(in, in->peer, &descriptor, 1);
    } else {
      inline_dispose(source, descriptor.addr, descriptor.len, descriptor.options, SW_VERDICT_PASS);
    }
  }
}

/* Entries that have frames to send and want the kernel called for it, as a bit each. */
SW_EXPORT(inline_waiting) u32 inline_waiting(void) {
  u32 entries = 0;
  for (u32 i = 0; i < SW_QUEUES_MAX; i++) {
    const struct forward *out = &forwards[i];
    if (out->queue == NULL || load_acquire(out->tx_consumer) == out->tx_at) continue;
    enum { NEED_WAKEUP = 1 };
    if (out->queue->tx_always_wake || load_acquire(out->queue->tx_flags) & NEED_WAKEUP) entries |= 1u << i;
  }
  return entries;
}

static u32 pass_queue(struct source *source, u32 most) {
  u32 rx = load_acquire(source->rx_consumer), frames = 0;
  u32 n = min32(min32(load_acquire(source->rx_producer) - rx, source->rx_mask + 1), most);
  for (u32 i = 0; i < n; i++) {
    /* A frame whose beginning was counted ends uncounted, once. */
    u32 is_first = !(source->options & CONTINUED);
    frames += is_first | !source->is_bad;
    source->is_bad = 1;
    source->options = source->rx[(rx + i) & source->rx_mask].options;
  }
  inline_pass(source, rx, n);
  store_release(source->rx_consumer, rx + n);
  forwards[source->index].queue->uncounted += frames;
  return n;
}

/* Forwards at most `most` buffers of each queue without counting them: the network goes on while no interval has
 * memory for more. Returns the buffers taken. */
SW_EXPORT(inline_uncounted) u32 inline_uncounted(u32 most) {
  u32 taken = 0;
  inline_reclaim();
  /* What is held for extensions goes first: frames keep their order. */
  if (sw_held_on) held_release();
  for (u32 i = 0; i < SW_QUEUES_MAX && !(sw_held_on && held_any()); i++)
    if (sw_sources[i].active && sw_sources[i].is_forwarding) taken += pass_queue(&sw_sources[i], most);
  inline_publish();
  return taken;
}
