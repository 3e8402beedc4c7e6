/* SPDX-License-Identifier: Apache-2.0 */
/* The address dictionary: SipHash-2-4 two lanes at a time, open addressing. See dictionary.h. */
#include "dictionary.h"

/* Source and destination are hashed side by side, one in each lane. */
typedef u64 lanes __attribute__((vector_size(16)));

static struct {
  u64 hash0, hash1; /* SipHash key */
  u64 mask;         /* of the index; 60 bits but for tests of collisions */
  u64 table_xor, table_odd1, table_odd2;
} keys;

u64 sw_collisions;

#define INDEX_MASK (((u64)1 << 60) - 1)

void dictionary_keys(void) {
  const struct control *control = sw_control();
  keys.hash0 = control->hash_key[0];
  keys.hash1 = control->hash_key[1];
  keys.mask = INDEX_MASK;
  keys.table_xor = control->table_key;
  keys.table_odd1 = (control->table_key * 0x9e3779b97f4a7c15u) | 1;
  keys.table_odd2 = (control->table_key ^ 0xd1342543de82ef95u) | 1;
}

void dictionary_mask(u64 mask) { keys.mask = mask; }

#define ROTATE(x, n) (((x) << (n)) | ((x) >> (64 - (n))))
#define SIP_ROUND(v0, v1, v2, v3)                    \
  do {                                               \
    v0 += v1; v2 += v3;                              \
    v1 = ROTATE(v1, 13) ^ v0; v3 = ROTATE(v3, 16) ^ v2; \
    v0 = ROTATE(v0, 32);                             \
    v2 += v1; v0 += v3;                              \
    v1 = ROTATE(v1, 17) ^ v2; v3 = ROTATE(v3, 21) ^ v0; \
    v2 = ROTATE(v2, 32);                             \
  } while (0)

/* SipHash-2-4 (Aumasson and Bernstein, 2012) of two 16-byte messages, given as little-endian words. */
static lanes siphash(lanes word0, lanes word1) {
  const lanes length = {(u64)16 << 56, (u64)16 << 56};
  lanes v0 = (lanes){0, 0} + (keys.hash0 ^ 0x736f6d6570736575u);
  lanes v1 = (lanes){0, 0} + (keys.hash1 ^ 0x646f72616e646f6du);
  lanes v2 = (lanes){0, 0} + (keys.hash0 ^ 0x6c7967656e657261u);
  lanes v3 = (lanes){0, 0} + (keys.hash1 ^ 0x7465646279746573u);
  const lanes words[3] = {word0, word1, length};
  for (int i = 0; i < 3; i++) {
    v3 ^= words[i];
    SIP_ROUND(v0, v1, v2, v3);
    SIP_ROUND(v0, v1, v2, v3);
    v0 ^= words[i];
  }
  v2 ^= (lanes){0xff, 0xff};
  for (int i = 0; i < 4; i++) SIP_ROUND(v0, v1, v2, v3);
  return v0 ^ v1 ^ v2 ^ v3;
}

/* Multiplications by secret odd numbers (multiply-shift hashing), twice because linear probing is sensitive. */
static u32 slot_of(const struct dictionary *dictionary, u64 hash) {
  u64 mixed = (hash ^ keys.table_xor) * keys.table_odd1;
  mixed = (mixed ^ mixed >> 32) * keys.table_odd2;
  return (u32)(mixed >> (64 - dictionary->table_bits));
}

static void insert(struct dictionary *dictionary, u32 slot, u64 hash, u64 word0, u64 word1, u32 canonical) {
  u32 id = dictionary->n++;
  dictionary->addresses[2 * id] = word0;
  dictionary->addresses[2 * id + 1] = word1;
  dictionary->hashes[id] = hash;
  dictionary->canonical[id] = canonical == NO_ENTRY ? id : canonical - 1;
  dictionary->table[slot] = id + 1;
}

