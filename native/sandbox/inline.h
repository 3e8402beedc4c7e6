/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Mode inline: what arrives on one interface leaves by another, out of the same UMEM.
 *
 * The entries of a group share a UMEM: side A, side B, and optionally the interface that diverted frames leave by.
 * Every chunk has a home, the fill ring it always comes back to: forwarded frames' chunks by way of the peer's
 * completion ring, dropped frames' at once. So a side that sends slowly can starve nobody but those who send to it,
 * and the chunks of a home are always in its fill ring, in the kernel's hands, in its RX ring, held, or on their way
 * out: frames on hand = UMEM.
 *
 * A frame of several buffers goes out whole or not at all.
 */
#ifndef SPARSEWIRE_INLINE_H
#define SPARSEWIRE_INLINE_H

#include "live.h"

void inline_init(void);

/* Checks what mode inline needs of entry `index`, whose source is set. 0, or a QUEUE_ code. */
int32_t inline_start(struct source *source);

/* Takes back the chunks that were sent, of every entry. Call before a breath looks at the RX rings. */
void inline_reclaim(void);

/* Disposes of one buffer that was received: SW_VERDICT_PASS puts it on the peer's TX ring, SW_VERDICT_DROP gives its
 * chunk back, SW_VERDICT_DIVERT puts it on the divert interface's. The verdict on a frame's first buffer is that on
 * the frame. Buffers of a queue come in the order in which they were received. */
void inline_dispose(struct source *source, u64 addr, u32 len, u32 options, u32 verdict);

/* The next n descriptors from index rx of the RX ring pass. */
void inline_pass(struct source *source, u32 rx, u32 n);

/* Shows the kernel what has been put on TX and fill rings since. */
void inline_publish(void);

#endif
