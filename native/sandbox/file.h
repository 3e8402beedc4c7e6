/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Capture files as a source of frames.
 *
 * The host puts bytes of the (decompressed) file at control.file_buffer and calls file_feed(); the reader parses
 * whole records where they lie and says how many bytes it is done with. The host moves the rest to the front and
 * appends. A record that could never fit the buffer is skipped over across calls: its first HEAD_BYTES are kept,
 * and it counts when its last byte has been seen. So the result never depends on how a file is cut into calls.
 *
 * Lengths in a file are claims: each is compared with what lies in the buffer before anything behind it is read.
 */
#ifndef SPARSEWIRE_FILE_H
#define SPARSEWIRE_FILE_H

#include "interval.h"

enum {
  /* What libpcap and Wireshark take for the longest honest record; a longer one is damage. */
  CAPTURED_BYTES_MAX = 262144,
  INTERFACES_MAX = 4096,
  /* Kept of a record that does not fit the buffer: more than any honest stack of headers. */
  HEAD_BYTES = 512,
  /* The buffer must hold the largest fixed part of any record, and a head. */
  BUFFER_BYTES_MIN = 1024,
};
/* Times are ns since 1970 UTC, held below 2^63 (year 2262), so that a window's end never overflows. */
#define TIME_MAX ((u64)INT64_MAX)

enum { FORMAT_UNKNOWN, FORMAT_PCAP, FORMAT_PCAPNG };

/* Why a walk over the buffer stopped. */
enum step { STEP_MORE, STEP_ROOM, STEP_WINDOW, STEP_DAMAGED };

/* One interface of a pcapng section. */
struct file_interface {
  u32 link_type;
  u32 snaplen; /* 0: unlimited */
  /* ns = units / divide * multiply (one of them is 1; divide 0: always 0), or units / 2^shift s when shift is not 0 */
  u64 multiply, divide;
  u64 plain_units_max; /* below it ns = units * multiply, without overflow; 0: never so plain */
  u32 shift;
  int64_t offset_ns;
};

/* A record that is being skipped over. */
struct file_skip {
  u64 start;      /* file offset of the record */
  u64 bytes;      /* still to be skipped */
  u32 trailer;    /* pcapng: the total length that must follow; 0: none */
  u32 damage;     /* found in its fixed part; told when it has been seen whole */
  u32 is_frame;   /* head holds the first bytes of a frame */
  u32 link_type, captured, wire;
  u64 time_ns;
  u8 head[HEAD_BYTES];
};

struct file_reader {
  u32 format;
  u32 damage;      /* SW_DAMAGE_* once damaged: then nothing more is read */
  u32 is_swapped;  /* pcap: file, pcapng: section, in the other byte order */
  u64 offset;      /* bytes consumed since the file began */
  u64 records;     /* frames found since the file began */
  u64 clock_ns;    /* last timestamp seen: that of records without one */
  u64 floor_ns;    /* start of the section's latest window: none opens before it */
  u32 is_fresh;    /* no record of this file, or section, has been seen yet */
  u64 parked_end_ns; /* the open window's end while is_fresh: see file_park() */
  /* pcap */
  u32 link_type;
  u32 header_bytes;   /* of a record */
  u32 fraction_ns;    /* ns in one unit of the timestamp's fraction */
  u32 swaps_lengths;  /* SWAPS_* */
  /* pcapng */
  u32 interface_count;
  struct file_interface interfaces[INTERFACES_MAX];
  struct file_skip skip;
};
/* Before version 2.3 of the format the two lengths of a record were the other way round, in 2.3 either way. */
enum { SWAPS_NEVER, SWAPS_WHEN_LONGER, SWAPS_ALWAYS };

/* The open window while a walk goes on, kept out of memory. */
struct file_clock {
  u64 start_ns, end_ns; /* end 0: no window is open; UINT64_MAX: windows do not end by time */
  u64 first_ns, last_ns;
  u64 window_ns;
  u64 late;
};

/* The bytes at hand. */
struct file_view {
  const u8 *base;
  u32 at, end; /* unread: base[at] .. base[end - 1] */
  u32 is_last; /* nothing follows */
};

enum step file_walk_pcap(struct file_reader *reader, struct file_view *view, struct file_clock *clock);
enum step file_walk_pcapng(struct file_reader *reader, struct file_view *view, struct file_clock *clock);
/* Both look at the first bytes and set the format up; STEP_MORE when there are too few. */
enum step file_open_pcap(struct file_reader *reader, struct file_view *view);

/* A file or section begins: its first record decides whether the open window goes on. Ends the window for as long, so
 * that the record comes before file_turn_window(). */
void file_park(struct file_reader *reader, struct file_clock *clock);

/* Opens the window a record belongs to, or says (0) that the open one has to be sealed first. */
int file_turn_window(struct file_reader *reader, struct file_clock *clock, u64 time_ns);

/* Admits the time of a record: 0 when it belongs to the next window, and the record must stay unread. */
SW_INLINE int file_admit(struct file_reader *reader, struct file_clock *clock, u64 time_ns) {
  if (__builtin_expect(time_ns >= clock->end_ns, 0) && !file_turn_window(reader, clock, time_ns)) return 0;
  if (__builtin_expect(time_ns < clock->start_ns, 0)) clock->late++;
  clock->first_ns = time_ns < clock->first_ns ? time_ns : clock->first_ns;
  clock->last_ns = time_ns > clock->last_ns ? time_ns : clock->last_ns;
  return 1;
}

/* Damage at the record where the view stands. */
enum step file_damage(struct file_reader *reader, u32 damage);

/* Bytes are missing: ask for more, or (nothing follows) call it damage. */
SW_INLINE enum step file_starve(struct file_reader *reader, const struct file_view *view) {
  return view->is_last ? file_damage(reader, SW_DAMAGE_CUT_IN_RECORD) : STEP_MORE;
}

/* Begins to skip a record of `bytes` at the view whose frame (if `captured` is not 0) lies at view + header. */
void file_begin_skip(struct file_reader *reader, struct file_view *view, u64 bytes, u32 header);
/* Goes on skipping: STEP_ROOM when it is done (and the frame, if there was one, is counted). */
enum step file_go_on_skipping(struct file_reader *reader, struct file_view *view, struct file_clock *clock);

SW_INLINE u32 file_u32(const struct file_reader *reader, const u8 *p) {
  u32 value = load32(p);
  return reader->is_swapped ? __builtin_bswap32(value) : value;
}

SW_INLINE u32 file_u16(const struct file_reader *reader, const u8 *p) {
  return reader->is_swapped ? (u32)p[0] << 8 | p[1] : (u32)p[1] << 8 | p[0];
}

#endif
