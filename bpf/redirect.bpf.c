// SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause
//
// Hands every frame of an RX queue to the AF_XDP socket that is registered for that queue; a queue without a
// socket passes its frames on to the host's stack. Counts both, per queue, ahead of the socket's rings:
// frames seen = frames passed + frames the socket took + drops that XDP_STATISTICS names.
#include <linux/bpf.h>

#include <bpf/bpf_helpers.h>

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

/* Per CPU: a queue may move between CPUs, and two queues never share a counter's cache line for writing. */
struct {
	__uint(type, BPF_MAP_TYPE_PERCPU_ARRAY);
	__uint(max_entries, QUEUES_MAX);
	__type(key, __u32);
	__type(value, struct seen);
} seen SEC(".maps");

static __always_inline int redirect_frame(struct xdp_md *ctx)
{
	__u32 queue = ctx->rx_queue_index;
	struct seen *count = bpf_map_lookup_elem(&seen, &queue);
	int verdict = bpf_redirect_map(&xsks, queue, XDP_PASS);

	if (count) {
		count->frames++;
		if (verdict == XDP_PASS)
			count->passed++;
	}
	return verdict;
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
