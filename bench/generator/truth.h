/* SPDX-License-Identifier: Apache-2.0 */
/* The zipf table, and the traffic matrix that a number of frames of a sequence makes. */
#ifndef SPARSEWIRE_GENERATOR_TRUTH_H
#define SPARSEWIRE_GENERATOR_TRUTH_H

#include <stddef.h>

#include "sequence.h"

/* Fills alias[0..links-1] for P(link k) proportional to 1 / (k + 1)^exponent. Returns 0, or -1 without memory. */
int fill_alias_table(struct alias *alias, __u32 links, double exponent);

/*
 * Writes BASE.v4.csv and BASE.v6.csv (header src,dst,packets,bytes; by numeric source, then destination) of the
 * frames first, first + stride, ... of each worker: sent[w] frames from worker w of `workers`.
 * Returns the number of distinct links, or -1 with errno set.
 */
long write_truth(const char *base, const struct sequence *sequence, const struct alias *alias, const __u64 *sent,
		 __u32 workers);

#endif
