// SPDX-License-Identifier: (GPL-2.0-only OR Apache-2.0)
/*
 * The sending half of the packet generator: run by BPF_PROG_TEST_RUN with BPF_F_TEST_XDP_LIVE_FRAMES, once
 * for each candidate frame. It writes the headers of the next frame of the sequence and redirects it out of
 * the interface, or drops the candidate while no frame is due: the kernel recycles its page at once, and the
 * busy loop of candidates is what makes the pace smooth.
 *
 * A recycled page keeps the headers of the frame it carried last, so everything that differs between two
 * frames is written every time.
 */
#include <linux/bpf.h>
#include <bpf/bpf_endian.h>
#include <bpf/bpf_helpers.h>

#include "generate.h"

#define ETHERTYPE_IPV4 0x0800
#define ETHERTYPE_IPV6 0x86dd
#define PROTOCOL_UDP 17
#define PROTOCOL_NONE 59

const volatile struct generate_config config = {};

struct {
	__uint(type, BPF_MAP_TYPE_ARRAY);
	__uint(map_flags, BPF_F_MMAPABLE);
	__uint(max_entries, 1);
	__type(key, __u32);
	__type(value, struct generate_state);
} state_map SEC(".maps");

struct {
	__uint(type, BPF_MAP_TYPE_ARRAY);
	__uint(map_flags, BPF_F_MMAPABLE);
	__uint(max_entries, 1);
	__type(key, __u32);
	__type(value, struct alias);
} alias_map SEC(".maps");

/* True when a frame is due; while behind, frames leave at no more than twice the rate, never as one burst. */
static __always_inline int is_due(struct generate_state *state)
{
	__u64 now = bpf_ktime_get_ns();

	__u64 elapsed = (now - state->start_ns) << PACE_SHIFT;

	if (elapsed < state->next)
		return 0;
	if (state->sent && elapsed - state->last < config.gap_min)
		return 0;
	__u64 lag_ns = (elapsed - state->next) >> PACE_SHIFT;

	if (lag_ns > state->lag_max_ns)
		state->lag_max_ns = lag_ns;
	state->next += config.interval;
	state->last = elapsed;
	return 1;
}

static __always_inline void specify(__u64 number, struct frame_spec *spec)
{
	struct sequence sequence = config.sequence;
	__u64 word = frame_word(&sequence, number);

	spec->size = frame_size(&sequence, number);
	if (sequence.distribution == DISTRIBUTION_DISTINCT) {
		distinct_addresses(&sequence, word, spec);
		return;
	}
	__u32 link = link_column(&sequence, word);

	if (sequence.distribution == DISTRIBUTION_ZIPF) {
		struct alias *alias = bpf_map_lookup_elem(&alias_map, &link);

		if (alias && (__u32)word >= alias->threshold)
			link = alias->link;
	}
	link_addresses(&sequence, link, spec);
}

static __always_inline int write_ipv4(__u8 *frame, const void *end, const struct frame_spec *spec)
{
	__u16 *half = (__u16 *)(frame + ETHERNET_BYTES);
	__u16 length = spec->size - ETHERNET_BYTES;

	if ((const void *)(frame + ETHERNET_BYTES + IPV4_BYTES) > end)
		return -1;
	*(__u16 *)(frame + 12) = bpf_htons(ETHERTYPE_IPV4);
	__u32 sum = 0x4500 + length + (64 << 8 | PROTOCOL_UDP) + (spec->source >> 16) + (spec->source & 0xffff) +
		    (spec->destination >> 16) + (spec->destination & 0xffff);

	sum = (sum >> 16) + (sum & 0xffff);
	sum = (sum >> 16) + (sum & 0xffff);
	half[0] = bpf_htons(0x4500);
	half[1] = bpf_htons(length);
	half[2] = 0;
	half[3] = 0;
	half[4] = bpf_htons(64 << 8 | PROTOCOL_UDP);
	half[5] = bpf_htons(~sum & 0xffff);
	half[6] = bpf_htons(spec->source >> 16);
	half[7] = bpf_htons(spec->source & 0xffff);
	half[8] = bpf_htons(spec->destination >> 16);
	half[9] = bpf_htons(spec->destination & 0xffff);
	return 0;
}

static __always_inline void write_v6_address(__u16 *half, __u32 low)
{
	half[0] = bpf_htons(V6_PREFIX_HIGH >> 16);
	half[1] = bpf_htons(V6_PREFIX_HIGH & 0xffff);
	half[2] = half[3] = half[4] = half[5] = 0;
	half[6] = bpf_htons(low >> 16);
	half[7] = bpf_htons(low & 0xffff);
}

static __always_inline int write_ipv6(__u8 *frame, const void *end, const struct frame_spec *spec)
{
	__u16 *half = (__u16 *)(frame + ETHERNET_BYTES);

	if ((const void *)(frame + ETHERNET_BYTES + IPV6_BYTES) > end)
		return -1;
	*(__u16 *)(frame + 12) = bpf_htons(ETHERTYPE_IPV6);
	half[0] = bpf_htons(0x6000);
	half[1] = 0;
	half[2] = bpf_htons(spec->size - ETHERNET_BYTES - IPV6_BYTES);
	half[3] = bpf_htons(PROTOCOL_NONE << 8 | 64);
	write_v6_address(half + 4, spec->source);
	write_v6_address(half + 12, spec->destination);
	return 0;
}

static __always_inline void count_burst(struct generate_state *state)
{
	if (++state->burst > state->burst_max)
		state->burst_max = state->burst;
}

SEC("xdp")
int generate(struct xdp_md *ctx)
{
	__u32 zero = 0;
	struct frame_spec spec;
	struct generate_state *state = bpf_map_lookup_elem(&state_map, &zero);

	if (!state)
		return XDP_ABORTED;
	if (state->calls++ % config.batch == 0)
		state->burst = 0;
	if (state->stop)
		return XDP_DROP;
	if (!state->start_ns)
		state->start_ns = bpf_ktime_get_ns();
	if (state->sent >= config.count) {
		if (!state->done)
			state->end_ns = bpf_ktime_get_ns();
		state->done = 1;
		return XDP_DROP;
	}
	if (config.interval && !is_due(state))
		return XDP_DROP;
	specify(config.first + state->sent * config.stride, &spec);
	if (config.sequence.size_span > 1) {
		__u32 size_max = config.sequence.size_min + config.sequence.size_span - 1;

		/* The kernel gives every recycled page its full length back. */
		if (bpf_xdp_adjust_tail(ctx, -(int)(size_max - spec.size)))
			return XDP_ABORTED;
	}
	__u8 *frame = (__u8 *)(long)ctx->data;
	const void *end = (const void *)(long)ctx->data_end;

	if (spec.v6 ? write_ipv6(frame, end, &spec) : write_ipv4(frame, end, &spec))
		return XDP_ABORTED;
	state->sent++;
	state->bytes += spec.size;
	count_burst(state);
	return bpf_redirect(config.ifindex, 0);
}

char _license[] SEC("license") = "GPL";
