/* SPDX-License-Identifier: Apache-2.0 */
/* Mode host: records of BPF ring buffers as a source of packets. */
#ifndef SPARSEWIRE_HOST_H
#define SPARSEWIRE_HOST_H

#include "store.h"

/* Back to the start, at init(). */
void host_init(void);

/* Takes records of all rings until `most` packets have been counted or nothing is left. Returns the packets. */
u32 host_take(u32 most);

#endif
