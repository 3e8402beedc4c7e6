/* SPDX-License-Identifier: (GPL-2.0-only OR Apache-2.0) */
/*
 * The frame sequence: frame number -> link -> addresses and length. A pure function of the configuration,
 * compiled both into the XDP program that sends the frames and into the user-space program that writes
 * the truth, so the truth needs no record of what was sent, only how many frames were.
 *
 * Shapes: a sequence has up to 2^64 frames; `links` is 1..2^24; addresses are host-order numbers
 * (10.0.0.1 = 0x0A000001). An IPv6 address is 2001:db8::/96 with the same 32-bit number below it.
 */
#ifndef SPARSEWIRE_SEQUENCE_H
#define SPARSEWIRE_SEQUENCE_H

#include <linux/types.h>

enum distribution { DISTRIBUTION_UNIFORM, DISTRIBUTION_ZIPF, DISTRIBUTION_DISTINCT };

#define LINKS_MAX (1u << 24)
#define ETHERNET_BYTES 14
#define IPV4_BYTES 20
#define IPV6_BYTES 40
#define V6_PREFIX_HIGH 0x20010db8u

struct sequence {
	__u64 seed;
	__u64 v6_threshold; /* of 2^32: the share of links that are IPv6 */
	__u32 distribution;
	__u32 links; /* unused by DISTRIBUTION_DISTINCT */
	__u32 source_bits; /* low bits of a link's number that choose its source */
	__u32 size_min; /* frame length on the wire without FCS, in bytes */
	__u32 size_span; /* lengths are size_min .. size_min + size_span - 1 */
	__u32 reserved;
};

/* One column of an alias table (Vose): draw `column` below the threshold, else its alias. */
struct alias {
	__u32 threshold; /* of 2^32 */
	__u32 link;
};

struct frame_spec {
	__u32 source;
	__u32 destination;
	__u32 size;
	__u32 v6;
};

/* The finaliser of splitmix64: a bijection of 64-bit numbers. */
static inline __u64 mix64(__u64 x)
{
	x ^= x >> 30;
	x *= 0xbf58476d1ce4e5b9ull;
	x ^= x >> 27;
	x *= 0x94d049bb133111ebull;
	return x ^ (x >> 31);
}

/* A bijection of 32-bit numbers (xor-shift and odd multipliers). */
static inline __u32 mix32(__u32 x)
{
	x ^= x >> 16;
	x *= 0x7feb352du;
	x ^= x >> 15;
	x *= 0x846ca68bu;
	return x ^ (x >> 16);
}

/* The random word of frame `number`: every choice about the frame is cut from it. */
static inline __u64 frame_word(const struct sequence *sequence, __u64 number)
{
	return mix64(number * 0x9e3779b97f4a7c15ull + sequence->seed);
}

/* A uniform choice of one of `links` columns from the high half of a frame's word. */
static inline __u32 link_column(const struct sequence *sequence, __u64 word)
{
	return (__u32)(((word >> 32) * sequence->links) >> 32);
}

static inline __u32 is_v6(const struct sequence *sequence, __u32 hash)
{
	return hash < sequence->v6_threshold;
}

/* Lengths come from their own mix: the word itself decides the link, and must not decide both. */
static inline __u32 frame_size(const struct sequence *sequence, __u64 number)
{
	if (sequence->size_span <= 1)
		return sequence->size_min;
	return sequence->size_min + (__u32)(((__u64)mix32((__u32)number ^ 0x5bd1e995u) * sequence->size_span) >> 32);
}

/* Addresses of link 0..links-1: distinct pairs, since each half is mixed by a bijection. */
static inline void link_addresses(const struct sequence *sequence, __u32 link, struct frame_spec *spec)
{
	__u32 mask = (1u << sequence->source_bits) - 1;

	spec->source = mix32((link & mask) + 1);
	spec->destination = mix32((link >> sequence->source_bits) + 0x40000001u);
	spec->v6 = is_v6(sequence, mix32(link ^ 0x9e3779b9u));
}

/* All-distinct: the frame's word is a bijection of its number, so no pair comes twice. */
static inline void distinct_addresses(const struct sequence *sequence, __u64 word, struct frame_spec *spec)
{
	spec->source = (__u32)(word >> 32);
	spec->destination = (__u32)word;
	spec->v6 = is_v6(sequence, mix32(spec->source ^ spec->destination));
}

#endif
