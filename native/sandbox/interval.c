/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The open interval: logs, budget, counters.
 *
 * A packet is appended to a log (IPv6: to a stage of raw addresses first). A full log is sorted and folded to a run.
 * Invariants: links held + log entries + staged packets <= link_capacity per family; dictionary entries + 2 * staged
 * <= address_capacity; packets of the interval <= INTERVAL_PACKETS_MAX. sw_room() gives only what keeps them.
 */
#define RADIX_NAME sort_values
#define RADIX_PAYLOAD uint32_t
#include "radix.h"
#include "burst.h"
#include "store.h"

struct window sw_window;
u64 sw_counts[SW_COUNTER_COUNT];
struct log sw_log4;
u64 sw_bytes4;
struct store sw_store;

static struct radix radix;

/* Counters at the start of the open interval. */
static struct {
  u64 counts[SW_COUNTER_COUNT];
} base;

enum { MERGE_EVERY = 256, MERGE_LINKS_PER_PACKET = 4 };
static u64 paid_packets; /* packets up to which merging has been paid for */

static struct interval *open_interval(void) { return &sw_store.intervals[sw_store.open]; }

struct sorted sort_log(u64 *keys, u32 *values, u32 n) {
  if (sort_values(keys, values, sw_store.scratch_keys, sw_store.scratch_values, n, &radix))
    return (struct sorted){sw_store.scratch_keys, sw_store.scratch_values};
  return (struct sorted){keys, values};
}

void interval_fold(struct log *log, struct links *links) {
  if (log->n == 0) return;
  struct sorted sorted = sort_log(log->keys, log->lengths, log->n);
  links_fold(links, sorted.keys, sorted.values, log->n);
  sw_counts[SW_COUNTER_FOLDS]++;
  log->n = 0;
}

static void fold4(void) {
  sw_counts[SW_REASON_IPV4] += sw_log4.n;
  interval_fold(&sw_log4, &open_interval()->links4);
}

static void fold6(void) {
  struct interval *open = open_interval();
  interval_fold(&open->log6, &open->links6);
}

void interval_flush(void) {
  struct interval *open = open_interval();
  u32 n = sw_store.stage_n;
  if (open->log6.n + n > sw_store.log_entries) fold6();
  dictionary_ids(&open->dictionary, sw_store.stage_pairs, open->log6.keys + open->log6.n, n);
  __builtin_memcpy(open->log6.lengths + open->log6.n, sw_store.stage_lengths, n * sizeof(u32));
  open->log6.n += n;
  sw_store.stage_n = 0;
}

/* Packets that are in a matrix: IPv6 is in none where the host asked for IPv4 only. */
static u64 packets_now(void) {
  u64 packets4 = sw_counts[SW_REASON_IPV4] + sw_log4.n;
  return sw_control()->ipv4_only ? packets4 : packets4 + sw_counts[SW_REASON_IPV6];
}

static u64 interval_packets(void) { return packets_now() - base.counts[SW_COUNTER_PACKETS]; }

static u32 bound4(void) { return open_interval()->links4.held + sw_log4.n + sw_bursts4; }
static u32 bound6(void) {
  return open_interval()->links6.held + open_interval()->log6.n + sw_store.stage_n + sw_bursts6;
}

/* Merges the runs of a family in proportion to the packets taken, so that no pause grows with the interval. Four links
 * a packet pay for every level of merging. From half of the budget on all runs are merged; beyond the budget at a rate
 * that is through before the two logs' worth of links above it are used up. */
static void merge_share(struct links *links, u32 bound, u64 packets) {
  const struct store *store = &sw_store;
  u64 rate = MERGE_LINKS_PER_PACKET;
  if (bound > store->link_budget) rate += 2 * (u64)(store->link_capacity / store->log_entries);
  u64 owed = packets * rate;
  links_merge(links, owed > 0xffffffff ? 0xffffffff : (u32)owed, bound > store->link_budget / 2);
}

static void pay_merges(void) {
  u64 packets = packets_now() - paid_packets;
  if (packets < MERGE_EVERY) return;
  struct interval *open = open_interval();
  merge_share(&open->links4, bound4(), packets);
  merge_share(&open->links6, bound6(), packets);
  paid_packets += packets;
}

static u32 refuse(u32 cause) {
  sw_control()->seal_needed = cause;
  return 0;
}

/* Whether a family is known to hold more links than the budget: one run holds no link twice. */
static int is_spent(const struct links *links) { return !links_is_split(links) && links->held > sw_store.link_budget; }

/* Frames that the memory of the open interval has room for; 0 when a budget is spent. Frees room first if it runs
 * short: duplicates that are only in different runs must not end an interval. */
