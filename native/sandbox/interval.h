/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The open interval, as a source of frames (live.c, file.c) sees it:
 *
 *   u32 room = sw_room();              frames that may be given before it must be asked again
 *   if (room == 0) stop;               control.seal_needed says why (SW_SEAL_PACKETS: window_packets are in;
 *                                      SW_SEAL_BUDGET: memory is spent); the host seals, then the source goes on
 *   ... sw_frame(...) at most room times ...
 *   sw_publish();                      once before returning to the host: counters into the control block
 *
 * room counts frames, a window counts packets: a frame that is no packet uses up room but not the window, so a
 * source asks again until it gets 0, and windows are exact. sw_room() sorts and folds full logs, so that
 * sw_frame() itself never has to.
 *
 * A time window is the source's own affair: it sets sw_window's start_ns and end_ns when it opens one, keeps
 * first_ns and last_ns, and stops before the first frame of the next (with control.seal_needed = SW_SEAL_CLOCK if
 * breathe() and sw_room() are to refuse frames until the seal). seal_begin() copies sw_window into the slot, zeroes
 * it, and zeroes control.seal_needed.
 */
#ifndef SPARSEWIRE_INTERVAL_H
#define SPARSEWIRE_INTERVAL_H

#include "frame.h"

/* Times of the open interval, ns since 1970 UTC; file mode only, live mode leaves them 0. */
struct window {
  u64 start_ns, end_ns; /* bounds of the window: [start, end) */
  u64 first_ns, last_ns; /* earliest and latest timestamp seen in it */
};
extern struct window sw_window;

/* Private counters, cumulative since init(); sw_publish() completes and publishes them. */
extern u64 sw_counts[SW_COUNTER_COUNT];

/* The IPv4 log of the open interval. SoA: key = source << 32 | destination, and the wire length. */
struct log {
  u64 *keys;
  u32 *lengths;
  u32 n;
};
extern struct log sw_log4;
extern u64 sw_bytes4; /* wire bytes of all IPv4 packets since init() */

/* Frames that may be taken now; 0: control.seal_needed is set. */
u32 sw_room(void);

/* Publishes the counters and the state of the open interval in the control block. */
void sw_publish(void);

/* A frame whose verdict is known: counts it, and appends it if it is IP. `wire`: its length as sent, bytes. */
void sw_count_frame(struct verdict verdict, u32 wire);

/* Any frame: `captured` bytes at p, `wire` bytes long when it was sent. Call at most sw_room() times in a row. */
SW_INLINE void sw_frame(u32 link_type, const u8 *p, u32 captured, u32 wire) {
  if (link_type == LINK_ETHERNET && captured >= PLAIN4_BYTES && sw_is_plain4(p, captured)) {
    u32 n = sw_log4.n;
    sw_log4.keys[n] = load64be(p + PLAIN4_ADDRESSES);
    sw_log4.lengths[n] = wire;
    sw_log4.n = n + 1;
    sw_bytes4 += wire;
    return;
  }
  sw_count_frame(sw_parse(link_type, p, captured), wire);
}

#endif
