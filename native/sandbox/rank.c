/* SPDX-License-Identifier: Apache-2.0 */
/* Addresses by hash, links by rank. See rank.h. */
#include "rank.h"

/* Entries sorted at a time at least, however short the slices are: short runs would have to be merged too often. */
enum { CHUNK_MIN = 4096 };
static u32 chunk_most(u32 most) { return min32(most < CHUNK_MIN ? CHUNK_MIN : most, sw_store.log_entries); }

static void write_link(struct writer *out, u64 key, u32 packets, u64 bytes) {
  if (out->position == SW_BLOCK_LINKS) writer_extend(out);
  struct block *block = pool_block(out->tail);
  block->keys[out->position] = key;
  block->packets[out->position] = packets;
  block->bytes[out->position++] = bytes;
  out->n++;
}

u32 rank_hashes(struct ranking *ranking, const struct dictionary *dictionary, u32 most) {
  u32 start = ranking->done, end = min32(dictionary->n, start + chunk_most(most)), n = 0;
  for (u32 id = start; id < end; id++) {
    if (dictionary->canonical[id] != id) continue;
    sw_store.gather_keys[n] = dictionary->hashes[id];
    sw_store.gather_values[n++] = id;
  }
  struct sorted sorted = sort_log(sw_store.gather_keys, sw_store.gather_values, n);
  struct writer out = writer_open();
  for (u32 i = 0; i < n; i++) write_link(&out, sorted.keys[i], sorted.values[i], 0);
  links_push(&ranking->links, &out);
  ranking->done = end;
  return end - start;
}

u32 rank_addresses(struct ranking *ranking, const struct dictionary *dictionary, struct dict_record *records,
                   u32 most) {
  struct reader *reader = &ranking->reader;
  u32 n = min32(reader_available(reader), most);
  const struct block *block = pool_block(reader->block);
  for (u32 i = 0; i < n; i++) {
    u32 place = reader->position + i, id = block->packets[place], rank = ranking->done + i;
    records[rank].index = block->keys[place];
    records[rank].address[0] = dictionary->addresses[2 * id];
    records[rank].address[1] = dictionary->addresses[2 * id + 1];
    sw_store.ranks[id] = rank;
  }
  ranking->done += n;
  reader_advance(reader, n);
  return n;
}

/* The blocks of the current chunk of links; a place is number in here * SW_BLOCK_LINKS + position. */
static u32 chunk_blocks[SW_LOG_ENTRIES_MAX / SW_BLOCK_LINKS + 3];

/* Fills the gather arrays with the next n links under ranks, and their places. */
static void gather_links(const struct reader *reader, u32 n) {
  const u32 *ranks = sw_store.ranks;
  u32 done = 0, from = reader->position, number = 0;
  for (u32 block = reader->block; done < n; block = pool_next(block), from = 0, number++) {
    const struct block *links = pool_block(block);
    u32 count = min32(n - done, SW_BLOCK_LINKS - from);
    for (u32 i = 0; i < count; i++) {
      u64 key = links->keys[from + i];
      sw_store.gather_keys[done + i] = (u64)ranks[key >> 32] << 32 | ranks[key & 0xffffffff];
      sw_store.gather_values[done + i] = number * SW_BLOCK_LINKS + from + i;
    }
    chunk_blocks[number] = block;
    done += count;
  }
}

u32 rank_links(struct ranking *ranking, u32 most) {
  struct reader *reader = &ranking->reader;
  u32 n = min32(chunk_most(most), reader->left);
  gather_links(reader, n);
  struct sorted sorted = sort_log(sw_store.gather_keys, sw_store.gather_values, n);
  struct writer out = writer_open();
  for (u32 i = 0; i < n; i++) {
    const struct block *from = pool_block(chunk_blocks[sorted.values[i] / SW_BLOCK_LINKS]);
    u32 place = sorted.values[i] % SW_BLOCK_LINKS;
    write_link(&out, sorted.keys[i], from->packets[place], from->bytes[place]);
  }
  for (u32 left = n; left != 0;) {
    u32 step = min32(left, reader_available(reader));
    reader_advance(reader, step);
    left -= step;
  }
  links_push(&ranking->links, &out);
  return n;
}
