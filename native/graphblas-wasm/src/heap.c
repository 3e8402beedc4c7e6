// SPDX-License-Identifier: Apache-2.0
/*
 * The allocator of the linear memory: two-level segregated fit (Masmano et al., TLSF, 2004): constant time,
 * free neighbours merge at once, so that a million matrices leave no hole behind. Blocks are in address order
 * from the end of the module's data to the end of memory; memory grows by whole pages, and is bounded by the
 * host, which makes it.
 *
 * A native build (the fuzzer, under ASan) uses malloc in its place, with the same limit.
 */
#include "gb.h"

static u64 live_blocks, live_bytes;

#ifdef __wasm__

#define PAGE 65536u
#define ALIGN 16u
#define HEADER 16u
#define SECOND_BITS 4 /* 16 size classes in each power of two */
#define SECOND (1u << SECOND_BITS)
#define FREE 1u

/* Before each block: its size (payload, a multiple of 16; lowest bit: free) and its lower neighbour. */
typedef struct Block {
  u32 size_flag;
  struct Block *below;
  struct Block *next_free, *previous_free; /* the payload's first bytes, while free */
} Block;

extern u8 __heap_base;
static Block *lists[32][SECOND];
static u32 first_map, second_map[32];
static Block *last; /* the sentinel at the end of memory: size 0, never free */

INLINE u32 size_of(const Block *b) { return b->size_flag & ~FREE; }
INLINE Block *above(Block *b) { return (Block *)((u8 *)b + HEADER + size_of(b)); }

static void class_of(u32 size, u32 *first, u32 *second) {
  *first = 31 - __builtin_clz(size); /* size >= 16 */
  *second = (size >> (*first - SECOND_BITS)) & (SECOND - 1);
}

static void list_add(Block *b) {
  u32 f, s;
  class_of(size_of(b), &f, &s);
  b->size_flag |= FREE;
  b->previous_free = NULL;
  b->next_free = lists[f][s];
  if (b->next_free) b->next_free->previous_free = b;
  lists[f][s] = b;
  first_map |= 1u << f;
  second_map[f] |= 1u << s;
}

static void list_remove(Block *b) {
  u32 f, s;
  class_of(size_of(b), &f, &s);
  if (b->next_free) b->next_free->previous_free = b->previous_free;
  if (b->previous_free)
    b->previous_free->next_free = b->next_free;
  else if (!(lists[f][s] = b->next_free) && !(second_map[f] &= ~(1u << s)))
    first_map &= ~(1u << f);
  b->size_flag &= ~FREE;
}

/* Frees b, merged with free neighbours. */
static void release(Block *b) {
  Block *up = above(b);
  if (up->size_flag & FREE) {
    list_remove(up);
    b->size_flag += size_of(up) + HEADER;
  }
  if (b->below && (b->below->size_flag & FREE)) {
    Block *low = b->below;
    list_remove(low);
    low->size_flag += size_of(b) + HEADER;
    b = low;
  }
  above(b)->below = b;
  list_add(b);
}

/* Cuts b to size; what remains becomes a free block. */
static void split(Block *b, u32 size) {
  u32 rest = size_of(b) - size;
  if (rest < HEADER + ALIGN) return;
  b->size_flag = size | (b->size_flag & FREE);
  Block *tail = above(b);
  tail->size_flag = rest - HEADER;
  tail->below = b;
  above(tail)->below = tail;
  release(tail);
}

static int grow(u32 size) {
  u32 tail = last && (last->below->size_flag & FREE) ? size_of(last->below)
                                                     : 0; /* free at the end already; < size */
  u64 pages = ((u64)size - (tail < size ? tail : 0) + 2 * HEADER + PAGE - 1) / PAGE;
  u32 had = (u32)__builtin_wasm_memory_size(0);
  if (pages > 65536 || had + pages > 65535)
    return 0;                      /* the last page stays unused: end addresses must fit 32 bits */
  u64 generous = pages + had / 16; /* growing is a system call: take a little more, if it is to be had */
  if (had + generous <= 65535 && __builtin_wasm_memory_grow(0, (u32)generous) != (size_t)-1)
    pages = generous;
  else if (__builtin_wasm_memory_grow(0, (u32)pages) == (size_t)-1)
    return 0;
  Block *b = last;
  if (!b) { /* the first growth: the heap starts in what is left of the module's own last page */
    b = (Block *)(((u32)(uintptr_t)&__heap_base + ALIGN - 1) & ~(ALIGN - 1));
    b->below = NULL;
  }
  u8 *end = (u8 *)(uintptr_t)((had + (u32)pages) * PAGE);
  b->size_flag = (u32)(end - (u8 *)b) - 2 * HEADER;
  last = above(b);
  last->size_flag = 0;
  last->below = b;
  release(b);
  return 1;
}

