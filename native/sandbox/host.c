/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Mode host: records of the kernel's BPF ring buffers, drained in place. No system call, no copy.
 *
 * A ring buffer is two positions and its bytes (Linux kernel/bpf/ringbuf.c): the producer's position, which only the
 * kernel writes; ours; and the data, mapped twice in a row so that a record never breaks at the end. A record is
 * a header {u32 length with two flags; u32} and its bytes, padded to 8. BUSY: reserved, still being written, nothing
 * behind it is looked at yet. DISCARD: given back.
 *
 * Every record of ours is a struct host_record, which says how many packets on the wire it stands for: a super-packet
 * of segmentation offload is counted as its segments. It may be counted in parts, so that breaths and packet windows end
 * where they should.
 */
#include "held.h"
#include "host.h"

#include "burst.h"
#include "rate.h"

#define BUSY 0x80000000u
#define DISCARD 0x40000000u
enum { HEADER_BYTES = 8, STRIDE = HEADER_BYTES + sizeof(struct host_record) };
enum { RECORDS_BETWEEN_STORES = 1024, AHEAD = 32 };

/* What is left of a super-packet of which a part has been counted. */
struct rest {
  u32 packets, bytes;
  struct verdict verdict;
  u8 addresses[40]; /* its IP header: the record has been given back */
};

struct ring {
  const u8 *data;
  u64 *consumer;
  const u64 *producer;
  u64 mask;
  u32 active;
  struct host_interface *interface; /* of the record before: mostly the next one's too */
  struct rest rest;
};

static struct ring rings[SW_HOST_RINGS_MAX];
static struct host_interface unknown; /* stands in for an interface that the table has lost */
static u32 turn;

/* Results of host_start(), beside 0. */
enum { HOST_NO_SUCH = -1, HOST_BAD_RING = -2 };

void host_init(void) {
  burst_init();
  __builtin_memset(rings, 0, sizeof rings);
  unknown = (struct host_interface){.link_type = 0xffffffff};
  turn = 0;
}

static int lies_inside(u32 offset, u64 bytes) {
  u64 memory = (u64)sw_control()->memory_pages << 16;
  return offset != 0 && offset % 4096 == 0 && offset + bytes <= memory;
}

/* Checks entry `index` of the table of rings and begins at where it stands. 0, or a HOST_ code. */
SW_EXPORT(host_start) int32_t host_start(u32 index) {
  if (index >= SW_HOST_RINGS_MAX) return HOST_NO_SUCH;
  struct host_ring *entry = &sw_control()->host_rings[index];
  if (!is_power_of_two(entry->size) || entry->size < 4096 || !lies_inside(entry->consumer, 8) ||
      !lies_inside(entry->producer, 8) || !lies_inside(entry->data, 2 * (u64)entry->size))
    return HOST_BAD_RING;
  rings[index] = (struct ring){
      .data = at(entry->data),
      .consumer = at(entry->consumer),
      .producer = at(entry->producer),
      .mask = entry->size - 1,
      .active = 1,
      .interface = &unknown,
  };
  entry->records = 0;
  entry->bad_records = 0;
  entry->active = 1;
  return 0;
}

/* The entry of an interface: open addressing, nothing is ever moved. The main thread writes it before the program is
 * attached, and takes it out only when no record can be left. */
static struct host_interface *find_interface(u32 ifindex) {
  struct host_interface *table = sw_control()->host_interfaces;
  for (u32 i = 0; i < SW_HOST_INTERFACES_MAX; i++) {
    struct host_interface *entry = &table[(ifindex + i) % SW_HOST_INTERFACES_MAX];
    u32 found = __atomic_load_n(&entry->ifindex, __ATOMIC_ACQUIRE);
    if (found == ifindex) return entry;
    if (found == 0) break;
  }
  return &unknown;
}

/* Counts at most `room` packets of what is left. Lengths of segments are not told apart: only their sum is known. */
static u32 count_rest(struct rest *rest, u32 room) {
  if (rest->packets == 0 || room == 0) return 0;
  u32 n = min32(rest->packets, room);
  u32 bytes = n == rest->packets ? rest->bytes : n * (rest->bytes / rest->packets);
  sw_count_burst(rest->verdict, n, bytes);
  rest->packets -= n;
  rest->bytes -= bytes;
  return n;
}

/* Begins a super-packet: what is needed of its record is kept. */
static void open_rest(struct rest *rest, u32 link_type, const struct host_record *record, u32 captured) {
  rest->packets = record->packets;
  rest->bytes = record->bytes;
  rest->verdict = sw_parse(link_type, (const u8 *)record->head, captured);
  u32 reason = rest->verdict.reason;
  if (reason != SW_REASON_IPV4 && reason != SW_REASON_IPV6) return;
  __builtin_memcpy(rest->addresses, rest->verdict.ip, reason == SW_REASON_IPV4 ? 20 : 40);
  rest->verdict.ip = rest->addresses;
}

/* Counts a record, at most `room` packets of it at once. Returns the packets counted. This is the place where all that
 * is known of a packet is at hand: its first bytes, how it is counted, its interface and direction. */
