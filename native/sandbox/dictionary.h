/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The address dictionary of one interval: IPv6 address -> dense id -> 60-bit index.
 *
 * An entry is {address[16], hash, canonical}. hash is the index in the matrix: SipHash-2-4 of the address under
 * control.hash_key, masked to 60 bits. canonical is the id of the first address with that hash: of a second one (a
 * collision, counted) packets are counted under the first's index. The table is open addressing, at most half full;
 * an entry's slot is its hash mixed with a key drawn at start, so that nobody can aim addresses at one slot.
 */
#ifndef SPARSEWIRE_DICTIONARY_H
#define SPARSEWIRE_DICTIONARY_H

#include "memory.h"

enum { NO_ENTRY = 0 };

struct dictionary {
  u64 *addresses; /* u64[2 * capacity]: as in the packet */
  u64 *hashes;    /* u64[capacity] */
  u32 *canonical; /* u32[capacity] */
  u32 *table;     /* u32[1 << table_bits]: id + 1, 0 = empty */
  u32 table_bits;
  u32 n;          /* entries, colliding ones included */
};

/* Takes over the keys from the control block. */
void dictionary_keys(void);

/* Narrows the index, so that tests meet collisions; the product never calls it (the linker drops it). */
void dictionary_mask(u64 mask);

/* Ids of n pairs of addresses (32 bytes each: source, destination), as source id << 32 | destination id. The caller
 * sees to it that 2 * n entries have room. */
void dictionary_ids(struct dictionary *dictionary, const u64 *pairs, u64 *links, u32 n);

/* Empties the table slots of entries first .. first + n (all of them must be cleared before reuse). */
void dictionary_clear(struct dictionary *dictionary, u32 first, u32 n);

extern u64 sw_collisions; /* since init() */

#endif
