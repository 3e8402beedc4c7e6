/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Extensions that misbehave, one for each value of CASE: they do it at their second batch (or at a seal), when they are
 * known to run. Every other one of them must go on being exact.
 */
#include "sparsewire_extension.h"

enum {
  OUT_OF_BOUNDS = 1, FILL_FRAMES, LOOP, LOOP_IN_SEAL, GROW, STACK, ROWS, EVENTS, ABSURD_ROWS, DESCRIPTORS, SLOW, VERDICTS,
  ABSURD_LABELS, LOOP_IN_START, TRAP_IN_DESCRIBE, BAD_DESCRIPTION, SCRIBBLE_IO, BOMB, UNREACHABLE, DIVIDE, COPY_OUT,
  ENDLESS_SEAL, WAIT, ABSURD_EVENTS, LATE_SEAL, LABELS,
};

static volatile uint32_t sink, zero;
static uint32_t batches, sealing;
static uint64_t label;

#if CASE == 15 /* TRAP_IN_DESCRIBE */
SW_EXPORT(describe) uint32_t sw_describe(void) { __builtin_trap(); }
SW_EXPORT(start) void sw_set_io(uint32_t io) { sw_io = (struct sw_io *)(uintptr_t)io; }
#elif CASE == 16 /* BAD_DESCRIPTION */
SW_EXPORT(describe) uint32_t sw_describe(void) { return 0xfffffff0u; }
SW_EXPORT(start) void sw_set_io(uint32_t io) { sw_io = (struct sw_io *)(uintptr_t)io; }
#else
SW_EXTENSION("sparsewire/1 row=source:address column=case:number value=frames")
#endif

void sw_start(void) {
  if (CASE == LOOP_IN_START) for (;;) sink++;
}

__attribute__((noinline)) static uint32_t recurse(volatile uint32_t *frame) {
  volatile uint32_t mine[64];
  mine[0] = frame[0] + 1;
  return recurse(mine) + mine[0];
}

static void misbehave(const struct sw_frame *frames, uint32_t count) {
  uint8_t *first = (uint8_t *)(uintptr_t)frames[0].offset;
  uint32_t pages = (uint32_t)__builtin_wasm_memory_size(0), top = (pages - 1) * 65536u;
  switch (CASE) {
    case OUT_OF_BOUNDS: *(volatile uint32_t *)(uintptr_t)(top + 65534u + 65536u) = 1; break;
    case FILL_FRAMES:
      for (uint32_t i = 0; i < count; i++) __builtin_memset((void *)(uintptr_t)(frames[i].offset - 256), 0xff, 1024);
      __builtin_memset(first - 65536, 0xff, 65536);
      break;
    case LOOP: for (;;) sink++;
    case GROW:
      __builtin_wasm_memory_grow(0, 0);
      if (__builtin_wasm_memory_grow(0, 1) != (uintptr_t)-1) __builtin_trap();
      break;
    case STACK: { volatile uint32_t start[1] = {0}; sink = recurse(start); break; }
    case ROWS: for (uint32_t i = 0; i < 100000; i++) sw_row(i, batches, 1); break;
    case EVENTS: for (uint32_t i = 0; i < 5000; i++) sw_event(1, "again", 5); break;
    case ABSURD_ROWS: sw_io->rows_used = 0xffffffffu; break;
    case ABSURD_LABELS: sw_io->labels_used = 0x7fffffffu; break;
    case ABSURD_EVENTS: sw_io->events_used = 0xffff0000u; break;
    case DESCRIPTORS: __builtin_memset((void *)(uintptr_t)frames, 0xee, count * sizeof *frames); break;
    case SLOW: for (uint32_t i = 0; i < 4000000; i++) sink += i; break;
    case VERDICTS: for (uint32_t i = 0; i < sw_io->frames_max; i++) sw_verdict(i, 200 + i); break;
    case SCRIBBLE_IO: __builtin_memset(sw_io, 0x55, 256); break;
    case BOMB: for (uint32_t at = 1 << 20; at < (uint32_t)(uintptr_t)sw_io; at += 4096) *(volatile uint8_t *)(uintptr_t)at = 1; break;
    case UNREACHABLE: __builtin_trap();
    case DIVIDE: sink = count / zero; break;
    case COPY_OUT: __builtin_memcpy((void *)(uintptr_t)(top - 4096), first, 1 << 20); break;
    case WAIT: for (;;) sink = zero; 
    default: break;
  }
}

SW_BATCH(frames, count) {
  for (uint32_t i = 0; i < count; i++) {
    struct sw_packet packet = sw_parse(&frames[i]);
    if (packet.version == 4) sw_row(sw_load32(packet.source), CASE, 1);
  }
  if (++batches > 1) misbehave(frames, count);
}

SW_SEAL() {
  if (CASE == LOOP_IN_SEAL && batches > 1) for (;;) sink++;
  if (CASE == ENDLESS_SEAL && batches > 1) return 1;
  /* No call takes long, all of them take seconds. */
  if (CASE == LATE_SEAL && batches > 1) {
    for (uint32_t i = 0; i < 1000000; i++) sink++;
    return ++sealing % 4000 != 0;
  }
  /* 271,700 labels of 255 bytes an interval. */
  if (CASE == LABELS && batches > 1) {
    static uint8_t text[255];
    for (uint32_t i = 0; i < 247; i++) sw_label(label++, SW_LABEL_TEXT, text, sizeof text);
    return ++sealing % 1100 != 0;
  }
  return 0;
}
