// SPDX-License-Identifier: Apache-2.0
/* The part of <string.h> that upstream ZSTD and our own sources need; see string.c. */
#ifndef SPARSEWIRE_STRING_H
#define SPARSEWIRE_STRING_H
#include <stddef.h>
void *memcpy(void *restrict to, const void *restrict from, size_t bytes);
void *memmove(void *to, const void *from, size_t bytes);
void *memset(void *to, int value, size_t bytes);
int memcmp(const void *a, const void *b, size_t bytes);
#endif