static u32 count_record(struct ring *ring, const struct host_record *record, u32 room) {
  u32 captured = min32(record->captured & ((1u << SW_HOST_DIRECTION_SHIFT) - 1), SW_HOST_HEAD_BYTES);
  u32 direction = record->captured >> SW_HOST_DIRECTION_SHIFT & 1;
  if (ring->interface->ifindex != record->ifindex) ring->interface = find_interface(record->ifindex);
  struct host_interface *interface = ring->interface;
  interface->packets[direction] += record->packets;
  interface->bytes[direction] += record->bytes;
  if (sw_held_on) held_host((const u8 *)record->head, captured, record->bytes, interface->link_type, direction);
  if (record->packets == 1) {
    sw_frame(interface->link_type, (const u8 *)record->head, captured, record->bytes);
    return 1;
  }
  open_rest(&ring->rest, interface->link_type, record, captured);
  return count_rest(&ring->rest, room);
}

/* Reads a word of each of the next records, wherever they begin if all are as long as ours: they come from the cache of
 * the CPU that wrote them, and misses that do not wait for one another overlap. Only a hint; nothing is made of it. */
static void look_ahead(const struct ring *ring, u64 position, u64 end) {
  u64 records = (end - position) / STRIDE;
  u32 n = records < AHEAD ? (u32)records : AHEAD;
  for (u32 i = 0; i < n; i++) {
    const u8 *record = ring->data + (u32)((position + i * STRIDE) & ring->mask);
    (void)*(const volatile u32 *)record;
    (void)*(const volatile u32 *)(record + 64);
  }
}

/* Whether the record at `position`, if it is the one after all that have been taken, is of the new sampling rate. */
static int is_new(const struct host_ring *entry, u64 position, const struct host_record *record) {
  if (record != NULL && record->mark == sw_rate_mark) return 1;
  if (__atomic_load_n(&sw_control()->rate_settled, __ATOMIC_ACQUIRE) != sw_rate_mark) return 0;
  return (int64_t)(position - entry->rate_position) >= 0;
}

/* Counts what the ring holds, at most `room` packets; a store of our position gives room back to the kernel. Sets
 * *is_empty when nothing (more) can be taken. */
static u32 take_some(struct ring *ring, struct host_ring *entry, u32 room, int *is_empty) {
  u32 taken = count_rest(&ring->rest, room);
  *is_empty = 0;
  /* Both are multiples of 8, and an atomic load of a word that lies askew would trap. */
  u64 start = __atomic_load_n(ring->consumer, __ATOMIC_RELAXED), position = start & ~7ull;
  u64 end = __atomic_load_n(ring->producer, __ATOMIC_ACQUIRE) & ~7ull;
  /* A position that has run ahead by more than the ring is no kernel's: start anew where it says it is. */
  if (end - position > ring->mask + 1) position = end, entry->bad_records++;
  u32 records = 0;
  for (; position != end && taken < room && records < RECORDS_BETWEEN_STORES; records++) {
    if (records % AHEAD == 0) look_ahead(ring, position, end);
    const u8 *header = ring->data + (u32)(position & ring->mask);
    u32 word = __atomic_load_n((const u32 *)header, __ATOMIC_ACQUIRE);
    if (word & BUSY) break;
    u32 length = word & ~DISCARD;
    u64 next = position + ((length + HEADER_BYTES + 7) & ~7u);
    if (length == sizeof(struct host_record) && end - position >= HEADER_BYTES + length) {
      const struct host_record *record = (const void *)(header + HEADER_BYTES);
      if (sw_rate_mark != 0 && is_new(entry, position, record)) {
        *is_empty = 1;
        break;
      }
      if (!(word & DISCARD) && record->packets != 0) taken += count_record(ring, record, room - taken);
    } else {
      entry->bad_records++;
      if (length > ring->mask || next - position > end - position) next = end;
    }
    position = next;
  }
  *is_empty |= records < RECORDS_BETWEEN_STORES && taken < room;
  entry->records += records;
  if (position != start) __atomic_store_n(ring->consumer, position, __ATOMIC_RELEASE);
  return taken;
}

static int has_reached(const struct ring *ring, const struct host_ring *entry) {
  u64 position = __atomic_load_n(ring->consumer, __ATOMIC_RELAXED) & ~7ull;
  u64 end = __atomic_load_n(ring->producer, __ATOMIC_ACQUIRE) & ~7ull;
  if (ring->rest.packets != 0) return 0;
  const u8 *header = ring->data + (u32)(position & ring->mask);
  int is_there = position != end && __atomic_load_n((const u32 *)header, __ATOMIC_ACQUIRE) == sizeof(struct host_record);
  return is_new(entry, position, is_there ? (const void *)(header + HEADER_BYTES) : NULL);
}

int host_reached(void) {
  for (u32 i = 0; i < SW_HOST_RINGS_MAX; i++)
    if (rings[i].active && !has_reached(&rings[i], &sw_control()->host_rings[i])) return 0;
  return 1;
}

u32 host_take(u32 most) {
  u32 taken = 0;
  for (u32 i = 0; i < SW_HOST_RINGS_MAX; i++) {
    u32 index = (turn + i) % SW_HOST_RINGS_MAX;
    struct ring *ring = &rings[index];
    for (int is_empty = !ring->active; !is_empty && taken < most;) {
      u32 room = min32(sw_room(), most - taken);
      if (room == 0) break;
      taken += take_some(ring, &sw_control()->host_rings[index], room, &is_empty);
    }
  }
  turn = (turn + 1) % SW_HOST_RINGS_MAX;
  return taken;
}
