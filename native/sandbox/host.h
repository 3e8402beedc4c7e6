/* SPDX-License-Identifier: Apache-2.0 */
/* Mode host: records of BPF ring buffers as a source of packets. */
#ifndef SPARSEWIRE_HOST_H
#define SPARSEWIRE_HOST_H

#include "store.h"

/* Back to the start, at init(). */
void host_init(void);

/* Takes records of all rings until `most` packets have been counted or nothing is left. Returns the packets. */
u32 host_take(u32 most);

/* Whether every ring stands at the first record of the new sampling rate, while a change is under way (rate.h). */
int host_reached(void);

#endif
