/* SPDX-License-Identifier: Apache-2.0 */
/*
 * What lies on the heap: two intervals (the open one, and the closed one that is being merged), scratch for the
 * sorts, and the arrays of the sealed slots. Sizes come from the control block at init(); heap.c lays it out.
 */
#ifndef SPARSEWIRE_STORE_H
#define SPARSEWIRE_STORE_H

#include "dictionary.h"
#include "interval.h"
#include "run.h"

/* Most packets of an interval: a link's packet count is a u32 and must not wrap. */
#define INTERVAL_PACKETS_MAX 0xfffffffeu

struct interval {
  struct log log4, log6; /* log_entries + 1 each: the batch loop writes one beyond its end */
  struct links links4, links6;
  struct dictionary dictionary;
};

/* Where a slot's arrays lie; capacities are link_capacity and address_capacity. */
struct slot_arrays {
  u32 ap4, ah4, aj4, packets4, bytes4;
  u32 ap6, ah6, aj6, packets6, bytes6;
  u32 dict;
};

struct store {
  u32 log_entries, link_budget, address_budget;
  u32 link_capacity;    /* link_budget + 2 * log_entries + SW_STAGE_PACKETS */
  u32 address_capacity; /* address_budget + 2 * SW_STAGE_PACKETS */
  struct interval intervals[2];
  u32 open;             /* index of the open interval */
  u64 *scratch_keys;    /* log_entries */
  u32 *scratch_values;  /* log_entries */
  u64 *gather_keys;     /* log_entries: re-sorting links and addresses by rank */
  u32 *gather_values;
  u32 *ranks;           /* address_capacity */
  u64 *stage_pairs;     /* 4 * SW_STAGE_PACKETS: source, destination */
  u32 *stage_lengths;   /* SW_STAGE_PACKETS */
  u32 stage_n;
  struct slot_arrays slots[SW_SLOTS];
  u32 pool, pool_next, pool_blocks; /* of runs, see run.h */
};
extern struct store sw_store;

/* Lays the store out from the control block; returns the heap bytes it needs, 0 for an absurd configuration. */
u64 store_layout(struct store *store);

/* interval.c: sorts n <= log_entries keys with their values. The result lies in the given arrays or in scratch. */
struct sorted {
  const u64 *keys;
  const u32 *values;
};
struct sorted sort_log(u64 *keys, u32 *values, u32 n);
/* interval.c: empties the open interval's times and counters at init() and at a seal. */
void interval_reset(void);
/* Looks up all staged IPv6 packets and moves them to the log. */
void interval_flush(void);
/* Sorts and folds a log to a run; the log is empty afterwards. */
void interval_fold(struct log *log, struct links *links);
/* Closes the open interval and opens the other, whose logs are empty. */
void interval_close(void);
/* Copies this interval's share of each counter. */
void interval_counts(u64 *out);

/* seal.c, live.c: back to the start. */
void seal_init(void);
void live_init(void);

#endif
