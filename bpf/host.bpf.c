// SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause
//
// The host's own traffic: for every packet that an interface receives or sends, one record in a BPF ring buffer: how
// many packets and bytes it is on the wire, and its first 128 bytes. Nothing is changed, pulled or dropped; the next
// program always goes on with the packet.
//
// Under overload a sample of the packets gets records (shed.h); the others are summed up, and go on like all.
//
// One ring per CPU, or one for a few of them, so that CPUs do not wait for each other's lock. A record that finds no
// room is counted, packets and bytes, with the same weights.
#include <linux/bpf.h>
#include <linux/pkt_cls.h>

#include <bpf/bpf_endian.h>
#include <bpf/bpf_helpers.h>

#include "abi.h"
#include "segments.h"
#include "shed.h"

/* A power of two minus one: the rings that there are. Set by the loader. */
const volatile __u32 ring_mask = 0;

/* The declared size is only a template; the rings that are put in have their own. */
struct ring {
	__uint(type, BPF_MAP_TYPE_RINGBUF);
	__uint(max_entries, 1 << 16);
};

struct {
	__uint(type, BPF_MAP_TYPE_ARRAY_OF_MAPS);
	__uint(max_entries, SW_HOST_RINGS_MAX);
	__type(key, __u32);
	__array(values, struct ring);
} rings SEC(".maps");

struct total {
	__u64 packets, bytes;           /* on the wire, of everything that came by */
	__u64 lost_packets, lost_bytes; /* of those, what found no room in its ring */
};

struct {
	__uint(type, BPF_MAP_TYPE_PERCPU_ARRAY);
	__uint(max_entries, 1);
	__type(key, __u32);
	__type(value, struct total);
} totals SEC(".maps");

/* Copies what there is from byte `from` of the packet on, at most `room` bytes. Returns how many. */
static __always_inline __u32 copy(struct __sk_buff *skb, __u32 from, __u8 *to, const __u32 room)
{
	__u32 length = skb->len, last;

	if (length >= from + room)
		return bpf_skb_load_bytes(skb, from, to, room) ? 0 : room;
	last = length - from - 1;
	/* Bounds that every verifier sees: kernels before 6.8 do not learn from "not 0" that a length is at least 1, so it
	 * is made of a number that may be 0, behind the compiler's back. */
	asm volatile("" : "+r"(last));
	if (last >= room)
		return 0;
	return bpf_skb_load_bytes(skb, from, to, last + 1) ? 0 : last + 1;
}

/* The first bytes of the packet, with the VLAN tag that the driver (or the stack) keeps beside it put back where it
 * is on the wire. Returns how many there are. */
static __always_inline __u32 copy_head(struct __sk_buff *skb, __u8 *to)
{
	if (!skb->vlan_present || skb->len < 14)
		return copy(skb, 0, to, SW_HOST_HEAD_BYTES);
	if (bpf_skb_load_bytes(skb, 0, to, 12))
		return 0;
	*(__be16 *)(to + 12) = skb->vlan_proto;
	*(__be16 *)(to + 14) = bpf_htons(skb->vlan_tci);
	return 16 + copy(skb, 12, to + 16, SW_HOST_HEAD_BYTES - 16);
}

static __always_inline int note(struct __sk_buff *skb, __u32 direction, __u32 first)
{
	struct wire wire = wire_of(skb, first);
	__u32 zero = 0, index = bpf_get_smp_processor_id() & ring_mask;
	struct total *total = bpf_map_lookup_elem(&totals, &zero);
	void *ring = bpf_map_lookup_elem(&rings, &index);
	struct host_record *record;
	__u64 word = shed_rate();

	if (!total || !ring)
		return TC_ACT_UNSPEC;
	total->packets += wire.packets;
	total->bytes += wire.bytes;

	if (word && shed_frame(word, (void *)(long)skb->data, (void *)(long)skb->data_end, wire.packets, wire.bytes,
			       first == NEXT_IP))
		return TC_ACT_UNSPEC;
	record = bpf_ringbuf_reserve(ring, sizeof(*record), 0);
	if (!record) {
		total->lost_packets += wire.packets;
		total->lost_bytes += wire.bytes;
		return TC_ACT_UNSPEC;
	}
	record->packets = wire.packets;
	record->bytes = wire.bytes;
	record->ifindex = skb->ifindex;
	record->mark = word >> 32;
	record->captured = copy_head(skb, (__u8 *)record->head) | direction << SW_HOST_DIRECTION_SHIFT;
	/* The sandbox looks by itself; waking nobody saves an interrupt a packet. */
	bpf_ringbuf_submit(record, BPF_RB_NO_WAKEUP);
	return TC_ACT_UNSPEC;
}

/* A program for each direction, and for what packets of the interface begin with: a MAC header, or (tun, wireguard, ppp,
 * ip tunnels) the IP header. */
SEC("tc")
int sparsewire_in(struct __sk_buff *skb)
{
	return note(skb, 0, NEXT_ETHERNET);
}

SEC("tc")
int sparsewire_out(struct __sk_buff *skb)
{
	return note(skb, 1, NEXT_ETHERNET);
}

SEC("tc")
int sparsewire_in3(struct __sk_buff *skb)
{
	return note(skb, 0, NEXT_IP);
}

SEC("tc")
int sparsewire_out3(struct __sk_buff *skb)
{
	return note(skb, 1, NEXT_IP);
}

char _license[] SEC("license") = "Dual BSD/GPL";
