/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
/*
 * Load shedding: a sample of the frames goes on, the rest is summed up here and dropped.
 *
 * Frames are sampled by flow: a keyed hash of the flow chooses one of SHED_BUCKETS, and of every 2^shift consecutive
 * frames of a bucket exactly one goes on, which one is drawn anew each time. So every frame is kept with probability
 * 2^-shift, draws are independent, and a flow that has its bucket for itself, as the busy ones nearly have, is counted
 * almost without error; for any other the error is never larger than if each frame were drawn alone. That is what the
 * bound of an estimate rests on (lib/sampling.ts). To keep whole flows would be worse: most links are one flow, and would
 * be counted wholly or not at all.
 *
 * The word in the map `rate` is written by user space, whole:
 *   bits 0..7 shift; bit 8 parity: which of two sums takes what is shed, so that the frames shed at one rate and at the
 *   next are never mixed; bits 32..63 mark: if not 0, every frame that goes on carries it as its metadata, 4 bytes ahead
 *   of the frame. Marks tell the receiver, whose ring may still hold frames of the rate before, where the new begins.
 */
#ifndef SPARSEWIRE_SHED_H
#define SPARSEWIRE_SHED_H

#include <linux/bpf.h>
#include <linux/types.h>

#include <bpf/bpf_endian.h>
#include <bpf/bpf_helpers.h>

#define SHED_BUCKETS 4096
#define SHED_VLAN_TAGS 4

/* Rows of `protocols`: family * 4 + transport. What is no plain IP is in the last row. */
enum { SHED_IPV4, SHED_IPV6, SHED_NO_IP };
enum { SHED_TCP, SHED_UDP, SHED_ICMP, SHED_NO_L4 };
#define SHED_PROTOCOLS 12

struct shed_count {
	__u64 packets;
	__u64 bytes;
};

/* What has been shed since the program was loaded; user space has the same layout in daemon/sensor/shed-maps.ts. */
struct shed_sum {
	struct shed_count protocols[SHED_PROTOCOLS];
	struct shed_count sources[256]; /* IPv4, by the first byte of the source address */
	struct shed_count destinations[256];
	__u64 longest; /* bytes of the longest frame seen while shedding, kept or not */
	__u64 cluster; /* most packets that one draw decided over: more than 1 only for super-packets (mode host) */
};

struct {
	__uint(type, BPF_MAP_TYPE_ARRAY);
	__uint(max_entries, 1);
	__type(key, __u32);
	__type(value, __u64);
} rate SEC(".maps");

struct {
	__uint(type, BPF_MAP_TYPE_PERCPU_ARRAY);
	__uint(max_entries, 2); /* by parity */
	__type(key, __u32);
	__type(value, struct shed_sum);
} shed SEC(".maps");

struct shed_buckets {
	__u32 frames[SHED_BUCKETS]; /* that this CPU has had while shedding; wraps */
};

struct {
	__uint(type, BPF_MAP_TYPE_PERCPU_ARRAY);
	__uint(max_entries, 1);
	__type(key, __u32);
	__type(value, struct shed_buckets);
} buckets SEC(".maps");

/* Drawn anew by every process, so that nobody can choose flows that are always kept, or never. */
const volatile __u64 shed_seed_low = 0;
const volatile __u64 shed_seed_high = 0;

/* What the decision and the sums need of a frame. All of it in words of 8 bytes: two smaller ones side by side the compiler
 * sets at once, and kernels before 6.8 refuse without CAP_PERFMON that a part of such a word is written later. */
struct shed_frame {
	__u64 flow; /* a hash of the outermost addresses, ports and protocol */
	__u64 family, transport;
	__u64 source, destination; /* IPv4: the first byte of each address */
	__u64 is_ip; /* the frame begins with its IP header */
};

static __always_inline __u64 shed_mix(__u64 h)
{
	h ^= h >> 33;
	h *= 0xff51afd7ed558ccdull;
	h ^= h >> 33;
	h *= 0xc4ceb9fe1a85ec53ull;
	h ^= h >> 33;
	return h;
}

static __always_inline __u64 shed_add(__u64 h, __u64 word)
{
	return shed_mix(h ^ word) + 0x9e3779b97f4a7c15ull;
}

static __always_inline __u32 shed_transport(__u32 protocol)
{
	switch (protocol) {
	case 6: return SHED_TCP;
	case 17: return SHED_UDP;
	case 1:
	case 58: return SHED_ICMP;
	default: return SHED_NO_L4;
	}
}

/* The ports of TCP, UDP and SCTP; 0 where there are none, or where they are not in the frame. */
static __always_inline __u32 shed_ports(__u32 protocol, void *l4, void *end)
{
	if (protocol != 6 && protocol != 17 && protocol != 132)
		return 0;
	if (l4 + 4 > end)
		return 0;
	return *(__u32 *)l4;
}

/* p: the IPv4 header. A fragment has no ports but in its first piece, so no fragment is told apart by them. */
static __always_inline void shed_ipv4(struct shed_frame *frame, __u8 *p, void *end)
{
	__u64 addresses;
	__u32 protocol = p[9], ports = 0, words = p[0] & 15;

	__builtin_memcpy(&addresses, p + 12, 8);
	/* By each length a header can have: a pointer moved by what a frame says takes CAP_PERFMON. */
	if (!(*(__u16 *)(p + 6) & bpf_htons(0x3fff))) {
#pragma unroll
		for (__u32 i = 5; i < 16; i++)
			if (words == i)
				ports = shed_ports(protocol, p + 4 * i, end);
	}
	frame->flow = shed_add(shed_add(frame->flow, addresses), (__u64)ports << 8 | protocol);
	frame->family = SHED_IPV4;
	frame->transport = shed_transport(protocol);
	frame->source = p[12];
	frame->destination = p[16];
}