/* The entry of an address, made if there is none. */
static u32 entry_of(struct dictionary *dictionary, u64 hash, u64 word0, u64 word1) {
  u32 mask = ((u32)1 << dictionary->table_bits) - 1, first = NO_ENTRY;
  for (u32 slot = slot_of(dictionary, hash);; slot = (slot + 1) & mask) {
    u32 entry = dictionary->table[slot];
    if (entry == NO_ENTRY) {
      sw_collisions += first != NO_ENTRY;
      insert(dictionary, slot, hash, word0, word1, first);
      return dictionary->n - 1;
    }
    u32 id = entry - 1;
    if (dictionary->hashes[id] != hash) continue;
    if (dictionary->addresses[2 * id] == word0 && dictionary->addresses[2 * id + 1] == word1) return id;
    first = dictionary->canonical[id] + 1;
  }
}

/*
 * Entries lately seen, by a cheap keyed mix of the address: most packets need no SipHash. What is found is compared
 * with the whole address, so entries left by other intervals, or aimed at one place by somebody, cost time at most.
 */
enum { RECENT_BITS = 13 };
static u32 recent[1 << RECENT_BITS];

static u32 recent_of(u64 word0, u64 word1) {
  u64 mixed = (word0 ^ keys.table_xor) * keys.table_odd1 ^ (word1 ^ keys.table_odd2) * keys.table_odd2;
  return (u32)((mixed ^ mixed >> 32) * keys.table_odd1 >> (64 - RECENT_BITS));
}

static int is_entry(const struct dictionary *dictionary, u32 id, u64 word0, u64 word1) {
  return id < dictionary->n && dictionary->addresses[2 * id] == word0 && dictionary->addresses[2 * id + 1] == word1;
}

/* Entries of the n <= BATCH addresses (16 bytes each) that were not among the recent ones; `which` are their numbers.
 * All hashes first, and a look at each slot, so that the cache misses of a batch overlap. */
enum { BATCH = 64 };
static void look_up(struct dictionary *dictionary, const u64 *addresses, const u32 *which, u32 n, u32 *ids) {
  u64 hashes[BATCH + 1];
  u32 touched = 0;
  for (u32 i = 0; i < n; i += 2) {
    const u64 *a = addresses + 2 * which[i], *b = i + 1 < n ? addresses + 2 * which[i + 1] : a;
    lanes hash = siphash((lanes){a[0], b[0]}, (lanes){a[1], b[1]});
    hashes[i] = hash[0] & keys.mask;
    hashes[i + 1] = hash[1] & keys.mask;
    touched ^= dictionary->table[slot_of(dictionary, hashes[i])];
    touched ^= dictionary->table[slot_of(dictionary, hashes[i + 1])];
  }
  __asm__ volatile("" ::"r"(touched));
  for (u32 i = 0; i < n; i++) {
    const u64 *address = addresses + 2 * which[i];
    u32 id = entry_of(dictionary, hashes[i], address[0], address[1]);
    recent[recent_of(address[0], address[1])] = id;
    ids[which[i]] = dictionary->canonical[id];
  }
}

void dictionary_ids(struct dictionary *dictionary, const u64 *pairs, u64 *links, u32 n) {
  for (u32 start = 0; start < n; start += BATCH / 2) {
    const u64 *addresses = pairs + 4 * start;
    u32 count = 2 * min32(n - start, BATCH / 2), ids[BATCH], missed[BATCH], missed_n = 0;
    for (u32 i = 0; i < count; i++) {
      u64 word0 = addresses[2 * i], word1 = addresses[2 * i + 1];
      u32 id = recent[recent_of(word0, word1)];
      if (is_entry(dictionary, id, word0, word1)) ids[i] = dictionary->canonical[id];
      else missed[missed_n++] = i;
    }
    look_up(dictionary, addresses, missed, missed_n, ids);
    for (u32 i = 0; i < count; i += 2) links[start + i / 2] = (u64)ids[i] << 32 | ids[i + 1];
  }
}

void dictionary_clear(struct dictionary *dictionary, u32 first, u32 n) {
  u32 mask = ((u32)1 << dictionary->table_bits) - 1;
  for (u32 id = first; id < first + n; id++) {
    u32 slot = slot_of(dictionary, dictionary->hashes[id]);
    /* Entries before this one may be gone from the chain already: look until the entry itself is found. */
    while (dictionary->table[slot] != id + 1) slot = (slot + 1) & mask;
    dictionary->table[slot] = NO_ENTRY;
  }
}
