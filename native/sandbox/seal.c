/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Sealing: the closed interval's logs and runs become HyperCSR arrays in a slot.
 *
 * seal_begin() only swaps: the other interval's empty logs take the next packet, microseconds later. Sorting, merging
 * and writing are seal_step()'s, a slice at a time between breaths, through the phases below.
 *
 * IPv6 links are counted under dense ids in order of appearance; the matrix wants them under their 60-bit hashes, in
 * order. So addresses are sorted by hash (with the very machinery of the links: key = hash, "packets" = id), an id's
 * position becomes its rank, the links are rewritten under ranks and sorted again, and rank -> hash is the dictionary.
 *
 * HyperCSR: Ap u64[nvec + 1], Ah u64[nvec] (strictly increasing rows), Aj u64[nvals] (strictly increasing in a row),
 * packets u32[nvals], bytes u64[nvals]. Dictionary: {u64 index; u8 address[16]}, sorted by index.
 */
#include "store.h"

enum phase {
  PHASE_IDLE,
  PHASE_FOLD4,
  PHASE_MERGE4,
  PHASE_EMIT4,
  PHASE_FOLD6,
  PHASE_HASHES,   /* addresses to runs by hash */
  PHASE_RANKS,    /* merge them */
  PHASE_DICT,     /* write ranks and the dictionary */
  PHASE_REWRITE,  /* links to runs by rank */
  PHASE_MERGE6,
  PHASE_EMIT6,
  PHASE_CLEAR,    /* empty the address table */
};

struct dict_record {
  u64 index;
  u64 address[2];
};

/* The seal under way. */
static struct {
  enum phase phase;
  u32 slot;
  struct links links;    /* addresses by hash, then links by rank */
  struct reader reader;  /* of the run that is being written out */
  u32 done;              /* addresses ranked, cleared or written so far */
  u32 nvec, nvals;
  u64 row;               /* last row written */
} seal;

static u64 epoch;

/* Entries sorted at a time at least, however short the slices are: short runs would have to be merged too often. */
enum { CHUNK_MIN = 4096 };
static u32 chunk_most(u32 most) { return min32(most < CHUNK_MIN ? CHUNK_MIN : most, sw_store.log_entries); }

static struct interval *closed_interval(void) { return &sw_store.intervals[sw_store.open ^ 1]; }
static struct slot *slot_of(u32 slot) { return &sw_control()->slots[slot]; }
static u32 slot_state(u32 slot) { return __atomic_load_n(&slot_of(slot)->state, __ATOMIC_ACQUIRE); }

void seal_init(void) {
  __builtin_memset(&seal, 0, sizeof seal);
  epoch = 0;
  for (u32 i = 0; i < SW_SLOTS; i++) {
    const struct slot_arrays *arrays = &sw_store.slots[i];
    struct slot *slot = slot_of(i);
    *slot = (struct slot){.state = SW_SLOT_FREE, .dict = arrays->dict};
    slot->v4 = (struct matrix){
        .ap = arrays->ap4, .ah = arrays->ah4, .aj = arrays->aj4, .packets = arrays->packets4, .bytes = arrays->bytes4};
    slot->v6 = (struct matrix){
        .ap = arrays->ap6, .ah = arrays->ah6, .aj = arrays->aj6, .packets = arrays->packets6, .bytes = arrays->bytes6};
  }
  sw_control()->active_slot = 0;
}

/* Closes the open interval and opens the next. Returns 0, or -1 when the seal before is not finished or no slot is
 * free: nothing has changed then. The slot is control.active_slot. */
SW_EXPORT(seal_begin) int32_t seal_begin(u32 cause) {
  if (seal.phase != PHASE_IDLE) return -1;
  u32 free = 0;
  while (free < SW_SLOTS && slot_state(free) != SW_SLOT_FREE) free++;
  if (free == SW_SLOTS) return -1;
  interval_flush();
  if (cause == SW_SEAL_BUDGET) sw_counts[SW_COUNTER_EARLY_SEALS]++;
  struct slot *slot = slot_of(free);
  slot->cause = cause;
  slot->epoch = epoch++;
  slot->start_ns = sw_window.start_ns;
  slot->end_ns = sw_window.end_ns;
  slot->first_ns = sw_window.first_ns;
  slot->last_ns = sw_window.last_ns;
  interval_counts(slot->counters);
  interval_close();
  seal.phase = PHASE_FOLD4;
  seal.slot = free;
  struct control *control = sw_control();
  control->active_slot = free;
  control->seal_needed = SW_SEAL_NONE;
  __atomic_store_n(&slot->state, SW_SLOT_SEALING, __ATOMIC_RELEASE);
  sw_publish();
  return 0;
}

static void emit_begin(struct reader reader, struct matrix *matrix) {
  seal.reader = reader;
  seal.nvec = seal.nvals = 0;
  seal.row = 0;
  *(u64 *)at(matrix->ap) = 0;
}

/* Writes the links of the current block to HyperCSR, with `names` (rank -> index, 24-byte records) or under their own
 * 32-bit indices. A row's end is stored with each of its links: no branch, the last store is right. */
