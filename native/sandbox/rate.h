/* SPDX-License-Identifier: Apache-2.0 */
/*
 * A change of the sampling rate: when the program in the kernel begins to sample at another rate, the rings still hold
 * frames of the old one. Each queue is emptied up to its first frame of the new rate and then stands still; when every
 * queue of every sandbox stands there, the interval is sealed (SW_SEAL_RATE), and counting goes on. So every interval
 * has one rate.
 */
#ifndef SPARSEWIRE_RATE_H
#define SPARSEWIRE_RATE_H

#include "live.h"

/* The mark that new frames bear and that is looked for in this breath; 0: no change is under way. */
extern u32 sw_rate_mark;

/* Of `waiting` descriptors from index `rx` on, those ahead of the first frame of the new rate. */
u32 rate_search(const struct source *source, u32 rx, u32 waiting);

SW_INLINE u32 rate_limit(const struct source *source, u32 rx, u32 waiting) {
  return sw_rate_mark == 0 ? waiting : rate_search(source, rx, waiting);
}

void rate_init(void);
/* At the start of a breath: learns what the host wants. */
void rate_look(void);
/* At the end of a breath: tells the host when every queue stands at its first new frame. */
void rate_tell(void);
/* The interval of the old rate has been closed. */
void rate_switch(void);

#endif
