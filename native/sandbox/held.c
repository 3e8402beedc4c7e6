/* SPDX-License-Identifier: Apache-2.0 */
/*
 * See held.h, and lib/abi-held.ts for the words that are shared.
 *
 * A tap's claim is [done, next): its thread stores done = next, then moves next by compare-and-swap; so does skip() here,
 * to the end of the ring. Whoever wins, done tells where the claim began, and it moves as soon as the claim is finished:
 * that is how a parked claim is known to be over. As long as next is where we put it, nothing has been claimed since.
 */
#include "held.h"
#include "inline.h"

u32 sw_held_on;

/* A chunk that is out of order: of a claim that was not finished in time. */
struct parked_frame {
  u32 addr, captured, info, verdict;
};

/* A tap as only this thread sees it. */
struct waiting {
  u32 is_skipped; /* next was moved by us, to skipped_to, and has not been moved since */
  u32 skipped_to;
  u32 done; /* where the claim that was parked then began */
  u32 n;    /* its frames; 0: it is over, or there was none */
  struct parked_frame frames[SW_EXTENSION_BATCH];
};

static struct {
  struct held_frame *ring;
  u8 *verdicts; /* NULL: none are given */
  u32 mask, producer, released, taps;
  u32 is_open[SW_QUEUES_MAX]; /* the last descriptor of a queue is continued by its next */
  struct waiting waiting[SW_TAPS_MAX];
} held;

static struct held *shared(void) { return &sw_control()->held; }

int32_t held_init(void) {
  struct held *control = shared();
  sw_held_on = 0;
  if (control->ring == 0) return 0;
  u32 entries = control->entries;
  if (!is_power_of_two(entries) || control->taps_count > SW_TAPS_MAX) return -1;
  if (!live_fits(control->ring, (u64)entries * sizeof(struct held_frame), 8)) return -1;
  if (control->verdicts != 0 && !live_fits(control->verdicts, entries, 1)) return -1;
  if (control->copies != 0 && !live_fits(control->copies, (u64)entries * SW_HOST_HEAD_BYTES, 8)) return -1;
  __builtin_memset(&held, 0, sizeof held);
  held.ring = at(control->ring);
  held.verdicts = control->verdicts == 0 ? NULL : at(control->verdicts);
  held.mask = entries - 1;
  held.taps = control->taps_count;
  held.producer = held.released = control->producer;
  sw_held_on = 1;
  return 0;
}

u32 held_any(void) { return held.producer != held.released; }

u32 held_room(void) { return held.mask + 1 - (held.producer - held.released); }

static u32 tap_load(u32 *word) { return __atomic_load_n(word, __ATOMIC_ACQUIRE); }

/* Gives one chunk back, to the fill ring or (mode inline) by way of a TX ring. */
static void dispose(struct source *source, u32 addr, u32 captured, u32 info, u32 verdict) {
  if (source->is_forwarding) {
    inline_dispose(source, info & SW_HELD_UNREADABLE ? source->umem_bytes : addr, captured,
                   info & SW_HELD_MORE ? CONTINUED : 0, verdict);
    return;
  }
  u32 fill = load_acquire(source->fill_producer);
  source->fill[fill & source->fill_mask] = addr & ~(u64)source->chunk_mask;
  store_release(source->fill_producer, fill + 1);
}

static struct source *source_of(u32 info) {
  u32 queue = info >> SW_HELD_QUEUE_SHIFT & 0xff;
  return queue < SW_QUEUES_MAX && sw_sources[queue].active ? &sw_sources[queue] : NULL;
}

/* The verdict on descriptor `at`; what the extension wrote in time, whatever it wrote, else what is so configured. */
static u32 verdict_on(u32 at, u32 is_late) {
  if (held.verdicts == NULL) return SW_VERDICT_PASS;
  u8 *given = &held.verdicts[at & held.mask];
  u32 verdict = __atomic_load_n(given, __ATOMIC_RELAXED);
  if (verdict == 0 || is_late) return shared()->verdict_late;
  __atomic_store_n(given, 0, __ATOMIC_RELAXED);
  return verdict - 1 > SW_VERDICT_DIVERT ? shared()->verdict_late : verdict - 1;
}

