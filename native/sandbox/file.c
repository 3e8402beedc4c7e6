/* SPDX-License-Identifier: Apache-2.0 */
/*
 * file_feed(): the reader's face to the host, its windows, and records that do not fit the buffer. See file.h.
 *
 * Windows by time are aligned to multiples of control.window_ns since 1970, by the timestamps of the records alone.
 * The record that opens the next window is left unread until the host has sealed. A record older than its window
 * goes into the open one and counts as late: a timestamp far in the future therefore makes what follows late, and
 * it shows. Within a file (pcapng: a section) no window opens before one that was sealed; the next file may begin
 * earlier: then the open window is sealed. Windows without a record are not made: however far a clock jumps, one
 * seal is all it costs. Without windows by time an interval's bounds are its first and last timestamps,
 * [first, last + 1).
 */
#include "file.h"
#include "held.h"

static struct file_reader reader;

enum { MAGIC_PCAPNG = 0x0a0d0d0a };

enum step file_damage(struct file_reader *r, u32 damage) {
  r->damage = damage;
  return STEP_DAMAGED;
}

void file_park(struct file_reader *r, struct file_clock *clock) {
  r->floor_ns = 0;
  r->is_fresh = 1;
  if (clock->window_ns == 0 || clock->end_ns == 0) return;
  r->parked_end_ns = clock->end_ns;
  clock->end_ns = 0;
}

static void unpark(struct file_reader *r, struct file_clock *clock) {
  if (r->parked_end_ns == 0) return;
  clock->end_ns = r->parked_end_ns;
  r->parked_end_ns = 0;
}

int file_turn_window(struct file_reader *r, struct file_clock *clock, u64 time_ns) {
  r->is_fresh = 0;
  unpark(r, clock);
  if (clock->end_ns != 0) return time_ns >= clock->start_ns && time_ns < clock->end_ns;
  if (clock->window_ns == 0) {
    clock->end_ns = UINT64_MAX;
    return 1;
  }
  u64 start = time_ns - time_ns % clock->window_ns;
  if (start < r->floor_ns) start = r->floor_ns;
  r->floor_ns = start;
  clock->start_ns = start;
  clock->end_ns = start + clock->window_ns;
  return 1;
}

static struct file_clock clock_of(const struct window *window, u64 window_ns) {
  int is_open = window->end_ns != 0;
  struct file_clock clock = {
      .first_ns = is_open ? window->first_ns : UINT64_MAX,
      .last_ns = is_open ? window->last_ns : 0,
      .window_ns = window_ns > TIME_MAX ? TIME_MAX : window_ns,
  };
  if (!is_open) return clock;
  clock.start_ns = window_ns == 0 ? 0 : window->start_ns;
  clock.end_ns = window_ns == 0 ? UINT64_MAX : window->end_ns;
  return clock;
}

static void keep_clock(const struct file_clock *clock) {
  sw_counts[SW_COUNTER_LATE] += clock->late;
  if (clock->end_ns == 0) return;
  int is_timed = clock->window_ns != 0;
  sw_window.start_ns = is_timed ? clock->start_ns : clock->first_ns;
  sw_window.end_ns = is_timed ? clock->end_ns : clock->last_ns + 1;
  sw_window.first_ns = clock->first_ns;
  sw_window.last_ns = clock->last_ns;
}

void file_begin_skip(struct file_reader *r, struct file_view *view, u64 bytes, u32 header) {
  struct file_skip *skip = &r->skip;
  skip->start = r->offset + view->at;
  skip->bytes = bytes;
  if (!skip->is_frame) return;
  skip->captured = min32(skip->captured, HEAD_BYTES);
  skip->captured = min32(skip->captured, view->end - view->at - header);
  __builtin_memcpy(skip->head, view->base + view->at + header, skip->captured);
}

