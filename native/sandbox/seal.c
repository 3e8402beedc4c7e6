/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Sealing: the closed interval's logs and runs become HyperCSR arrays in a slot.
 *
 * seal_begin() only swaps: the other interval's empty logs take the next packet, microseconds later. Sorting, merging
 * and writing are seal_step()'s, a slice at a time between breaths, through the phases below.
 */
#include "held.h"
#include "hypercsr.h"
#include "rank.h"
#include "rate.h"

enum phase {
  PHASE_IDLE,
  PHASE_FOLD4,
  PHASE_MERGE4,
  PHASE_WRITE4,
  PHASE_FOLD6,        /* from here on advance6() */
  PHASE_HASHES,       /* addresses to runs by hash */
  PHASE_MERGE_HASHES,
  PHASE_ADDRESSES,    /* their ranks, and the dictionary */
  PHASE_LINKS,        /* links to runs by rank */
  PHASE_MERGE6,
  PHASE_WRITE6,
  PHASE_CLEAR,        /* empty the address table */
};

/* The seal under way. */
static struct {
  enum phase phase;
  u32 slot;
  struct hypercsr csr;
  struct ranking ranking;
} seal;

static u64 epoch; /* number of the next seal */

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
  if (cause == SW_SEAL_RATE) rate_switch();
  struct slot *slot = slot_of(free);
  slot->cause = cause;
  slot->epoch = epoch++;
  held_seal();
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

/* One slice of the IPv4 phases. Returns the work done. */
static u32 advance4(struct interval *closed, struct slot *slot, u32 most) {
  u32 work = 0;
  switch (seal.phase) {
    case PHASE_FOLD4:
      work = closed->log4.n;
      interval_fold(&closed->log4, &closed->links4);
      seal.phase = PHASE_MERGE4;
      break;
    case PHASE_MERGE4:
      if (!merge_to_one(&closed->links4, most, &work)) break;
      hypercsr_begin(&seal.csr, links_take(&closed->links4), &slot->v4);
      seal.phase = PHASE_WRITE4;
      break;
    default:
      work = hypercsr_write(&seal.csr, &slot->v4, most, NULL);
      if (work == 0) seal.phase = PHASE_FOLD6;
      break;
  }
  return work;
}

/* One slice of the IPv6 phases. Returns the work done. */
static u32 advance6(struct interval *closed, struct slot *slot, u32 most) {
  struct ranking *ranking = &seal.ranking;
  struct dictionary *dictionary = &closed->dictionary;
  struct dict_record *records = at(slot->dict);
  u32 work = 0;
  switch (seal.phase) {
    case PHASE_FOLD6:
      work = closed->log6.n;
      interval_fold(&closed->log6, &closed->links6);
      ranking->done = 0;
      seal.phase = PHASE_HASHES;
      break;
    case PHASE_HASHES:
      work = rank_hashes(ranking, dictionary, most);
      if (ranking->done == dictionary->n) seal.phase = PHASE_MERGE_HASHES;
      break;
    case PHASE_MERGE_HASHES:
      if (!merge_to_one(&ranking->links, most, &work)) break;
      ranking->reader = links_take(&ranking->links);
      ranking->done = 0;
      seal.phase = PHASE_ADDRESSES;
      break;
    case PHASE_ADDRESSES:
      if (ranking->reader.left != 0) work = rank_addresses(ranking, dictionary, records, most);
      if (ranking->reader.left != 0) break;
      slot->dict_count = ranking->done;
      seal.phase = PHASE_LINKS;
      break;
    case PHASE_LINKS:
      if (ranking->reader.left != 0) work = rank_links(ranking, most);
      else if (closed->links6.merge.active) work = links_merge(&closed->links6, most, 0);
      else if (closed->links6.count != 0) ranking->reader = links_take(&closed->links6);
      else seal.phase = PHASE_MERGE6;
      break;
    case PHASE_MERGE6:
      if (!merge_to_one(&ranking->links, most, &work)) break;
      hypercsr_begin(&seal.csr, links_take(&ranking->links), &slot->v6);
      seal.phase = PHASE_WRITE6;
      break;
    case PHASE_WRITE6:
      work = hypercsr_write(&seal.csr, &slot->v6, most, records);
      if (work != 0) break;
      ranking->done = 0;
      seal.phase = PHASE_CLEAR;
      break;
    default:
      work = min32(most, dictionary->n - ranking->done);
      dictionary_clear(dictionary, ranking->done, work);
      ranking->done += work;
      if (ranking->done != dictionary->n) break;
      dictionary->n = 0;
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
    u32 work = (seal.phase < PHASE_FOLD6 ? advance4 : advance6)(closed_interval(), slot_of(seal.slot), left);
    left -= min32(work, left);
    if (seal.phase == PHASE_IDLE) return 1;
  }
  return 0;
}
