/* SPDX-License-Identifier: Apache-2.0 */
/* Runs of links in pooled blocks: fold, resumable merge. See run.h for shapes and bounds. */
#include "run.h"

static struct {
  u32 offset, next, free;
} pool;

u64 sw_merges;

void pool_init(u32 offset, u32 next, u32 blocks) {
  u32 *links = at(next);
  pool.offset = offset;
  pool.next = next;
  pool.free = 0;
  for (u32 i = 0; i < blocks; i++) links[i] = i + 1 < blocks ? i + 1 : NO_BLOCK;
}

struct block *pool_block(u32 block) { return at(pool.offset + block * (u32)sizeof(struct block)); }

u32 pool_next(u32 block) { return ((u32 *)at(pool.next))[block]; }

static void pool_link(u32 block, u32 next) { ((u32 *)at(pool.next))[block] = next; }

/* Last in, first out: the block that is handed out was touched last, and memory in use stays what is needed. */
static u32 pool_take(void) {
  u32 block = pool.free;
  if (block == NO_BLOCK) __builtin_trap(); /* the bound in run.h is broken: a defect, stop before it corrupts */
  pool.free = pool_next(block);
  pool_link(block, NO_BLOCK);
  return block;
}

void pool_free(u32 block) {
  pool_link(block, pool.free);
  pool.free = block;
}

struct writer writer_open(void) {
  u32 block = pool_take();
  return (struct writer){.head = block, .tail = block};
}

void writer_extend(struct writer *writer) {
  u32 block = pool_take();
  pool_link(writer->tail, block);
  writer->tail = block;
  writer->position = 0;
}

static struct run writer_close(struct writer *writer) { return (struct run){.head = writer->head, .n = writer->n}; }

void links_push(struct links *links, struct writer *writer) {
  if (writer->n == 0) {
    pool_free(writer->head);
    return;
  }
  if (links->count == SW_RUNS_MAX) links_merge(links, 0xffffffff, 1);
  links->runs[links->count++] = writer_close(writer);
  links->held += writer->n;
}

/* Hides a mask from the compiler, which would make a select of it, and V8 a branch of that. */
SW_INLINE u64 opaque(u64 mask) {
  __asm__("" : "+r"(mask));
  return mask;
}

/* Folds n > 0 sorted keys into `block` from `position` on; they must fit, and the link before belongs to another key.
 * Returns the position after the last link. Branch-free: whether a key repeats is as good as random on real traffic. */
static u32 fold_stretch(struct block *block, u32 position, const u64 *keys, const u32 *lengths, u32 n) {
  u64 current = keys[0], bytes = 0;
  u32 packets = 0;
  for (u32 i = 0; i < n; i++) {
    u64 key = keys[i];
    u32 is_new = key != current;
    u64 keep = opaque((u64)is_new - 1);
    position += is_new;
    packets = (packets & (u32)keep) + 1;
    bytes = (bytes & keep) + lengths[i];
    block->keys[position] = key;
    block->packets[position] = packets;
    block->bytes[position] = bytes;
    current = key;
  }
  return position + 1;
}

void links_fold(struct links *links, const u64 *keys, const u32 *lengths, u32 n) {
  if (n == 0) return;
  struct writer out = writer_open();
  for (u32 i = 0; i < n;) {
    struct block *block = pool_block(out.tail);
    u32 room = SW_BLOCK_LINKS - out.position, start = out.position;
    u32 stretch = min32(n - i, room);
    u32 end = fold_stretch(block, start, keys + i, lengths + i, stretch);
    i += stretch;
    /* The last link may go on beyond the stretch. */
    for (; i < n && keys[i] == keys[i - 1]; i++) {
      block->packets[end - 1]++;
      block->bytes[end - 1] += lengths[i];
    }
    out.n += end - start;
    out.position = end;
    if (out.position == SW_BLOCK_LINKS && i < n) writer_extend(&out);
  }
  links_push(links, &out);
}

static struct reader reader_of(struct run run) { return (struct reader){.block = run.head, .left = run.n}; }

u32 reader_available(const struct reader *reader) { return min32(reader->left, SW_BLOCK_LINKS - reader->position); }

void reader_advance(struct reader *reader, u32 n) {
  reader->position += n;
  reader->left -= n;
  if (reader->left != 0 && reader->position < SW_BLOCK_LINKS) return;
  u32 next = pool_next(reader->block);
  pool_free(reader->block);
  reader->block = next;
  reader->position = 0;
}

