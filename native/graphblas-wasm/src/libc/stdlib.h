// SPDX-License-Identifier: Apache-2.0
/* The part of <stdlib.h> that upstream ZSTD needs: allocation, from our own heap (heap.c). */
#ifndef SPARSEWIRE_STDLIB_H
#define SPARSEWIRE_STDLIB_H
#include <stddef.h>
void *malloc(size_t bytes);
void *calloc(size_t count, size_t bytes);
void free(void *block);
#endif
