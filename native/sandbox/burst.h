/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Bursts: several packets of one link that come as one (super-packets of segmentation offload). They do not go through
 * the packet log, where each would be an entry, but through a small log of weighted entries of its own; bursts of the
 * same link that follow one another share an entry. A full log is sorted and folded to a run like any other.
 */
#ifndef SPARSEWIRE_BURST_H
#define SPARSEWIRE_BURST_H

#include "frame.h"

/* At init(). */
void burst_init(void);

/* `packets` packets of one verdict with `bytes` wire bytes in all. At most sw_room() packets in a row, as frames. */
void sw_count_burst(struct verdict verdict, u32 packets, u64 bytes);

/* Links that the logs of bursts may add to the open interval. */
extern u32 sw_bursts4, sw_bursts6;

/* Folds what there is into the open interval: before it is closed. */
void burst_flush(void);

#endif
