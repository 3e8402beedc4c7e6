// SPDX-License-Identifier: (GPL-2.0-only OR Apache-2.0)
/* The far ends of a wire under load: takes every frame for next to nothing. Having it there also gives the veth NAPI,
 * which frames that XDP sends out of its peer need. The interface counts what arrives. */
#include <linux/bpf.h>
#include <bpf/bpf_helpers.h>

SEC("xdp")
int sink(struct xdp_md *ctx)
{
	(void)ctx;
	return XDP_DROP;
}

char _license[] SEC("license") = "GPL";
