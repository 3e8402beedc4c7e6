/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Runs: sorted links with packet and byte counts, folded (no key twice), kept in blocks of a shared pool.
 *
 * A run is a list of blocks, all full but the last, so merging needs no free space beyond a few blocks: a block is
 * given back as soon as it has been read to its end. Merging can stop after any number of links and go on later, while
 * new runs are pushed on top; capture is never stopped for a whole merge.
 *
 * struct links is a stack of runs, largest at the bottom; each is kept at least twice as long as the next, so that
 * every link is merged a logarithmic number of times.
 *
 * Pool bound: links / SW_BLOCK_LINKS + SW_RUNS_MAX + 4 blocks for each struct links (one partial block a run, and the
 * two inputs and the output of a merge under way).
 */
#ifndef SPARSEWIRE_RUN_H
#define SPARSEWIRE_RUN_H

#include "memory.h"

#define NO_BLOCK 0xffffffffu

struct block {
  u64 keys[SW_BLOCK_LINKS];  /* strictly increasing along a run */
  u64 bytes[SW_BLOCK_LINKS];
  u32 packets[SW_BLOCK_LINKS];
};

struct run {
  u32 head; /* first block */
  u32 n;    /* links */
};

/* A place in a run that is being read: position in the head block, and links left. */
struct reader {
  u32 block, position, left;
};

/* A run that is being written. */
struct writer {
  u32 head, tail, position, n;
};

struct merge {
  u32 active, below; /* merges runs[below] and runs[below + 1] */
  struct reader a, b;
  struct writer out;
};

struct links {
  struct run runs[SW_RUNS_MAX];
  u32 count; /* runs */
  u32 held;  /* links in all of them, counting those of a merge under way */
  struct merge merge;
};

/* The pool: `blocks` blocks at `offset`, their links at `next` (u32[blocks]). */
void pool_init(u32 offset, u32 next, u32 blocks);
struct block *pool_block(u32 block);
u32 pool_next(u32 block);
void pool_free(u32 block);

/* A writer at the start of a new run; the block to write to, with room for SW_BLOCK_LINKS - position links. */
struct writer writer_open(void);
/* Call when position == SW_BLOCK_LINKS: goes on in a new block. */
void writer_extend(struct writer *writer);

/* Ends the run that was written and pushes it. Empty runs are dropped. */
void links_push(struct links *links, struct writer *writer);

/* Folds n sorted keys with their lengths to a run (packets = occurrences, bytes = sum of lengths) and pushes it. */
void links_fold(struct links *links, const u64 *keys, const u32 *lengths, u32 n);

/* Merges for about `links_max` links of output, less when nothing is left to do; `all`: until one run is left, else
 * while some run is less than twice as long as the next. Returns the links written. */
u32 links_merge(struct links *links, u32 links_max, int all);

/* Whether links_merge(.., all = 1) has something left to do. */
SW_INLINE int links_is_split(const struct links *links) { return links->count > 1; }

/* Takes the topmost run away, for reading; no merge may be under way. Of no runs: nothing to read. */
struct reader links_take(struct links *links);

/* Links that can be read without crossing the end of the reader's block; moves the reader on by at most so many, and
 * gives the block back when it is read. */
u32 reader_available(const struct reader *reader);
void reader_advance(struct reader *reader, u32 n);

extern u64 sw_merges; /* finished merges since init() */

#endif
