/* SPDX-License-Identifier: Apache-2.0 */
/*
 * tc filters for kernels without tcx: a clsact queueing discipline and a filter on each side of it. Unlike a link they
 * stay when their maker dies, so each bears its maker's number, and whoever comes next takes dead ones away.
 */
#ifndef TC_ATTACH_CLSACT_H
#define TC_ATTACH_CLSACT_H

#include <stdint.h>

/* Claims a number of our own: an abstract socket of that name, which the kernel frees when we die. 0, or -errno. */
int clsact_claim(uint32_t *handle);

/* Puts a program on one side of an interface, with a clsact qdisc if it has none. 0, or -errno. */
int clsact_attach(int ifindex, int is_egress, int program, uint32_t handle);

/* Takes our filter away again, and the qdisc if we (or dead ones before us) made it and nobody else uses it. */
void clsact_detach(int ifindex, int is_egress, uint32_t handle);

/* Whether our filter is still on one side of an interface. */
int clsact_hangs(int ifindex, int is_egress, uint32_t handle);

/* Takes away what dead ones left on any interface. */
void clsact_sweep(uint32_t handle);

#endif
