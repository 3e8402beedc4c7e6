// SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause
//
// Hands every frame of an RX queue to the AF_XDP socket that is registered for that queue; a queue without a
// socket passes its frames on to the host's stack. Counts both, per queue, ahead of the socket's rings:
// frames seen = frames passed + frames shed (shed.h) + frames the socket took + drops that XDP_STATISTICS names.
#include <linux/bpf.h>

#include <bpf/bpf_helpers.h>

#include "shed.h"

#define QUEUES_MAX 256

struct {
	__uint(type, BPF_MAP_TYPE_XSKMAP);
	__uint(max_entries, QUEUES_MAX);
	__type(key, __u32);
	__type(value, __u32);
} xsks SEC(".maps");

struct seen {
	__u64 frames; /* frames that reached the program */
	__u64 passed; /* of those, frames left to the host's stack */
};

/*
 * Per CPU: a queue may move between CPUs, and two queues never share a counter's cache line for writing. The last entry
 * is the sum of what all queues passed: whoever reads it need not know which queues there are by now.
 */
struct {
	__uint(type, BPF_MAP_TYPE_PERCPU_ARRAY);
	__uint(max_entries, QUEUES_MAX + 1);
	__type(key, __u32);
	__type(value, struct seen);
} seen SEC(".maps");

/*
 * Samples what the socket would get. Apart from redirect_frame(), whose code stays as short as it was: this runs only
 * while frames are shed, or while marks tell of a change of the rate.
 */
static __noinline int sample_frame(struct xdp_md *ctx, __u64 word, __u64 bytes)
{
	__u32 mark = word >> 32, *metadata;

	if (shed_frame(word, (void *)(long)ctx->data, (void *)(long)ctx->data_end, 1, bytes, 0))
		return XDP_DROP;
	/* A driver without metadata refuses; the receiver then goes by time. */
	if (mark != 0 && bpf_xdp_adjust_meta(ctx, -(int)sizeof(*metadata)) == 0) {
		metadata = (void *)(long)ctx->data_meta;
		if ((void *)(metadata + 1) <= (void *)(long)ctx->data)
			*metadata = mark;
	}
	return XDP_REDIRECT;
}

static __always_inline int redirect_frame(struct xdp_md *ctx)
{
	__u32 queue = ctx->rx_queue_index, all = QUEUES_MAX;
	struct seen *count = bpf_map_lookup_elem(&seen, &queue), *sum;
	int verdict = bpf_redirect_map(&xsks, queue, XDP_PASS);
	__u64 word = shed_rate();

	/* Once: before Linux 6.16 the verifier follows a second look at the same pointer with it being NULL. */
	if (!count)
		return verdict;
	count->frames++;
	if (verdict == XDP_PASS) {
		count->passed++;
		sum = bpf_map_lookup_elem(&seen, &all);
		if (sum)
			sum->passed++;
		return verdict;
	}
	if (word == 0)
		return verdict;
	/* Not data_end - data: the verifier takes differences of pointers from those with CAP_PERFMON only. */
	return sample_frame(ctx, word, bpf_xdp_get_buff_len(ctx));
}

SEC("xdp")
int redirect(struct xdp_md *ctx)
{
	return redirect_frame(ctx);
}

/* The same for frames in several buffers (MTU above one page). */
SEC("xdp.frags")
int redirect_frags(struct xdp_md *ctx)
{
	return redirect_frame(ctx);
}

char _license[] SEC("license") = "Dual BSD/GPL";