/* Whether descriptor `at` lies in the claim that was parked for a tap: its chunk is not ours to give back yet. */
static u32 is_parked(u32 at) {
  for (u32 i = 0; i < held.taps; i++)
    if (held.waiting[i].n != 0 && at - held.waiting[i].done < held.waiting[i].n) return 1;
  return 0;
}

static u32 parked_in_all(void) {
  u32 n = 0;
  for (u32 i = 0; i < held.taps; i++) n += held.waiting[i].n;
  return n;
}

/* The chunks of descriptors [from, to), nearly all plain ones: runs of one queue go to its fill ring at once. */
static void give_back(u32 from, u32 to) {
  u32 is_any_parked = parked_in_all() != 0;
  while (from != to) {
    u32 queue = held.ring[from & held.mask].info & 0xff << SW_HELD_QUEUE_SHIFT;
    struct source *source = source_of(queue);
    if (source == NULL || source->is_forwarding || is_any_parked) {
      const struct held_frame *frame = &held.ring[from & held.mask];
      u32 base = source == NULL ? 0 : source->extension_base;
      if (source != NULL && !(is_any_parked && is_parked(from)))
        dispose(source, frame->offset - base, frame->captured, frame->info, verdict_on(from, 0));
      from++;
      continue;
    }
    u32 fill = load_acquire(source->fill_producer), base = source->extension_base, mask = source->fill_mask;
    u64 chunk_mask = ~(u64)source->chunk_mask;
    for (; from != to; from++) {
      const struct held_frame *frame = &held.ring[from & held.mask];
      if ((frame->info & 0xff << SW_HELD_QUEUE_SHIFT) != queue) break;
      source->fill[fill++ & mask] = (frame->offset - base) & chunk_mask;
    }
    store_release(source->fill_producer, fill);
  }
}

/* A parked claim is over, or its extension is. A chunk that two taps have parked is given back by the last of them. */
static void unpark(struct waiting *waiting) {
  u32 n = waiting->n, first = waiting->done;
  waiting->n = 0;
  for (u32 i = 0; i < n; i++) {
    const struct parked_frame *frame = &waiting->frames[i];
    struct source *source = source_of(frame->info);
    /* What the ring still holds is given back from there. */
    int is_passed = (int32_t)(first + i - held.released) < 0;
    if (source != NULL && is_passed && !is_parked(first + i))
      dispose(source, frame->addr, frame->captured, frame->info, frame->verdict);
  }
}

static void park(struct waiting *waiting, u32 from, u32 n) {
  waiting->n = n;
  for (u32 i = 0; i < n; i++) {
    const struct held_frame *frame = &held.ring[(from + i) & held.mask];
    const struct source *source = source_of(frame->info);
    u32 base = source == NULL ? 0 : source->extension_base;
    waiting->frames[i] =
        (struct parked_frame){frame->offset - base, frame->captured, frame->info, verdict_on(from + i, 1)};
  }
}

/* Moves a slow tap to the end of the ring. Returns where what it still needs begins. */
static u32 skip(struct tap *tap, struct waiting *waiting, u32 next, u32 done) {
  u32 expected = next;
  if (!__atomic_compare_exchange_n(&tap->next, &expected, held.producer, 0, __ATOMIC_ACQ_REL, __ATOMIC_ACQUIRE))
    return done; /* it has just claimed; there is another breath */
  tap->skipped += held.producer - next;
  waiting->skipped_to = held.producer;
  if (waiting->is_skipped) return held.producer;
  waiting->is_skipped = 1;
  waiting->done = done;
  park(waiting, done, min32(next - done, SW_EXTENSION_BATCH));
  return held.producer;
}

/* Whether what has been held since `from` is too much, or (mode inline) for too long. */
static u32 is_too_slow(u32 from) {
  const struct held *control = shared();
  if (held.producer - from > control->limit) return 1;
  if (control->age_ns == 0 || held.producer == from) return 0;
  return control->time_ns - held.ring[from & held.mask].time_ns > control->age_ns;
}

