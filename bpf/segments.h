/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
/*
 * How many packets and bytes a packet of the stack is on the wire. Segmentation offload hands the stack super-packets
 * (GRO on the way in, TSO, GSO and USO on the way out): `gso_segs` packets with one set of headers in front, which on
 * the wire every one of them has. The headers are read here, through tunnels, because the kernel tells their length
 * only on egress, and only newer kernels rightly.
 */
#ifndef SPARSEWIRE_SEGMENTS_H
#define SPARSEWIRE_SEGMENTS_H

struct wire {
	__u32 packets, bytes;
};

enum {
	SEGMENTS_HEADERS_MAX = 12, /* headers walked over: two tunnels with tags and extension headers */
	GSO_BY_FRAGMENTS = 0xffff, /* SCTP: segments of different lengths */
	/* What comes next; beside these an IP protocol number, or an EtherType. */
	NEXT_ETHERNET = 0x6558, /* as GRE and Geneve name it: transparent Ethernet bridging */
	NEXT_IP = 1,            /* by its version nibble; no EtherType is that small */
};

/* Where the walk stands. */
struct walk {
	__u32 at;      /* bytes from the start of the packet */
	__u32 type;    /* EtherType, or NEXT_IP */
	__u32 is_done; /* `at` is the end of the headers that every segment repeats */
};

/* UDP destination ports of tunnels, and the bytes of their headers. A QUIC server there would be read wrongly. */
static __always_inline int enter_udp_tunnel(struct __sk_buff *skb, struct walk *walk, __u16 port)
{
	__u8 geneve[4];

	switch (port) {
	case 4789: /* VXLAN, RFC 7348 */
	case 8472: /* VXLAN as Linux had it first */
		walk->at += 8;
		walk->type = NEXT_ETHERNET;
		return 1;
	case 6081: /* Geneve, RFC 8926: options of 4 bytes, then an EtherType */
		if (bpf_skb_load_bytes(skb, walk->at, geneve, sizeof(geneve)))
			return 0;
		walk->at += 8 + (geneve[0] & 0x3f) * 4;
		walk->type = geneve[2] << 8 | geneve[3];
		return 1;
	default:
		return 0;
	}
}

static __always_inline int walk_gre(struct __sk_buff *skb, struct walk *walk)
{
	__u8 header[4];

	if (bpf_skb_load_bytes(skb, walk->at, header, sizeof(header)))
		return -1;
	/* Checksum, key and sequence number: four bytes each where there is one. */
	walk->at += 4 + 4 * ((header[0] >> 7) + (header[0] >> 5 & 1) + (header[0] >> 4 & 1));
	walk->type = header[2] << 8 | header[3];
	return 0;
}

/* What an IP header says comes next, at walk->at. 0, or -1 where it is nothing that is known to be segmented. */
static __always_inline int walk_transport(struct __sk_buff *skb, struct walk *walk, __u8 protocol)
{
	__u8 word[4];

	switch (protocol) {
	case 6: /* TCP: its header with options */
		if (bpf_skb_load_bytes(skb, walk->at + 12, word, 1))
			return -1;
		walk->at += (word[0] >> 4) * 4;
		walk->is_done = 1;
		return 0;
	case 17:
		if (bpf_skb_load_bytes(skb, walk->at, word, sizeof(word)))
			return -1;
		walk->at += 8;
		walk->is_done = !enter_udp_tunnel(skb, walk, word[2] << 8 | word[3]);
		return 0;
	case 132: /* SCTP: the common header */
		walk->at += 12;
		walk->is_done = 1;
		return 0;
	case 47:
		return walk_gre(skb, walk);
	case 4:
	case 41:
		walk->type = NEXT_IP;
		return 0;
	default:
		return -1;
	}
}

static __always_inline int walk_ipv6(struct __sk_buff *skb, struct walk *walk)
{
	__u8 header[2];
	__u8 next;

	if (bpf_skb_load_bytes(skb, walk->at + 6, header, 1))
		return -1;
	next = header[0];
	walk->at += 40;
	/* Hop-by-hop (BIG TCP's length among them), routing and destination options. */
	for (int i = 0; i < 3 && (next == 0 || next == 43 || next == 60); i++) {
		if (bpf_skb_load_bytes(skb, walk->at, header, sizeof(header)))
			return -1;
		next = header[0];
		walk->at += 8 + header[1] * 8;
	}
	return walk_transport(skb, walk, next);
}

