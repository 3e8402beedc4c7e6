/* SPDX-License-Identifier: (GPL-2.0-only OR Apache-2.0) */
/* What the XDP program and its user-space half share: configuration in .rodata, state in a mappable array. */
#ifndef SPARSEWIRE_GENERATE_H
#define SPARSEWIRE_GENERATE_H

#include "sequence.h"

/* Pacing arithmetic is in 1/1024 ns, so that 3 Mpps (333.33 ns) does not drift. */
#define PACE_SHIFT 10

struct generate_config {
	struct sequence sequence;
	__u64 count; /* frames this worker sends */
	__u64 interval; /* between two frames, 1/1024 ns; 0: as fast as it goes */
	__u64 gap_min; /* between two frames while catching up, 1/1024 ns */
	__u32 ifindex;
	__u32 batch; /* frames between two flushes */
	__u32 first; /* number of this worker's first frame ... */
	__u32 stride; /* ... and the step to the next: the number of workers */
};

struct generate_state {
	__u64 sent; /* frames the program returned XDP_REDIRECT for */
	__u64 bytes; /* their wire bytes */
	__u64 calls; /* runs of the program, idle ones included */
	__u64 start_ns; /* CLOCK_MONOTONIC of the first frame ... */
	__u64 end_ns; /* ... and of the end, once all of `count` are sent */
	__u64 next; /* when the next frame is due, 1/1024 ns after start_ns */
	__u64 last; /* when the last one left, likewise */
	__u64 lag_max_ns; /* worst delay of a frame behind its due time */
	__u32 burst; /* frames in the current flush */
	__u32 burst_max;
	__u32 stop; /* written by user space: send no more */
	__u32 done; /* all of `count` sent */
};

#endif