/* Merges from position o of `out` until an input block is read, the output is at o_end, or one side is at its end.
 * Branch-free: which side comes next cannot be predicted. Returns the links written. */
static u32 merge_blocks(struct links *links, struct block *out, u32 o, u32 o_end) {
  struct reader *left = &links->merge.a, *right = &links->merge.b;
  const struct block *a = pool_block(left->block), *b = pool_block(right->block);
  u32 i = left->position, i_end = i + reader_available(left);
  u32 j = right->position, j_end = j + reader_available(right), o_start = o;
  while (i < i_end && j < j_end && o < o_end) {
    /* As many steps as no bound can be crossed in: each reads at most one link of each side. */
    u32 safe = min32(min32(i_end - i, j_end - j), o_end - o);
    for (u32 step = 0; step < safe; step++) {
      u64 x = a->keys[i], y = b->keys[j];
      u32 from_a = x <= y, from_b = y <= x;
      u64 mask_a = opaque(-(u64)from_a), mask_b = opaque(-(u64)from_b);
      out->keys[o] = y ^ ((x ^ y) & mask_a);
      out->packets[o] = (a->packets[i] & (u32)mask_a) + (b->packets[j] & (u32)mask_b);
      out->bytes[o] = (a->bytes[i] & mask_a) + (b->bytes[j] & mask_b);
      i += from_a;
      j += from_b;
      o++;
    }
  }
  u32 read_a = i - left->position, read_b = j - right->position;
  links->held -= read_a + read_b - (o - o_start);
  if (read_a != 0) reader_advance(left, read_a);
  if (read_b != 0) reader_advance(right, read_b);
  return o - o_start;
}

/* Copies links of one side when the other is at its end. Returns the links written. */
static u32 copy_rest(struct reader *from, struct block *out, u32 o, u32 o_end) {
  const struct block *block = pool_block(from->block);
  u32 n = min32(reader_available(from), o_end - o), p = from->position;
  __builtin_memcpy(out->keys + o, block->keys + p, n * sizeof *out->keys);
  __builtin_memcpy(out->packets + o, block->packets + p, n * sizeof *out->packets);
  __builtin_memcpy(out->bytes + o, block->bytes + p, n * sizeof *out->bytes);
  reader_advance(from, n);
  return n;
}

static u32 merge_step(struct links *links, u32 most) {
  struct merge *merge = &links->merge;
  struct writer *out = &merge->out;
  if (out->position == SW_BLOCK_LINKS) writer_extend(out);
  struct block *block = pool_block(out->tail);
  u32 end = out->position + min32(SW_BLOCK_LINKS - out->position, most), written;
  if (merge->a.left == 0) written = copy_rest(&merge->b, block, out->position, end);
  else if (merge->b.left == 0) written = copy_rest(&merge->a, block, out->position, end);
  else written = merge_blocks(links, block, out->position, end);
  out->position += written;
  out->n += written;
  return written;
}

static void merge_end(struct links *links) {
  struct merge *merge = &links->merge;
  links->runs[merge->below] = writer_close(&merge->out);
  for (u32 i = merge->below + 1; i + 1 < links->count; i++) links->runs[i] = links->runs[i + 1];
  links->count--;
  merge->active = 0;
  sw_merges++;
}

/* Chooses the next two runs to merge, the topmost pair that is out of proportion first. Returns 0 if there is none. */
static int merge_begin(struct links *links, int all) {
  struct merge *merge = &links->merge;
  u32 below = links->count;
  for (u32 i = links->count; i-- > 1 && below == links->count;)
    if (links->runs[i - 1].n / 2 < links->runs[i].n) below = i - 1;
  if (below == links->count) {
    if (!all || links->count < 2) return 0;
    below = links->count - 2;
  }
  merge->below = below;
  merge->a = reader_of(links->runs[below]);
  merge->b = reader_of(links->runs[below + 1]);
  merge->out = writer_open();
  merge->active = 1;
  return 1;
}

u32 links_merge(struct links *links, u32 links_max, int all) {
  u32 done = 0;
  while (done < links_max) {
    if (!links->merge.active && !merge_begin(links, all)) break;
    done += merge_step(links, links_max - done);
    if (links->merge.a.left == 0 && links->merge.b.left == 0) merge_end(links);
  }
  return done;
}

struct reader links_take(struct links *links) {
  if (links->count == 0) return (struct reader){.block = NO_BLOCK};
  struct run run = links->runs[--links->count];
  links->held -= run.n;
  return reader_of(run);
}
