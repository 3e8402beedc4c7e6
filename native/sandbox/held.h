/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Frames that are held back for extensions.
 *
 * With extensions a frame that has been counted stays where it is: its descriptor goes to a ring, and its chunk back to
 * the kernel only when every extension is done with it, at the start of a breath. Extensions run in threads of their
 * own; nothing here waits for one. An extension that falls behind is skipped (what it missed is counted), and a batch it
 * has claimed and does not finish is parked: its chunks, at most SW_EXTENSION_BATCH, stay out of the way until it does,
 * while all that came after goes on. So what a hung extension costs is bounded, and no other extension notices it.
 */
#ifndef SPARSEWIRE_HELD_H
#define SPARSEWIRE_HELD_H

#include "live.h"

/* Whether frames are held at all: there are extensions. */
extern u32 sw_held_on;

/* Reads control.held; 0, or -1 when it does not fit the memory. */
int32_t held_init(void);

/* Whether any frame is held. */
u32 held_any(void);

/* Descriptors that there is room for. */
u32 held_room(void);

/* Gives back what every extension is done with; lets in those that join; skips those that are too slow. */
void held_release(void);

/* Shows the extensions what has been held since. */
void held_publish(void);

/* The next n descriptors from index rx of the RX ring, n <= held_room(). */
void held_take(const struct source *source, u32 rx, u32 n);

/* A frame of a capture file at p in the file buffer; p NULL: it is no longer there. */
void held_file(const u8 *p, u32 captured, u32 wire, u32 link_type, u64 time_ns);

/* Mode host: the first `captured` bytes of a packet, which are copied. */
void held_host(const u8 *p, u32 captured, u32 wire, u32 link_type, u32 direction);

/* An interval ends here. */
void held_seal(void);

#endif
