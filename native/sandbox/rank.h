/* SPDX-License-Identifier: Apache-2.0 */
/*
 * From dense ids to the order of the index.
 *
 * IPv6 links are counted under dense ids in order of appearance; the matrix wants them under their 60-bit hashes, in
 * order. So addresses are sorted by hash (with the very machinery of the links: key = hash, "packets" = id), an id's
 * position becomes its rank, the links are rewritten under ranks and sorted again. rank -> hash is the dictionary.
 *
 * Each call does about `most` entries of work and can be followed by breaths.
 */
#ifndef SPARSEWIRE_RANK_H
#define SPARSEWIRE_RANK_H

#include "hypercsr.h"
#include "store.h"

struct ranking {
  struct links links;   /* addresses by hash, then links by rank */
  struct reader reader; /* of the run that is being read */
  u32 done;             /* addresses handled so far in this step */
};

/* A chunk of dictionary entries becomes a run by hash. Returns the entries seen; all are when done == dictionary->n. */
u32 rank_hashes(struct ranking *ranking, const struct dictionary *dictionary, u32 most);

/* Writes dictionary records, and ranks to sw_store.ranks, from the run that `reader` reads. Returns records written. */
u32 rank_addresses(struct ranking *ranking, const struct dictionary *dictionary, struct dict_record *records, u32 most);

/* Takes links from the run that `reader` reads, rewrites them under ranks and pushes them to `links` as a sorted run of
 * their own. Returns the links rewritten. */
u32 rank_links(struct ranking *ranking, u32 most);

#endif
