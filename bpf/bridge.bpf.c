// SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause
//
// A bump in the wire between two interfaces. While a process is there, every frame of either goes to the AF_XDP socket
// of its queue, and that process sends it on. A socket leaves the map when its process ends, however it ends: what
// becomes of frames then is WITHOUT_SOCKET: they are dropped, sent out of the other interface from here, or left to
// bridge_tc at tc ingress, which does the same with drivers and peers that take no redirected XDP frames.
#include <linux/bpf.h>
#include <linux/pkt_cls.h>

#include <bpf/bpf_helpers.h>

#define QUEUES_MAX 256
#define SIDES 2

/* Set before the program is loaded: the two interfaces, and XDP_DROP, XDP_REDIRECT or XDP_PASS. */
const volatile __u32 ifindex_a = 0;
const volatile __u32 ifindex_b = 0;
const volatile __u32 without_socket = XDP_DROP;

/* side * QUEUES_MAX + queue; side 0 is the interface ifindex_a. */
struct {
	__uint(type, BPF_MAP_TYPE_XSKMAP);
	__uint(max_entries, SIDES * QUEUES_MAX);
	__type(key, __u32);
	__type(value, __u32);
} xsks SEC(".maps");

struct seen {
	__u64 frames; /* frames that reached the program */
	__u64 passed; /* of those, frames for which there was no socket */
};

/* The last SIDES entries: what all queues of a side passed, whichever queues there are by now. */
struct {
	__uint(type, BPF_MAP_TYPE_PERCPU_ARRAY);
	__uint(max_entries, SIDES * QUEUES_MAX + SIDES);
	__type(key, __u32);
	__type(value, struct seen);
} seen SEC(".maps");

static __always_inline int pass_frame(__u32 side)
{
	if (without_socket == XDP_REDIRECT)
		return bpf_redirect(side ? ifindex_a : ifindex_b, 0);
	return without_socket == XDP_PASS ? XDP_PASS : XDP_DROP;
}

static __always_inline int bridge_frame(struct xdp_md *ctx)
{
	__u32 side = ctx->ingress_ifindex == ifindex_b;
	__u32 key = side * QUEUES_MAX + ctx->rx_queue_index;
	__u32 all = SIDES * QUEUES_MAX + side;
	struct seen *count = bpf_map_lookup_elem(&seen, &key), *sum;
	int verdict = bpf_redirect_map(&xsks, key, XDP_PASS);

	/* Once: before Linux 6.16 the verifier follows a second look at the same pointer with it being NULL. */
	if (!count)
		return verdict == XDP_REDIRECT ? verdict : pass_frame(side);
	count->frames++;
	if (verdict == XDP_REDIRECT)
		return verdict;
	count->passed++;
	sum = bpf_map_lookup_elem(&seen, &all);
	if (sum)
		sum->passed++;
	return pass_frame(side);
}

SEC("xdp")
int bridge(struct xdp_md *ctx)
{
	return bridge_frame(ctx);
}

/* The same for frames in several buffers (MTU above one page). */
SEC("xdp.frags")
int bridge_frags(struct xdp_md *ctx)
{
	return bridge_frame(ctx);
}

/* At tc ingress of both: what the XDP program lets pass leaves by the other interface. */
SEC("tc")
int bridge_tc(struct __sk_buff *skb)
{
	return bpf_redirect(skb->ifindex == ifindex_b ? ifindex_a : ifindex_b, 0);
}

char _license[] SEC("license") = "Dual BSD/GPL";