static __always_inline void shed_ipv6(struct shed_frame *frame, __u8 *p, void *end)
{
	__u64 words[4];
	__u32 protocol = p[6], ports = shed_ports(protocol, p + 40, end);

	__builtin_memcpy(words, p + 8, 32);
#pragma unroll
	for (int i = 0; i < 4; i++)
		frame->flow = shed_add(frame->flow, words[i]);
	frame->flow = shed_add(frame->flow, (__u64)ports << 8 | protocol);
	frame->family = SHED_IPV6;
	frame->transport = shed_transport(protocol);
}

/* Reads an Ethernet frame; `frame` comes with the hash's seed and as no IP. What is no IP behind at most SHED_VLAN_TAGS
 * tags is told apart by its Ethernet addresses. Returns the flow's hash. A function of its own: inlined, the compiler puts
 * a small value where it had saved a pointer, which the verifier takes from those with CAP_PERFMON only. And what it
 * returns is used: a result that nobody needs clang 19 leaves out, and the kernel refuses whatever R0 then holds. */
static __noinline __u64 shed_parse(struct shed_frame *frame, void *data, void *end)
{
	__u8 *p = data;
	__u64 low = 0, high = 0;
	__u16 type;

	if (frame->is_ip) {
		if (data + 20 <= end && p[0] >> 4 == 4 && (p[0] & 15) >= 5)
			shed_ipv4(frame, p, end);
		else if (data + 40 <= end && p[0] >> 4 == 6)
			shed_ipv6(frame, p, end);
		return frame->flow;
	}
	if (data + 14 > end)
		return frame->flow;
	type = *(__u16 *)(p + 12);
	p += 14;
#pragma unroll
	for (int i = 0; i < SHED_VLAN_TAGS; i++) {
		if (type != bpf_htons(0x8100) && type != bpf_htons(0x88a8))
			break;
		if ((void *)p + 4 > end)
			return frame->flow;
		type = *(__u16 *)(p + 2);
		p += 4;
	}
	if (type == bpf_htons(0x0800) && (void *)p + 20 <= end && p[0] >> 4 == 4 && (p[0] & 15) >= 5) {
		shed_ipv4(frame, p, end);
	} else if (type == bpf_htons(0x86dd) && (void *)p + 40 <= end && p[0] >> 4 == 6) {
		shed_ipv6(frame, p, end);
	} else {
		__builtin_memcpy(&low, data, 8);
		__builtin_memcpy(&high, data + 8, 4);
		frame->flow = shed_add(shed_add(frame->flow, low), high << 16 | type);
	}
	return frame->flow;
}

static __always_inline void shed_count(struct shed_count *count, __u32 packets, __u64 bytes)
{
	count->packets += packets;
	count->bytes += bytes;
}

/* The rate word; 0 as long as everything goes on and nothing is marked. */
static __always_inline __u64 shed_rate(void)
{
	__u32 zero = 0;
	volatile __u64 *word = bpf_map_lookup_elem(&rate, &zero);

	return word ? *word : 0;
}

/* Whether this frame is the one of its 2^shift that is kept. */
static __always_inline int shed_keeps(struct shed_buckets *all, __u64 flow, __u32 shift)
{
	__u32 bucket = flow & (SHED_BUCKETS - 1), frame = all->frames[bucket]++, mask = (1u << shift) - 1;
	__u64 block = (__u64)bpf_get_smp_processor_id() << 48 | (__u64)bucket << 32 | frame >> shift;

	return (shed_add(shed_seed_high, block) >> 32 & mask) == (frame & mask);
}

/*
 * Whether the frame at data .. end is to be shed, which is `packets` packets (1, or those of a super-packet, which go
 * together) of `bytes` bytes in all on the wire; `is_ip`: it begins with its IP header. What is shed has been summed up
 * then. Call it only where `word` is not 0.
 */
static __always_inline int shed_frame(__u64 word, void *data, void *end, __u32 packets, __u64 bytes, __u32 is_ip)
{
	__u32 shift = word & 0xff, parity = word >> 8 & 1, zero = 0, row;
	struct shed_buckets *all = bpf_map_lookup_elem(&buckets, &zero);
	struct shed_sum *sum = bpf_map_lookup_elem(&shed, &parity);
	/* Bits of the word that are 0, which the verifier does not know: an index that is known on some paths alone takes
	 * CAP_PERFMON. */
	__u32 nothing = word >> 9 & 0x7fffff;
	struct shed_frame frame = { .flow = shed_seed_low ^ nothing, .family = SHED_NO_IP, .transport = SHED_NO_L4,
				    .source = nothing, .destination = nothing, .is_ip = is_ip };
	__u64 longest = packets > 1 ? bytes / packets + 1 : bytes;

	if (shift == 0 || shift > 16 || !sum || !all)
		return 0;
	if (longest > sum->longest)
		sum->longest = longest;
	if (packets > sum->cluster)
		sum->cluster = packets;
	if (shed_keeps(all, shed_parse(&frame, data, end), shift))
		return 0;
	row = (frame.family * 4 + frame.transport) ^ nothing;
	if (row < SHED_PROTOCOLS)
		shed_count(&sum->protocols[row], packets, bytes);
	if (frame.family == SHED_IPV4) {
		shed_count(&sum->sources[frame.source & 255], packets, bytes);
		shed_count(&sum->destinations[frame.destination & 255], packets, bytes);
	}
	return 1;
}

#endif