/* One header further. 0, or -1. */
static __always_inline int walk_header(struct __sk_buff *skb, struct walk *walk)
{
	__u8 header[10];

	switch (walk->type) {
	case NEXT_ETHERNET:
		if (bpf_skb_load_bytes(skb, walk->at + 12, header, 2))
			return -1;
		walk->at += 14;
		walk->type = header[0] << 8 | header[1];
		return 0;
	case 0x8100: /* VLAN tags, and whichever of their EtherTypes */
	case 0x88a8:
		if (bpf_skb_load_bytes(skb, walk->at, header, 4))
			return -1;
		walk->at += 4;
		walk->type = header[2] << 8 | header[3];
		return 0;
	case 0x8847: /* an MPLS label; after the last one IP */
		if (bpf_skb_load_bytes(skb, walk->at, header, 4))
			return -1;
		walk->at += 4;
		if (header[2] & 1)
			walk->type = NEXT_IP;
		return 0;
	case NEXT_IP:
	case 0x0800:
	case 0x86dd:
		if (bpf_skb_load_bytes(skb, walk->at, header, sizeof(header)))
			return -1;
		if (header[0] >> 4 == 6)
			return walk_ipv6(skb, walk);
		walk->at += (header[0] & 15) * 4;
		return walk_transport(skb, walk, header[9]);
	default:
		return -1;
	}
}

/* A walk in one word: the verifier looks at a global function once, for whatever it is called with, instead of along
 * each way through all the headers that there might be. */
#define WALK_FAILED (~0ull)
#define WALK_DONE (1ull << 63)
#define WALK_TYPE_SHIFT 32

__noinline __u64 segment_walk(struct __sk_buff *skb, __u64 state)
{
	struct walk walk = {.at = (__u32)state, .type = state >> WALK_TYPE_SHIFT & 0xffff};

	if (walk_header(skb, &walk))
		return WALK_FAILED;
	return (__u64)walk.type << WALK_TYPE_SHIFT | walk.at | (walk.is_done ? WALK_DONE : 0);
}

/* Ethernet, IPv4 without options, TCP: what nearly every super-packet is. 0: it is another. */
static __always_inline __u32 plain_headers(struct __sk_buff *skb)
{
	const __u8 *data = (void *)(long)skb->data, *end = (void *)(long)skb->data_end;

	if (data + 54 > end || data[12] != 8 || data[13] != 0 || data[14] != 0x45 || data[23] != 6)
		return 0;
	return 34 + (data[46] >> 4) * 4;
}

/* Written out: as a loop the verifier takes it only from who has CAP_PERFMON, which a sensor does not need otherwise. */
_Static_assert(SEGMENTS_HEADERS_MAX == 12, "three times four steps");
#define WALK_ONCE() ((walk & WALK_DONE) ? walk : (walk = segment_walk(skb, walk)))
#define WALK_FOUR() (WALK_ONCE(), WALK_ONCE(), WALK_ONCE(), WALK_ONCE())

/* Bytes of the headers that each segment has; 0 where they are not known. */
static __always_inline __u32 segment_headers(struct __sk_buff *skb, __u32 first)
{
	__u64 walk = (__u64)first << WALK_TYPE_SHIFT;

	WALK_FOUR();
	WALK_FOUR();
	WALK_FOUR();
	return walk == WALK_FAILED || !(walk & WALK_DONE) ? 0 : (__u32)walk;
}

/* A super-packet. Not inlined: most packets do not come here. */
static __noinline __u64 segmented(struct __sk_buff *skb, __u32 first)
{
	__u32 length = skb->len, size = skb->gso_size, packets = skb->gso_segs;
	__u32 headers = first == NEXT_ETHERNET ? plain_headers(skb) : 0;

	if (headers == 0)
		headers = segment_headers(skb, first);
	/* What contradicts the number of segments was not walked rightly. */
	if (headers >= length || (packets > 1 && size != GSO_BY_FRAGMENTS && length - headers <= (packets - 1) * size))
		headers = 0;
	/* Unknown headers: the least that the last segment, which is never longer than the others, allows. */
	if (headers == 0 && size != GSO_BY_FRAGMENTS && packets != 0 && packets * size < length)
		headers = length - packets * size;
	/* Guests and some drivers leave the count to whoever segments. */
	if (packets == 0)
		packets = size == GSO_BY_FRAGMENTS ? 1 : (length - headers + size - 1) / size;
	return (__u64)(length + (packets - 1) * headers) << 32 | packets;
}

/* `first`: what the packet begins with, NEXT_ETHERNET or NEXT_IP. */
static __always_inline struct wire wire_of(struct __sk_buff *skb, __u32 first)
{
	struct wire wire = {.packets = 1, .bytes = skb->len};

	if (skb->gso_size != 0 && skb->gso_segs != 1) {
		__u64 both = segmented(skb, first);

		wire.packets = (__u32)both;
		wire.bytes = both >> 32;
	}
	if (skb->vlan_present)
		wire.bytes += 4 * wire.packets;
	return wire;
}

#endif
