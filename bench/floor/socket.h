/* SPDX-License-Identifier: Apache-2.0 */
/* A bare AF_XDP receive socket: one UMEM, its RX and fill rings, nothing else. */
#ifndef SPARSEWIRE_FLOOR_SOCKET_H
#define SPARSEWIRE_FLOOR_SOCKET_H

#include <linux/if_xdp.h>
#include <stdint.h>

struct ring {
	uint32_t *producer;
	uint32_t *consumer;
	uint32_t *flags;
	void *descriptors;
	uint32_t size;
};

struct xdp_socket {
	int fd;
	uint8_t *umem;
	struct ring rx, fill;
	uint32_t chunk_bytes;
	uint32_t chunks;
};

struct socket_options {
	int ifindex;
	uint32_t queue;
	uint32_t ring_size; /* of RX and fill, a power of two; the UMEM has as many chunks */
	uint32_t chunk_bytes; /* 2048 or 4096 */
	int huge; /* ask for transparent huge pages under the UMEM */
	uint16_t bind_flags; /* XDP_COPY, XDP_ZEROCOPY, XDP_USE_NEED_WAKEUP */
	uint8_t *rings_at, *umem_at; /* where to map them, if anywhere in particular */
};

/* Opens, maps, fills the fill ring and binds; prints one line and exits with 1 when the kernel refuses. */
struct xdp_socket open_xdp_socket(const struct socket_options *options);

#endif
