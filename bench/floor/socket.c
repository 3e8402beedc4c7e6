// SPDX-License-Identifier: Apache-2.0
#include "socket.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/socket.h>
#include <time.h>

#define HUGE_PAGE (2u << 20)
#define PAGE 4096u
#define BIND_RETRIES 50

static void die(const char *what)
{
	fprintf(stderr, "floor: %s: %s\n", what, strerror(errno));
	exit(1);
}

/* At `place`, which is reserved already, or anywhere. */
static uint8_t *allocate_umem(size_t bytes, int huge, uint8_t *place)
{
	uint8_t *memory = place;

	if (!memory)
		memory = mmap(NULL, bytes + HUGE_PAGE, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
	if (memory == MAP_FAILED)
		die("mmap of the UMEM");
	memory = (uint8_t *)(((uintptr_t)memory + HUGE_PAGE - 1) & ~(uintptr_t)(HUGE_PAGE - 1));
	madvise(memory, bytes, huge ? MADV_HUGEPAGE : MADV_NOHUGEPAGE);
	memset(memory, 0, bytes);
	return memory;
}

/* Maps at *place and moves it on, or anywhere when it is NULL. */
static struct ring map_ring(int fd, const struct xdp_ring_offset *offset, uint32_t size, size_t entry, off_t where,
			    uint8_t **place)
{
	size_t bytes = offset->desc + size * entry;
	int flags = MAP_SHARED | MAP_POPULATE | (*place ? MAP_FIXED : 0);
	uint8_t *base = mmap(*place, bytes, PROT_READ | PROT_WRITE, flags, fd, where);

	if (base == MAP_FAILED)
		die("mmap of a ring");
	if (*place)
		*place += (bytes + PAGE - 1) & ~(size_t)(PAGE - 1);
	return (struct ring){
		.producer = (uint32_t *)(base + offset->producer),
		.consumer = (uint32_t *)(base + offset->consumer),
		.flags = (uint32_t *)(base + offset->flags),
		.descriptors = base + offset->desc,
		.size = size,
	};
}

static void set_option(int fd, int name, const void *value, socklen_t bytes, const char *what)
{
	if (setsockopt(fd, SOL_XDP, name, value, bytes))
		die(what);
}

/* A queue whose last owner has just left answers EBUSY for a moment. */
static void bind_queue(int fd, const struct socket_options *options)
{
	struct sockaddr_xdp address = {
		.sxdp_family = AF_XDP,
		.sxdp_flags = options->bind_flags,
		.sxdp_ifindex = options->ifindex,
		.sxdp_queue_id = options->queue,
	};
	struct timespec pause = { .tv_nsec = 20000000 };

	for (int i = 0; bind(fd, (struct sockaddr *)&address, sizeof(address)); i++) {
		if (errno != EBUSY || i == BIND_RETRIES)
			die("bind of the AF_XDP socket");
		nanosleep(&pause, NULL);
	}
}

struct xdp_socket open_xdp_socket(const struct socket_options *options)
{
	struct xdp_socket s = { .chunk_bytes = options->chunk_bytes, .chunks = options->ring_size };
	size_t bytes = (size_t)s.chunks * s.chunk_bytes;
	struct xdp_mmap_offsets offsets;
	socklen_t length = sizeof(offsets);

	s.fd = socket(AF_XDP, SOCK_RAW | SOCK_CLOEXEC, 0);
	if (s.fd < 0)
		die("AF_XDP socket");
	s.umem = allocate_umem(bytes, options->huge, options->umem_at);
	struct xdp_umem_reg region = { .addr = (uintptr_t)s.umem, .len = bytes, .chunk_size = s.chunk_bytes };

	set_option(s.fd, XDP_UMEM_REG, &region, sizeof(region), "XDP_UMEM_REG");
	set_option(s.fd, XDP_UMEM_FILL_RING, &options->ring_size, sizeof(uint32_t), "XDP_UMEM_FILL_RING");
	set_option(s.fd, XDP_UMEM_COMPLETION_RING, &options->ring_size, sizeof(uint32_t), "XDP_UMEM_COMPLETION_RING");
	set_option(s.fd, XDP_RX_RING, &options->ring_size, sizeof(uint32_t), "XDP_RX_RING");
	if (getsockopt(s.fd, SOL_XDP, XDP_MMAP_OFFSETS, &offsets, &length))
		die("XDP_MMAP_OFFSETS");
	uint8_t *place = options->rings_at;

	s.rx = map_ring(s.fd, &offsets.rx, options->ring_size, sizeof(struct xdp_desc), XDP_PGOFF_RX_RING, &place);
	s.fill = map_ring(s.fd, &offsets.fr, options->ring_size, sizeof(uint64_t), XDP_UMEM_PGOFF_FILL_RING, &place);
	for (uint32_t i = 0; i < s.chunks; i++)
		((uint64_t *)s.fill.descriptors)[i] = (uint64_t)i * s.chunk_bytes;
	__atomic_store_n(s.fill.producer, s.chunks, __ATOMIC_RELEASE);
	bind_queue(s.fd, options);
	return s;
}