SW_INLINE void emit_links(const struct matrix *matrix, const struct block *block, u32 from, u32 n,
                          const struct dict_record *names) {
  u64 *ap = at(matrix->ap), *ah = at(matrix->ah), *aj = at(matrix->aj), row = seal.row;
  u32 nvec = seal.nvec, nvals = seal.nvals;
  for (u32 i = 0; i < n; i++) {
    u64 key = block->keys[from + i], key_row = key >> 32, column = key & 0xffffffff;
    nvec += (key_row != row) | (nvec == 0);
    ah[nvec - 1] = names == NULL ? key_row : names[key_row].index;
    ap[nvec] = nvals + i + 1;
    aj[nvals + i] = names == NULL ? column : names[column].index;
    row = key_row;
  }
  __builtin_memcpy((u32 *)at(matrix->packets) + nvals, block->packets + from, n * sizeof(u32));
  __builtin_memcpy((u64 *)at(matrix->bytes) + nvals, block->bytes + from, n * sizeof(u64));
  seal.nvec = nvec;
  seal.nvals = nvals + n;
  seal.row = row;
}

/* Returns the links written; 0 when the matrix is complete. */
static u32 emit(struct matrix *matrix, u32 most, const struct dict_record *names) {
  if (seal.reader.left == 0) {
    matrix->nvec = seal.nvec;
    matrix->nvals = seal.nvals;
    return 0;
  }
  u32 n = min32(reader_available(&seal.reader), most);
  const struct block *block = pool_block(seal.reader.block);
  if (names == NULL) emit_links(matrix, block, seal.reader.position, n, NULL);
  else emit_links(matrix, block, seal.reader.position, n, names);
  reader_advance(&seal.reader, n);
  return n;
}

/* A chunk of dictionary entries, sorted by hash, becomes a run (key = hash, packets = id). Returns entries seen. */
static u32 hash_chunk(u32 most) {
  const struct dictionary *dictionary = &closed_interval()->dictionary;
  u32 end = min32(dictionary->n, seal.done + chunk_most(most)), n = 0;
  u32 seen = end - seal.done;
  for (u32 id = seal.done; id < end; id++) {
    if (dictionary->canonical[id] != id) continue;
    sw_store.gather_keys[n] = dictionary->hashes[id];
    sw_store.gather_values[n++] = id;
  }
  u32 is_moved = sort_log(sw_store.gather_keys, sw_store.gather_values, n);
  const u64 *keys = is_moved ? sw_store.scratch_keys : sw_store.gather_keys;
  const u32 *ids = is_moved ? sw_store.scratch_values : sw_store.gather_values;
  struct writer out = writer_open();
  for (u32 i = 0; i < n; i++) {
    if (out.position == SW_BLOCK_LINKS) writer_extend(&out);
    struct block *block = pool_block(out.tail);
    block->keys[out.position] = keys[i];
    block->packets[out.position] = ids[i];
    block->bytes[out.position++] = 0;
    out.n++;
  }
  links_push(&seal.links, &out);
  seal.done = end;
  return seen;
}

/* Writes dictionary records and ranks of the current block of addresses. Returns records written. */
static u32 dict_chunk(u32 most) {
  const struct dictionary *dictionary = &closed_interval()->dictionary;
  struct dict_record *records = at(sw_store.slots[seal.slot].dict);
  u32 n = min32(reader_available(&seal.reader), most);
  const struct block *block = pool_block(seal.reader.block);
  for (u32 i = 0; i < n; i++) {
    u32 at_block = seal.reader.position + i, id = block->packets[at_block], rank = seal.done + i;
    records[rank].index = block->keys[at_block];
    records[rank].address[0] = dictionary->addresses[2 * id];
    records[rank].address[1] = dictionary->addresses[2 * id + 1];
    sw_store.ranks[id] = rank;
  }
  seal.done += n;
  reader_advance(&seal.reader, n);
  return n;
}

/* Where a link of the current chunk lies: blocks of the chunk in order, and the position in the block. */
static struct {
  u32 blocks[(1 << 22) / SW_BLOCK_LINKS + 3];
} chunk;

/* Takes links from the current run (one log's worth at most), rewrites them under ranks, sorts them and pushes them
 * as a run of their own. Returns links rewritten. */
