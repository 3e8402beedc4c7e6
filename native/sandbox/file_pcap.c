/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Classic pcap (draft-ietf-opsawg-pcap): a header of 24 bytes, then records of 16 (Kuznetsov's: 24) and a frame.
 *
 * The walk's one chain of dependent loads is from record to record, by the captured length; everything else of a
 * record is independent of the next, so that the processor overlaps them.
 */
#include "file.h"
#include "held.h"

enum {
  MAGIC_MICROSECONDS = 0xa1b2c3d4,
  MAGIC_NANOSECONDS = 0xa1b23c4d,
  MAGIC_MODIFIED = 0xa1b2cd34,
  FILE_HEADER_BYTES = 24,
};

static int is_magic(u32 magic) {
  return magic == MAGIC_MICROSECONDS || magic == MAGIC_NANOSECONDS || magic == MAGIC_MODIFIED;
}

enum step file_open_pcap(struct file_reader *reader, struct file_view *view) {
  const u8 *p = view->base + view->at;
  u32 magic = load32(p);
  reader->is_swapped = is_magic(__builtin_bswap32(magic));
  if (reader->is_swapped) magic = __builtin_bswap32(magic);
  if (!is_magic(magic)) return file_damage(reader, SW_DAMAGE_NOT_A_CAPTURE);
  if (view->end - view->at < FILE_HEADER_BYTES) {
    return view->is_last ? file_damage(reader, SW_DAMAGE_CUT_IN_HEADER) : STEP_MORE;
  }
  u32 minor = file_u16(reader, p + 6);
  if (file_u16(reader, p + 4) != 2) return file_damage(reader, SW_DAMAGE_UNSUPPORTED_VERSION);
  reader->swaps_lengths = minor < 3 ? SWAPS_ALWAYS : minor == 3 ? SWAPS_WHEN_LONGER : SWAPS_NEVER;
  reader->header_bytes = magic == MAGIC_MODIFIED ? 24 : 16;
  reader->fraction_ns = magic == MAGIC_NANOSECONDS ? 1 : 1000;
  /* The upper bits tell of frame check sequences. */
  reader->link_type = file_u32(reader, p + 20) & 0xffff;
  reader->format = FORMAT_PCAP;
  view->at += FILE_HEADER_BYTES;
  return STEP_ROOM;
}

struct pcap_record {
  u32 captured, wire;
  u64 time_ns;
};

SW_INLINE u32 field(const u8 *p, int is_swapped) {
  u32 value = load32(p);
  return is_swapped ? __builtin_bswap32(value) : value;
}

SW_INLINE struct pcap_record record_at(const u8 *p, u32 fraction_ns, u32 swaps_lengths, int is_swapped) {
  struct pcap_record record = {
      field(p + 8, is_swapped), field(p + 12, is_swapped),
      field(p, is_swapped) * 1000000000ull + (u64)field(p + 4, is_swapped) * fraction_ns};
  if (__builtin_expect(swaps_lengths != SWAPS_NEVER, 0)) {
    if (swaps_lengths == SWAPS_ALWAYS || record.captured > record.wire) {
      u32 captured = record.captured;
      record.captured = record.wire;
      record.wire = captured;
    }
  }
  return record;
}

static enum step begin_skip(struct file_reader *reader, struct file_view *view, struct pcap_record record) {
  struct file_skip *skip = &reader->skip;
  u32 header = reader->header_bytes;
  u32 head = min32(record.captured, HEAD_BYTES);
  if (view->end - view->at < header + head) return file_starve(reader, view);
  *skip = (struct file_skip){.is_frame = 1, .link_type = reader->link_type, .captured = record.captured,
                             .wire = record.wire, .time_ns = record.time_ns};
  file_begin_skip(reader, view, (u64)header + record.captured, header);
  return STEP_ROOM;
}

/* At most `room` records of the view. */
SW_INLINE enum step walk(struct file_reader *reader, struct file_view *view, struct file_clock *given,
                         u32 room, int is_swapped) {
  /* Locals whose address is never taken: a store to the log may alias anything else. */
  struct file_clock clock = *given;
  const u8 *base = view->base;
  const u32 header = reader->header_bytes, link_type = reader->link_type, end = view->end;
  const u32 is_held = sw_held_on;
  const u32 fraction_ns = reader->fraction_ns, swaps_lengths = reader->swaps_lengths;
  u32 at = view->at, frames = 0;
  enum step step = STEP_ROOM;
  while (frames < room) {
    if (__builtin_expect(end - at < header, 0)) {
      step = end == at ? STEP_MORE : file_starve(reader, view);
      break;
    }
    const u8 *p = base + at;
    struct pcap_record record = record_at(p, fraction_ns, swaps_lengths, is_swapped);
    if (__builtin_expect(end - at - header < record.captured, 0)) {
      int is_absurd = record.captured > CAPTURED_BYTES_MAX;
      view->at = at;
      if (is_absurd) step = file_damage(reader, SW_DAMAGE_BAD_RECORD_LENGTH);
      else if (header + record.captured > sw_control()->file_buffer_bytes) step = begin_skip(reader, view, record);
      else step = file_starve(reader, view);
      break;
    }
    if (__builtin_expect(record.captured > CAPTURED_BYTES_MAX, 0)) {
      step = file_damage(reader, SW_DAMAGE_BAD_RECORD_LENGTH);
      break;
    }
    if (__builtin_expect(record.time_ns >= clock.end_ns, 0)) {
      *given = clock;
      if (!file_turn_window(reader, given, record.time_ns)) {
        step = STEP_WINDOW;
        break;
      }
      clock = *given;
    }
    clock.late += record.time_ns < clock.start_ns;
    clock.first_ns = record.time_ns < clock.first_ns ? record.time_ns : clock.first_ns;
    clock.last_ns = record.time_ns > clock.last_ns ? record.time_ns : clock.last_ns;
    sw_frame(link_type, p + header, record.captured, record.wire);
    if (__builtin_expect(is_held, 0)) held_file(p + header, record.captured, record.wire, link_type, record.time_ns);
    at += header + record.captured;
    frames++;
  }
  view->at = at;
  reader->records += frames;
  *given = clock;
  return step;
}

enum step file_walk_pcap(struct file_reader *reader, struct file_view *view, struct file_clock *clock) {
  u32 room = sw_room();
  return reader->is_swapped ? walk(reader, view, clock, room, 1) : walk(reader, view, clock, room, 0);
}
