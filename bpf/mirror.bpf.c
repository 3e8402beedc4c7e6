// SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause
//
// What a switch's SPAN port does: a copy of every packet of an interface, in and out, leaves by the interface whose
// index is MIRROR_IFINDEX. For the demonstration and the tests, whose traffic must go on while it is watched: AF_XDP
// takes frames, so it gets copies. Attach it with tc at clsact ingress and egress.
#include <linux/bpf.h>
#include <linux/pkt_cls.h>

#include <bpf/bpf_helpers.h>

/* Interface indices are per network namespace: whoever makes the port gives it this one. */
#define MIRROR_IFINDEX 4242

SEC("tc")
int mirror(struct __sk_buff *skb)
{
	bpf_clone_redirect(skb, MIRROR_IFINDEX, 0);
	return TC_ACT_UNSPEC;
}

char _license[] SEC("license") = "Dual BSD/GPL";