static u32 rewrite_chunk(u32 most) {
  const u32 *ranks = sw_store.ranks;
  u32 wanted = min32(chunk_most(most), seal.reader.left), n = 0, blocks = 0;
  u32 first = seal.reader.position;
  for (u32 block = seal.reader.block; n < wanted; block = pool_next(block)) {
    const struct block *links = pool_block(block);
    u32 from = blocks == 0 ? first : 0, count = min32(wanted - n, SW_BLOCK_LINKS - from);
    for (u32 i = 0; i < count; i++) {
      u64 key = links->keys[from + i];
      sw_store.gather_keys[n + i] = (u64)ranks[key >> 32] << 32 | ranks[key & 0xffffffff];
      sw_store.gather_values[n + i] = blocks * SW_BLOCK_LINKS + from + i;
    }
    chunk.blocks[blocks++] = block;
    n += count;
  }
  u32 is_moved = sort_log(sw_store.gather_keys, sw_store.gather_values, n);
  const u64 *keys = is_moved ? sw_store.scratch_keys : sw_store.gather_keys;
  const u32 *places = is_moved ? sw_store.scratch_values : sw_store.gather_values;
  struct writer out = writer_open();
  for (u32 i = 0; i < n; i++) {
    if (out.position == SW_BLOCK_LINKS) writer_extend(&out);
    struct block *to = pool_block(out.tail);
    const struct block *from = pool_block(chunk.blocks[places[i] / SW_BLOCK_LINKS]);
    u32 place = places[i] % SW_BLOCK_LINKS;
    to->keys[out.position] = keys[i];
    to->packets[out.position] = from->packets[place];
    to->bytes[out.position++] = from->bytes[place];
    out.n++;
  }
  for (u32 left = n; left != 0;) {
    u32 step = min32(left, reader_available(&seal.reader));
    reader_advance(&seal.reader, step);
    left -= step;
  }
  links_push(&seal.links, &out);
  return n;
}

/* Whether `links` has become one run; merges up to `most` links towards that. */
static int merge_to_one(struct links *links, u32 most, u32 *work) {
  *work += links_merge(links, most, 1);
  return !links_is_split(links);
}

static void publish_slot(void) {
  struct slot *slot = slot_of(seal.slot);
  seal.phase = PHASE_IDLE;
  __atomic_store_n(&slot->state, SW_SLOT_READY, __ATOMIC_RELEASE);
}

/* One slice of one phase, at most about `most` entries of work; returns the work done. */
static u32 advance(u32 most) {
  struct interval *closed = closed_interval();
  struct slot *slot = slot_of(seal.slot);
  u32 work = 0;
  switch (seal.phase) {
    case PHASE_IDLE: break;
    case PHASE_FOLD4:
      work = closed->log4.n;
      interval_fold(&closed->log4, &closed->links4);
      seal.phase = PHASE_MERGE4;
      break;
    case PHASE_MERGE4:
      if (!merge_to_one(&closed->links4, most, &work)) break;
      emit_begin(links_take(&closed->links4), &slot->v4);
      seal.phase = PHASE_EMIT4;
      break;
    case PHASE_EMIT4:
      work = emit(&slot->v4, most, NULL);
      if (work == 0) seal.phase = PHASE_FOLD6;
      break;
    case PHASE_FOLD6:
      work = closed->log6.n;
      interval_fold(&closed->log6, &closed->links6);
      seal.done = 0;
      seal.phase = PHASE_HASHES;
      break;
    case PHASE_HASHES:
      work = hash_chunk(most);
      if (seal.done == closed->dictionary.n) seal.phase = PHASE_RANKS;
      break;
    case PHASE_RANKS:
      if (!merge_to_one(&seal.links, most, &work)) break;
      seal.reader = links_take(&seal.links);
      seal.done = 0;
      seal.phase = PHASE_DICT;
      break;
    case PHASE_DICT:
      if (seal.reader.left != 0) work = dict_chunk(most);
      if (seal.reader.left != 0) break;
      slot->dict_count = seal.done;
      seal.phase = PHASE_REWRITE;
      break;
    case PHASE_REWRITE:
      if (seal.reader.left != 0) {
        work = rewrite_chunk(most);
      } else if (closed->links6.merge.active) {
        work = links_merge(&closed->links6, most, 0);
      } else if (closed->links6.count != 0) {
        seal.reader = links_take(&closed->links6);
      } else {
        seal.phase = PHASE_MERGE6;
      }
      break;
    case PHASE_MERGE6:
      if (!merge_to_one(&seal.links, most, &work)) break;
      emit_begin(links_take(&seal.links), &slot->v6);
      seal.phase = PHASE_EMIT6;
      break;
    case PHASE_EMIT6:
      work = emit(&slot->v6, most, at(sw_store.slots[seal.slot].dict));
      if (work != 0) break;
      seal.done = 0;
      seal.phase = PHASE_CLEAR;
      break;
    case PHASE_CLEAR:
      work = min32(most, closed->dictionary.n - seal.done);
      dictionary_clear(&closed->dictionary, seal.done, work);
      seal.done += work;
      if (seal.done != closed->dictionary.n) break;
      closed->dictionary.n = 0;
      publish_slot();
      break;
  }
  return work;
}

/* Goes on with the seal for about `max_entries` entries of work (links merged, rewritten or written; a log is folded in
 * one go). Returns 1 when the slot has become ready, 0 while there is more to do, -1 when no seal is under way. */
SW_EXPORT(seal_step) int32_t seal_step(u32 max_entries) {
  if (seal.phase == PHASE_IDLE) return -1;
  u32 left = max_entries == 0 ? 1 : max_entries;
  while (left != 0) {
    u32 work = advance(left);
    left -= min32(work, left);
    if (seal.phase == PHASE_IDLE) return 1;
  }
  return 0;
}