enum step file_go_on_skipping(struct file_reader *r, struct file_view *view, struct file_clock *clock) {
  struct file_skip *skip = &r->skip;
  u32 here = view->end - view->at;
  u32 step = skip->bytes < here ? (u32)skip->bytes : here;
  view->at += step;
  skip->bytes -= step;
  if (skip->bytes != 0) return file_starve(r, view);
  if (skip->trailer != 0) {
    if (view->end - view->at < 4) return file_starve(r, view);
    if (file_u32(r, view->base + view->at) != skip->trailer) return file_damage(r, SW_DAMAGE_BAD_BLOCK_LENGTH);
  }
  if (skip->damage != SW_DAMAGE_NONE) return file_damage(r, skip->damage);
  if (skip->is_frame) {
    if (!file_admit(r, clock, skip->time_ns)) return STEP_WINDOW;
    sw_frame(skip->link_type, skip->head, skip->captured, skip->wire);
    if (sw_held_on) held_file(NULL, 0, skip->wire, skip->link_type, skip->time_ns);
    r->records++;
  }
  if (skip->trailer != 0) view->at += 4;
  *skip = (struct file_skip){0};
  return STEP_ROOM;
}

/* Which format the file has; consumes a pcap's header. */
static enum step open_file(struct file_view *view) {
  u32 here = view->end - view->at;
  if (here < 4) {
    if (!view->is_last) return STEP_MORE;
    return file_damage(&reader, SW_DAMAGE_NOT_A_CAPTURE);
  }
  if (load32(view->base + view->at) != MAGIC_PCAPNG) return file_open_pcap(&reader, view);
  reader.format = FORMAT_PCAPNG;
  return STEP_ROOM;
}

static int is_skipping(void) {
  return reader.skip.bytes != 0 || reader.skip.trailer != 0 || reader.skip.is_frame;
}

static enum step walk(struct file_view *view, struct file_clock *clock) {
  if (reader.format == FORMAT_UNKNOWN) {
    enum step step = open_file(view);
    if (step != STEP_ROOM) return step;
  }
  for (;;) {
    if (sw_room() == 0) return STEP_ROOM;
    enum step step = is_skipping()                  ? file_go_on_skipping(&reader, view, clock)
                     : reader.format == FORMAT_PCAP ? file_walk_pcap(&reader, view, clock)
                                                    : file_walk_pcapng(&reader, view, clock);
    if (step != STEP_ROOM) return step;
  }
}

static u32 status_of(enum step step, const struct file_view *view) {
  struct control *control = sw_control();
  switch (step) {
    case STEP_DAMAGED:
      return SW_FILE_DAMAGED;
    case STEP_MORE:
      return view->is_last && view->at == view->end ? SW_FILE_DONE : SW_FILE_NEED_MORE;
    case STEP_WINDOW:
      control->seal_needed = SW_SEAL_CLOCK;
      return SW_FILE_WINDOW;
    default:
      return control->seal_needed == SW_SEAL_BUDGET ? SW_FILE_BUDGET : SW_FILE_WINDOW;
  }
}

/*
 * Reads the `available` bytes at control.file_buffer; eof: nothing follows them. Returns the bytes it is done with
 * and says in control.file_status why it stopped. needMore with eof never happens. window and budget: seal
 * (control.seal_needed is the cause), then call again with the rest. damaged and done: everything that could be
 * read has been; control.file_damage and control.file_offset say what is wrong, and where.
 */
SW_EXPORT(file_feed) u32 file_feed(u32 available, u32 eof) {
  struct control *control = sw_control();
  struct file_view view = {
      .base = at(control->file_buffer),
      .end = min32(available, control->file_buffer_bytes),
      .is_last = eof != 0 && available <= control->file_buffer_bytes,
  };
  struct file_clock clock = clock_of(&sw_window, control->window_ns);
  if (sw_held_on) held_release();
  if (reader.is_fresh) file_park(&reader, &clock);
  enum step step = reader.damage != SW_DAMAGE_NONE ? STEP_DAMAGED : walk(&view, &clock);
  unpark(&reader, &clock);
  keep_clock(&clock);
  if (sw_held_on) held_publish();
  sw_publish();
  reader.offset += view.at;
  control->file_status = status_of(step, &view);
  control->file_damage = reader.damage;
  control->file_offset = step == STEP_DAMAGED && is_skipping() ? reader.skip.start : reader.offset;
  control->file_records = reader.records;
  return view.at;
}

/* The next file_feed() begins another file; the open interval goes on. */
SW_EXPORT(file_open) void file_open(void) {
  __builtin_memset(&reader, 0, sizeof reader);
  reader.is_fresh = 1;
  sw_control()->file_offset = 0;
  sw_control()->file_records = 0;
}

/* Whether the open interval has a record in it: whether a seal would say anything. */
SW_EXPORT(file_pending) u32 file_pending(void) { return sw_window.end_ns != 0; }
