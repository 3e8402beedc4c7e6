/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Exports of bench.wasm that the product does not have: synthetic traffic for benchmarks, and handles for tests. The
 * rest of bench.wasm is the product's sources, unchanged.
 *
 * bench_fill() writes n frames into the UMEM of queue 0 and their descriptors on its RX ring; bench_ring() offers
 * them again without writing; the host calls breathe() and measures. bench_window() measures what a sub-window costs
 * without rings: extract n frames, sort, fold.
 */
#include "store.h"

enum distribution { ALL_DISTINCT, UNIFORM, ZIPF };
enum { UNIFORM_LINKS = 1 << 18, ZIPF_LINKS = 1 << 18, FRAME_HEADROOM = 256, PACKED_BYTES = 64 };

/* splitmix64 (Steele, Lea and Flood 2014): a permutation of its input. */
static u64 mix(u64 x) {
  x += 0x9e3779b97f4a7c15u;
  x = (x ^ x >> 30) * 0xbf58476d1ce4e5b9u;
  x = (x ^ x >> 27) * 0x94d049bb133111ebu;
  return x ^ x >> 31;
}

/* 2^x for 0 <= x <= 18: integer part by the exponent, fraction by its Taylor series. */
static double power_of_two(double x) {
  u32 whole = (u32)x;
  double y = (x - whole) * 0.6931471805599453, term = 1, sum = 1;
  for (int i = 1; i < 10; i++) sum += term *= y / i;
  return sum * (double)((u64)1 << whole);
}

/* Link number i of a distribution; Zipf with exponent 1 by its continuous inverse: rank = N^u. */
static u64 link_of(u32 distribution, u64 i, u64 seed) {
  u64 random = mix(seed ^ mix(i));
  if (distribution == ALL_DISTINCT) return mix(i + (seed << 32));
  if (distribution == UNIFORM) return mix(seed * UNIFORM_LINKS + random % UNIFORM_LINKS);
  double rank = power_of_two((double)(random >> 11) * (18.0 / 9007199254740992.0));
  return mix(seed * ZIPF_LINKS + (u64)rank);
}

static void write_frame(u8 *p, u64 link) {
  static const u8 head[26] = {2, 0, 0, 0, 0, 1, 2, 0, 0, 0, 0, 2, 8, 0, 0x45, 0, 0, 46, 0, 0, 0, 0, 64, 17, 0, 0};
  __builtin_memcpy(p, head, sizeof head);
  u64 swapped = swap64(link);
  __builtin_memcpy(p + 26, &swapped, 8);
}

static struct queue *queue(void) { return &sw_control()->queues[0]; }

/* Writes n frames of 60 bytes, one a chunk, and offers them. n must not exceed the ring. Returns n, 0 if it does. */
SW_EXPORT(bench_fill) u32 bench_fill(u32 distribution, u32 n, u32 seed) {
  struct queue *q = queue();
  if (n > q->rx_size || n > q->umem_bytes / q->chunk_bytes) return 0;
  for (u32 i = 0; i < n; i++)
    write_frame((u8 *)at(q->umem_offset) + (u64)i * q->chunk_bytes + FRAME_HEADROOM, link_of(distribution, i, seed));
  return n;
}

/* Offers the n frames that bench_fill() wrote on the RX ring, and takes the chunks out of the fill ring. */
SW_EXPORT(bench_ring) void bench_ring(u32 n) {
  struct queue *q = queue();
  struct {
    u64 addr;
    u32 len, options;
  } *rx = at(q->rx_descriptors);
  u32 producer = load_acquire(q->rx_producer);
  for (u32 i = 0; i < n; i++) {
    u32 slot = (producer + i) & (q->rx_size - 1);
    rx[slot].addr = (u64)i * q->chunk_bytes + FRAME_HEADROOM;
    rx[slot].len = 60;
    rx[slot].options = 0;
  }
  store_release(q->fill_consumer, load_acquire(q->fill_producer));
  store_release(q->rx_producer, producer + n);
}

/* Writes n frames, one every PACKED_BYTES, at the start of the UMEM. Returns n, 0 when it is too small. */
SW_EXPORT(bench_pack) u32 bench_pack(u32 distribution, u32 n, u32 seed) {
  struct queue *q = queue();
  if (n > q->umem_bytes / PACKED_BYTES) return 0;
  for (u32 i = 0; i < n; i++)
    write_frame((u8 *)at(q->umem_offset) + (u64)i * PACKED_BYTES, link_of(distribution, i, seed));
  return n;
}

/* Extracts the n frames of bench_pack() to the log, sorts and folds them, `times` times over; n at most a log. The
 * open interval is emptied each time. Returns the links of the last fold. */
SW_EXPORT(bench_window) u32 bench_window(u32 n, u32 times) {
  struct queue *q = queue();
  struct links links = {0};
  u32 folded = 0;
  for (u32 time = 0; time < times; time++) {
    const u8 *p = at(q->umem_offset);
    for (u32 i = 0; i < n; i++) sw_frame(LINK_ETHERNET, p + (u64)i * PACKED_BYTES, 60, 60);
    interval_fold(&sw_log4, &links);
    struct reader reader = links_take(&links);
    folded = reader.left;
    while (reader.left != 0) reader_advance(&reader, reader_available(&reader));
  }
  return folded;
}

/* Sorts n keys (u64 at `keys`) with their values (u32 at `values`), at most a log of them, in place. */
SW_EXPORT(bench_sort) void bench_sort(u32 keys, u32 values, u32 n) {
  if (n > sw_store.log_entries) return;
  struct sorted sorted = sort_log(at(keys), at(values), n);
  __builtin_memmove(at(keys), sorted.keys, n * sizeof(u64));
  __builtin_memmove(at(values), sorted.values, n * sizeof(u32));
}

/* The bits of an IPv6 index that count; few of them make collisions common. */
SW_EXPORT(bench_index_mask) void bench_index_mask(u64 mask) { dictionary_mask(mask); }

/* The frame cursor alone: reason | (offset of the IP header << 8), for comparison with a reference. */
SW_EXPORT(bench_parse) u32 bench_parse(u32 link_type, u32 offset, u32 captured) {
  const u8 *p = at(offset);
  if (link_type == LINK_ETHERNET && captured >= PLAIN4_BYTES && sw_is_plain4(p, captured))
    return SW_REASON_IPV4 | 14 << 8;
  struct verdict verdict = sw_parse(link_type, p, captured);
  u32 at_ip = verdict.ip == NULL ? 0 : (u32)(verdict.ip - p);
  return verdict.reason | at_ip << 8;
}