/* A free block of at least size, still in its list; NULL if there is none. */
static Block *find(u32 size) {
  u64 rounded =
      (u64)size + ((1u << (31 - __builtin_clz(size) - SECOND_BITS)) - 1); /* any block of the class fits */
  if (rounded > UINT32_MAX) return NULL;
  u32 f, s;
  class_of((u32)rounded, &f, &s);
  u32 map = second_map[f] & (~0u << s);
  if (!map) {
    u32 firsts = f == 31 ? 0 : first_map & (~0u << (f + 1));
    if (!firsts) return NULL;
    f = __builtin_ctz(firsts);
    map = second_map[f];
  }
  return lists[f][__builtin_ctz(map)];
}

static Block *take(u64 bytes) {
  if (bytes > 0xfff00000u) return NULL;
  u32 size = bytes < ALIGN ? ALIGN : ((u32)bytes + ALIGN - 1) & ~(ALIGN - 1);
  Block *b = find(size);
  if (!b) {
    u32 class_slack = size >> SECOND_BITS; /* so that find() surely sees what was grown */
    if (!grow(size + class_slack) && !grow(size)) return NULL;
    if (!(b = find(size))) {
      b = last->below; /* grown exactly: take it although its class is a mixed one */
      if (!(b->size_flag & FREE) || size_of(b) < size) return NULL;
    }
  }
  list_remove(b);
  split(b, size);
  return b;
}

INLINE Block *block_of(void *payload) { return (Block *)((u8 *)payload - HEADER); }

void *heap_allocate(u64 bytes) {
  Block *b = take(bytes);
  if (!b) return NULL;
  live_blocks++;
  live_bytes += size_of(b);
  return (u8 *)b + HEADER;
}

void heap_free(void *block) {
  if (!block) return;
  Block *b = block_of(block);
  live_blocks--;
  live_bytes -= size_of(b);
  release(b);
}

void heap_shrink(void *block, size_t bytes) {
  Block *b = block_of(block);
  u32 size = bytes < ALIGN ? ALIGN : ((u32)bytes + ALIGN - 1) & ~(ALIGN - 1);
  if (size >= size_of(b)) return;
  live_bytes -= size_of(b);
  split(b, size);
  live_bytes += size_of(b);
}

/* For ZSTD, whose contexts are kept and therefore not counted as in use. */
void *malloc(size_t bytes) {
  Block *b = take(bytes);
  return b ? (u8 *)b + HEADER : NULL;
}

void *calloc(size_t count, size_t bytes) {
  u64 all = (u64)count * bytes;
  void *block = all <= UINT32_MAX ? malloc((size_t)all) : NULL;
  if (block) memset(block, 0, (size_t)all);
  return block;
}

void free(void *block) {
  if (block) release(block_of(block));
}

#else

#include <stdlib.h>
#define LIMIT ((u64)256 << 20)

void *heap_allocate(u64 bytes) {
  if (bytes > LIMIT - live_bytes) return NULL;
  u64 *block = malloc((size_t)bytes + 16);
  if (!block) return NULL;
  block[0] = bytes;
  live_blocks++;
  live_bytes += bytes;
  return block + 2;
}

void heap_free(void *block) {
  if (!block) return;
  u64 *start = (u64 *)block - 2;
  live_blocks--;
  live_bytes -= start[0];
  free(start);
}

void heap_shrink(void *block, size_t bytes) { (void)block, (void)bytes; }

#endif

/* Bytes in live blocks, staging arrays included. */
u64 EXPORT(gb_memory_used)(void) { return live_bytes; }
u64 EXPORT(gb_memory_blocks)(void) { return live_blocks; }
/* Staging arrays for the host: 0 when memory is spent. */
void *EXPORT(gb_allocate)(u64 bytes) { return heap_allocate(bytes); }
void EXPORT(gb_free)(void *block) { heap_free(block); }
