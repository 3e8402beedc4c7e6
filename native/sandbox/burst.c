/* SPDX-License-Identifier: Apache-2.0 */
#include "burst.h"

#include "store.h"

/* Entries: less than the smallest packet log, whose scratch the sort uses. RECENT: a power of two. */
enum { ENTRIES = 2048, RECENT = 64 };

struct bursts {
  u64 keys[ENTRIES], bytes[ENTRIES];
  u32 packets[ENTRIES];
  u32 order[ENTRIES]; /* payload of the sort */
  u32 recent[RECENT]; /* entry + 1 of a key that falls there: a hint, checked against the key */
};

static struct bursts bursts4, bursts6;
u32 sw_bursts4, sw_bursts6;

static void empty(struct bursts *bursts, u32 *n) {
  __builtin_memset(bursts->recent, 0, sizeof bursts->recent);
  *n = 0;
}

void burst_init(void) {
  empty(&bursts4, &sw_bursts4);
  empty(&bursts6, &sw_bursts6);
}

/* Writes sorted entries as a run: one link per key. */
static void fold(struct bursts *bursts, u32 *n, struct links *links) {
  if (*n == 0) return;
  for (u32 i = 0; i < *n; i++) bursts->order[i] = i;
  struct sorted sorted = sort_log(bursts->keys, bursts->order, *n);
  struct writer out = writer_open();
  for (u32 i = 0; i < *n;) {
    if (out.position == SW_BLOCK_LINKS) writer_extend(&out);
    struct block *block = pool_block(out.tail);
    u64 key = sorted.keys[i], bytes = 0;
    u32 packets = 0;
    for (; i < *n && sorted.keys[i] == key; i++) {
      packets += bursts->packets[sorted.values[i]];
      bytes += bursts->bytes[sorted.values[i]];
    }
    block->keys[out.position] = key;
    block->packets[out.position] = packets;
    block->bytes[out.position] = bytes;
    out.position++;
    out.n++;
  }
  links_push(links, &out);
  sw_counts[SW_COUNTER_FOLDS]++;
  empty(bursts, n);
}

static void add(struct bursts *bursts, u32 *n, struct links *links, u64 key, u32 packets, u64 bytes) {
  /* Keys differ in the low bits of either half. Whoever aims at one place only has entries of its own. */
  u32 *hint = &bursts->recent[(u32)(key ^ key >> 32 ^ key >> 8) % RECENT];
  u32 entry = *hint - 1;
  if (*hint == 0 || bursts->keys[entry] != key) {
    if (*n == ENTRIES) fold(bursts, n, links);
    entry = (*n)++;
    *hint = *n;
    bursts->keys[entry] = key;
    bursts->packets[entry] = 0;
    bursts->bytes[entry] = 0;
  }
  bursts->packets[entry] += packets;
  bursts->bytes[entry] += bytes;
}

void sw_count_burst(struct verdict verdict, u32 packets, u64 bytes) {
  struct interval *open = &sw_store.intervals[sw_store.open];
  sw_counts[verdict.reason] += packets;
  if (verdict.reason == SW_REASON_IPV4) {
    sw_bytes4 += bytes;
    add(&bursts4, &sw_bursts4, &open->links4, load64be(verdict.ip + 12), packets, bytes);
    return;
  }
  sw_counts[SW_COUNTER_FRAME_BYTES] += bytes;
  if (verdict.reason != SW_REASON_IPV6 || sw_control()->ipv4_only) return;
  sw_counts[SW_COUNTER_PACKET_BYTES] += bytes;
  u64 pair[4], key;
  __builtin_memcpy(pair, verdict.ip + 8, 32);
  dictionary_ids(&open->dictionary, pair, &key, 1);
  add(&bursts6, &sw_bursts6, &open->links6, key, packets, bytes);
}

void burst_flush(void) {
  struct interval *open = &sw_store.intervals[sw_store.open];
  fold(&bursts4, &sw_bursts4, &open->links4);
  fold(&bursts6, &sw_bursts6, &open->links6);
}
