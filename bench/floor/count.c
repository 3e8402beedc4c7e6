// SPDX-License-Identifier: Apache-2.0
#include "count.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>

#include "../../native/sandbox/exports.h"

/* The sensor's: entries merged between two breaths of a seal. */
#define SEAL_SLICE 32768
#define INTERVAL_NS 1000000000ull

u8 *sw_memory;

static uint64_t interval;
static int sealing;

static uint64_t field(const char *text, const char *name)
{
	const char *at = strstr(text, name);

	if (!at || at[strlen(name)] != '=') {
		fprintf(stderr, "floor: --count lacks %s\n", name);
		exit(2);
	}
	return strtoull(at + strlen(name) + 1, NULL, 10);
}

struct count_layout count_layout_of(const char *text)
{
	return (struct count_layout){
		.memory_bytes = field(text, "memory"),
		.heap_offset = field(text, "heap"),
		.heap_bytes = field(text, "size"),
		.log_entries = field(text, "log"),
		.link_budget = field(text, "links"),
		.address_budget = field(text, "addresses"),
		.rings_offset = field(text, "rings"),
		.umem_offset = field(text, "umem"),
	};
}

void count_reserve(const struct count_layout *layout, struct socket_options *socket)
{
	const size_t huge = 2u << 20;
	uint8_t *memory = mmap(NULL, layout->memory_bytes + huge, PROT_READ | PROT_WRITE,
			       MAP_PRIVATE | MAP_ANONYMOUS | MAP_NORESERVE, -1, 0);

	if (memory == MAP_FAILED) {
		perror("floor: memory of --count");
		exit(1);
	}
	sw_memory = (uint8_t *)(((uintptr_t)memory + huge - 1) & ~(uintptr_t)(huge - 1));
	socket->rings_at = sw_memory + layout->rings_offset;
	socket->umem_at = sw_memory + layout->umem_offset;
}

static u32 offset_of(const void *pointer)
{
	return (u32)((const u8 *)pointer - sw_memory);
}

static void refuse(const char *what, int code)
{
	fprintf(stderr, "floor: the sandbox refused its %s (%d)\n", what, code);
	exit(1);
}

void count_start(const struct count_layout *layout, const struct xdp_socket *s)
{
	struct control *control = sw_control();

	control->abi_version = SW_ABI_VERSION;
	control->memory_pages = layout->memory_bytes >> 16;
	control->heap_offset = layout->heap_offset;
	control->heap_bytes = layout->heap_bytes;
	control->log_entries = layout->log_entries;
	control->link_budget = layout->link_budget;
	control->address_budget = layout->address_budget;
	control->table_key = 0x9e3779b97f4a7c15ull;
	control->queue_count = 1;
	struct queue *queue = &control->queues[0];

	queue->rx_producer = offset_of(s->rx.producer);
	queue->rx_consumer = offset_of(s->rx.consumer);
	queue->rx_flags = offset_of(s->rx.flags);
	queue->rx_descriptors = offset_of(s->rx.descriptors);
	queue->rx_size = s->rx.size;
	queue->fill_producer = offset_of(s->fill.producer);
	queue->fill_consumer = offset_of(s->fill.consumer);
	queue->fill_flags = offset_of(s->fill.flags);
	queue->fill_descriptors = offset_of(s->fill.descriptors);
	queue->fill_size = s->fill.size;
	queue->umem_offset = offset_of(s->umem);
	queue->umem_bytes = s->chunks * s->chunk_bytes;
	queue->chunk_bytes = s->chunk_bytes;
	queue->link_type = 1;
	int result = init();

	if (result)
		refuse("configuration", result);
	/* The sandbox fills the ring itself. */
	__atomic_store_n(s->fill.producer, *s->fill.consumer, __ATOMIC_RELEASE);
	result = queue_start(0);
	if (result)
		refuse("rings", result);
}

static void seal(uint64_t now_ns)
{
	if (!sealing) {
		if (interval == 0)
			interval = now_ns / INTERVAL_NS;
		if (now_ns / INTERVAL_NS == interval || seal_begin(SW_SEAL_CLOCK))
			return;
		interval = now_ns / INTERVAL_NS;
		sealing = 1;
	}
	if (seal_step(SEAL_SLICE) == 0)
		return;
	sealing = 0;
	for (u32 i = 0; i < SW_SLOTS; i++) {
		u32 *state = &sw_control()->slots[i].state;

		if (__atomic_load_n(state, __ATOMIC_ACQUIRE) == SW_SLOT_READY)
			__atomic_store_n(state, SW_SLOT_FREE, __ATOMIC_RELEASE);
	}
}

uint32_t count_breathe(uint32_t max, uint64_t now_ns)
{
	seal(now_ns);
	uint32_t taken = breathe(max);

	return taken || !sealing ? taken : 1;
}

uint64_t count_packets(void)
{
	return sw_control()->counters[SW_COUNTER_PACKETS];
}