static u32 room_in_memory(void) {
  struct store *store = &sw_store;
  struct interval *open = open_interval();
  if (store->stage_n > SW_STAGE_PACKETS / 2) interval_flush();
  if (sw_log4.n == store->log_entries) fold4();
  if (bound4() >= store->link_capacity) {
    burst_flush();
    fold4();
    links_merge(&open->links4, 0xffffffff, 1);
  }
  if (bound6() + SW_STAGE_PACKETS >= store->link_capacity) {
    interval_flush();
    burst_flush();
    fold6();
    links_merge(&open->links6, 0xffffffff, 1);
  }
  if (is_spent(&open->links4) || is_spent(&open->links6)) return refuse(SW_SEAL_BUDGET);
  if (open->dictionary.n + 2 * SW_STAGE_PACKETS > store->address_capacity) return refuse(SW_SEAL_BUDGET);
  u32 room = min32(store->log_entries - sw_log4.n, store->link_capacity - bound4());
  return min32(room, SW_STAGE_PACKETS - store->stage_n);
}

u32 sw_room(void) {
  const struct control *control = sw_control();
  if (control->seal_needed != SW_SEAL_NONE) return 0;
  u64 packets = interval_packets(), limit = INTERVAL_PACKETS_MAX;
  if (control->window_packets != 0 && packets >= control->window_packets) return refuse(SW_SEAL_PACKETS);
  if (packets >= limit) return refuse(SW_SEAL_BUDGET);
  if (control->window_packets != 0 && control->window_packets < limit) limit = control->window_packets;
  pay_merges();
  u32 room = room_in_memory();
  return limit - packets < room ? (u32)(limit - packets) : room;
}

void sw_count_frame(struct verdict verdict, u32 wire) {
  if (verdict.reason == SW_REASON_IPV4) {
    sw_log4.keys[sw_log4.n] = load64be(verdict.ip + 12);
    sw_log4.lengths[sw_log4.n++] = wire;
    sw_bytes4 += wire;
    return;
  }
  sw_counts[verdict.reason]++;
  sw_counts[SW_COUNTER_FRAME_BYTES] += wire;
  if (verdict.reason != SW_REASON_IPV6 || sw_control()->ipv4_only) return;
  sw_counts[SW_COUNTER_PACKET_BYTES] += wire;
  u64 *pair = sw_store.stage_pairs + 4 * (u64)sw_store.stage_n;
  __builtin_memcpy(pair, verdict.ip + 8, 32);
  sw_store.stage_lengths[sw_store.stage_n++] = wire;
}

/* The counters as they stand: those that the fast path does not keep are derived. */
static void counts_now(u64 *out) {
  __builtin_memcpy(out, sw_counts, sizeof sw_counts);
  out[SW_REASON_IPV4] += sw_log4.n;
  out[SW_COUNTER_FRAMES] = 0;
  for (u32 reason = 0; reason < SW_REASON_COUNT; reason++) out[SW_COUNTER_FRAMES] += out[reason];
  out[SW_COUNTER_FRAME_BYTES] += sw_bytes4;
  out[SW_COUNTER_PACKETS] = packets_now();
  out[SW_COUNTER_PACKET_BYTES] += sw_bytes4;
  out[SW_COUNTER_V6_COLLISIONS] = sw_collisions;
  out[SW_COUNTER_MERGES] = sw_merges;
}

void interval_counts(u64 *out) {
  u64 now[SW_COUNTER_COUNT];
  counts_now(now);
  for (u32 i = 0; i < SW_COUNTER_COUNT; i++) out[i] = now[i] - base.counts[i];
}

void interval_close(void) {
  burst_flush();
  sw_counts[SW_REASON_IPV4] += sw_log4.n;
  open_interval()->log4 = sw_log4;
  sw_store.open ^= 1;
  sw_log4 = open_interval()->log4;
  interval_reset();
}

void interval_reset(void) {
  counts_now(base.counts);
  paid_packets = packets_now();
  sw_window = (struct window){0};
}

void sw_publish(void) {
  struct control *control = sw_control();
  u64 now[SW_COUNTER_COUNT];
  counts_now(now);
  /* Aligned 8-byte stores: a reader in another thread sees each counter whole, old or new. */
  for (u32 i = 0; i < SW_COUNTER_COUNT; i++) *(volatile u64 *)&control->counters[i] = now[i];
  control->interval_packets = interval_packets();
  u32 links4 = bound4(), links6 = bound6();
  control->interval_links = links4 > links6 ? links4 : links6;
}
