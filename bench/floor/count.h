/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The sensor's capture thread without WebAssembly and without JavaScript: the sandbox's own sources, built natively,
 * over the same rings. What the sensor's thread costs beyond this is what sandboxing costs.
 */
#ifndef SPARSEWIRE_FLOOR_COUNT_H
#define SPARSEWIRE_FLOOR_COUNT_H

#include <stdint.h>

#include "socket.h"

/* Where things lie in the memory, as lib/abi.ts lays them out for the sensor. */
struct count_layout {
	uint64_t memory_bytes;
	uint32_t heap_offset, heap_bytes, log_entries, link_budget, address_budget;
	uint32_t rings_offset, umem_offset;
};

/* Reads "name=value,..." of every field above; exits with 2 when one is missing. */
struct count_layout count_layout_of(const char *text);

/* Reserves the memory; the socket's rings and UMEM go into it. */
void count_reserve(const struct count_layout *layout, struct socket_options *socket);

/* Gives the socket's rings to the sandbox. */
void count_start(const struct count_layout *layout, const struct xdp_socket *socket);

/* One breath, a seal each second in the same slices as the sensor's, slots freed at once. Returns frames taken. */
uint32_t count_breathe(uint32_t max, uint64_t now_ns);

/* Packets counted so far. */
uint64_t count_packets(void);

#endif
