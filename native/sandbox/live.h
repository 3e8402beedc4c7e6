/* SPDX-License-Identifier: Apache-2.0 */
/*
 * An RX queue as the files that handle its descriptors see it: live.c takes and counts them, inline.c passes their
 * chunks on to another interface.
 */
#ifndef SPARSEWIRE_LIVE_H
#define SPARSEWIRE_LIVE_H

#include "store.h"

enum { CONTINUED = 1 /* XDP_PKT_CONTD */ };

/* Descriptors in a batch: room for the headers' cache misses to overlap, small enough for the first-level cache. */
enum { BATCH = 128, PUBLISH_EVERY = 8 /* batches between two updates of the ring indices */ };

struct descriptor {
  u64 addr;
  u32 len, options;
};

/* A queue whose rings have been checked, and the frame it is in the middle of. */
struct source {
  const struct descriptor *rx;
  u64 *fill;
  u8 *umem;
  u32 rx_producer, rx_consumer, fill_producer, fill_consumer; /* offsets of the indices */
  u32 rx_mask, fill_mask, umem_bytes, chunk_mask, link_type;
  u32 active;
  u32 index;             /* of its entry in the ring table */
  u32 extension_base;    /* of the UMEM, in an extension's memory */
  u32 is_forwarding;     /* mode inline: chunks go to a TX ring, not back to the fill ring */
  u32 options;           /* of the last descriptor taken */
  u32 wire;              /* length of the open frame so far */
  u32 is_bad;            /* the open frame has a buffer that could not be read */
  struct verdict verdict; /* of the open frame */
  u8 addresses[40];      /* its IP header: the chunk it came in has been given back */
};

extern struct source sw_sources[SW_QUEUES_MAX];

/* live.c: whether `bytes` at `offset` lie inside the memory. */
int live_fits(u32 offset, u64 bytes, u32 align);
/* live.c: whether a ring lies inside the memory, and its size is a power of two. */
int live_ring_fits(u32 producer, u32 consumer, u32 descriptors, u32 size, u32 entry_bytes);

/* Results of queue_start(), beside 0. */
enum { QUEUE_NO_SUCH = -1, QUEUE_BAD_RING = -2, QUEUE_BAD_UMEM = -3, QUEUE_FILL_TOO_SMALL = -4, QUEUE_BAD_GROUP = -5 };

#endif
