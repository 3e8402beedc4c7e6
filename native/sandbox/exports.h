/* SPDX-License-Identifier: Apache-2.0 */
/* What the host calls in every module (SW_EXPORT), for native programs that play the host: fuzz targets, the floor. */
#ifndef SPARSEWIRE_EXPORTS_H
#define SPARSEWIRE_EXPORTS_H

#include "store.h"

int32_t init(void);
int32_t queue_start(u32 index);
u32 breathe(u32 max_frames);
int32_t seal_begin(u32 cause);
int32_t seal_step(u32 max_entries);

#endif