/* Where what the tap still needs begins; nothing before it is needed. */
static u32 needed_from(u32 index) {
  struct tap *tap = &shared()->taps[index];
  struct waiting *waiting = &held.waiting[index];
  u32 state = tap_load(&tap->state);
  if (state == SW_TAP_JOINING) {
    tap->next = tap->done = held.producer;
    tap->joined = tap->sealed = shared()->seals;
    __atomic_store_n(&tap->state, SW_TAP_ACTIVE, __ATOMIC_RELEASE);
  }
  if (state != SW_TAP_ACTIVE) {
    waiting->is_skipped = 0;
    unpark(waiting);
    return held.producer;
  }
  u32 next = tap_load(&tap->next), done = tap_load(&tap->done);
  if (waiting->is_skipped && next != waiting->skipped_to) waiting->is_skipped = 0;
  if (waiting->n != 0 && done != waiting->done) unpark(waiting);
  u32 from = waiting->is_skipped ? next : done;
  return is_too_slow(from) ? skip(tap, waiting, next, done) : from;
}

void held_release(void) {
  u32 held_for_most = 0;
  for (u32 i = 0; i < held.taps; i++) {
    u32 behind = held.producer - needed_from(i);
    if (behind > held_for_most) held_for_most = behind;
  }
  u32 upto = held.producer - min32(held_for_most, held.producer - held.released);
  give_back(held.released, upto);
  held.released = upto;
  shared()->released = upto;
}

void held_publish(void) { __atomic_store_n(&shared()->producer, held.producer, __ATOMIC_RELEASE); }

void held_take(const struct source *source, u32 rx, u32 n) {
  struct held_frame *ring = held.ring;
  u32 mask = held.mask, producer = held.producer, umem_bytes = source->umem_bytes, base = source->extension_base;
  u32 info = source->link_type | source->index << SW_HELD_QUEUE_SHIFT, keeps_all = source->is_forwarding;
  u32 is_open = held.is_open[source->index];
  u64 time_ns = shared()->time_ns;
  for (u32 i = 0; i < n; i++) {
    const struct descriptor *descriptor = &source->rx[(rx + i) & source->rx_mask];
    u64 addr = descriptor->addr;
    u32 len = descriptor->len;
    u32 is_readable = (addr < umem_bytes) & (umem_bytes - addr >= len);
    struct held_frame *frame = &ring[producer & mask];
    frame->offset = base + (addr < umem_bytes ? (u32)addr : 0);
    frame->captured = is_readable ? len : 0;
    frame->wire = len;
    u32 has_more = (descriptor->options & CONTINUED) != 0;
    frame->info = info | (has_more ? SW_HELD_MORE : 0) | (is_open ? SW_HELD_CONTINUED : 0) |
                  (is_readable ? 0 : SW_HELD_UNREADABLE);
    is_open = has_more;
    frame->time_ns = time_ns;
    producer += (addr < umem_bytes) | keeps_all;
  }
  held.is_open[source->index] = is_open;
  held.producer = producer;
}

static struct held_frame *one_more(void) {
  if (held_room() != 0) return &held.ring[held.producer++ & held.mask];
  shared()->lost++;
  return NULL;
}

void held_file(const u8 *p, u32 captured, u32 wire, u32 link_type, u64 time_ns) {
  struct held_frame *frame = one_more();
  if (frame == NULL) return;
  u32 base = shared()->base, info = link_type | SW_HELD_QUEUE_FILE << SW_HELD_QUEUE_SHIFT;
  const u8 *buffer = at(sw_control()->file_buffer);
  *frame = (struct held_frame){base + (p == NULL ? 0 : (u32)(p - buffer)), p == NULL ? 0 : captured, wire,
                               info | (p == NULL ? SW_HELD_UNREADABLE : 0), time_ns};
}

void held_host(const u8 *p, u32 captured, u32 wire, u32 link_type, u32 direction) {
  u32 slot = held.producer & held.mask;
  struct held_frame *frame = one_more();
  if (frame == NULL) return;
  u32 offset = slot * SW_HOST_HEAD_BYTES;
  captured = min32(captured, SW_HOST_HEAD_BYTES);
  __builtin_memcpy((u8 *)at(shared()->copies) + offset, p, captured);
  u32 info = link_type | SW_HELD_QUEUE_HOST << SW_HELD_QUEUE_SHIFT | direction << SW_HELD_DIRECTION_SHIFT;
  *frame = (struct held_frame){shared()->base + offset, captured, wire, info, shared()->time_ns};
}

void held_seal(void) {
  struct held *control = shared();
  if (!sw_held_on) return;
  held_publish();
  u32 seal = control->seals + 1;
  control->seal_at[seal % SW_HELD_SEALS] = held.producer;
  __atomic_store_n(&control->seals, seal, __ATOMIC_RELEASE);
}
