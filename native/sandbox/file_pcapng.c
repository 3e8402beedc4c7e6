/* SPDX-License-Identifier: Apache-2.0 */
/*
 * pcapng (draft-ietf-opsawg-pcapng): blocks of {type, total length, body, total length}. Sections, interfaces and
 * the three kinds of packet blocks are read; every other block is stepped over.
 *
 * A block counts only when its second total length has been seen and agrees with the first.
 */
#include "file.h"
#include "held.h"

enum {
  BLOCK_SECTION = 0x0a0d0d0a,
  BLOCK_INTERFACE = 1,
  BLOCK_OLD_PACKET = 2,
  BLOCK_SIMPLE_PACKET = 3,
  BLOCK_PACKET = 6,
  BYTE_ORDER_MAGIC = 0x1a2b3c4d,
  OPTION_END = 0,
  OPTION_RESOLUTION = 9,
  OPTION_OFFSET = 14,
  /* Bytes before the body, and the least a block of each kind has. */
  BODY = 8,
  BLOCK_BYTES_MIN = 12,
  SECTION_BYTES_MIN = 28,
  INTERFACE_BYTES_MIN = 20,
  SIMPLE_BYTES_MIN = 16,
  PACKET_BYTES_MIN = 32,
};

/* A packet block's frame; header: where in the block it lies. */
struct ng_frame {
  u32 link_type, captured, wire, header;
  u64 time_ns;
};

static u64 saturating_multiply(u64 a, u64 b) { return b != 0 && a > TIME_MAX / b ? TIME_MAX : a * b; }

/* units * 2^-shift s, in ns; what lies below 2^-34 s is dropped, not to overflow. */
static u64 binary_time(u64 units, u32 shift) {
  u64 seconds = shift < 64 ? units >> shift : 0;
  u64 fraction = shift < 64 ? units & ((1ull << shift) - 1) : units;
  if (shift > 34) {
    fraction = shift - 34 < 64 ? fraction >> (shift - 34) : 0;
    shift = 34;
  }
  return saturating_multiply(seconds, 1000000000) + (fraction * 1000000000 >> shift);
}

static u64 time_of(const struct file_interface *interface, u64 units) {
  u64 ns = interface->shift != 0    ? binary_time(units, interface->shift)
           : interface->divide == 0 ? 0
                                    : saturating_multiply(units / interface->divide, interface->multiply);
  if (ns > TIME_MAX) ns = TIME_MAX;
  /* Both are below 2^63 in size: their sum, as unsigned, can be told from an underflow by its sign. */
  int64_t offset = interface->offset_ns;
  if (offset >= 0) return ns > TIME_MAX - (u64)offset ? TIME_MAX : ns + (u64)offset;
  u64 back = (u64) - (offset + 1) + 1;
  return ns > back ? ns - back : 0;
}

static void set_resolution(struct file_interface *interface, u8 resolution) {
  u32 exponent = resolution & 0x7f;
  u64 power = 1;
  interface->shift = 0;
  interface->multiply = interface->divide = 1;
  if (resolution & 0x80) {
    if (exponent != 0) interface->shift = exponent;
    else interface->multiply = 1000000000;
    return;
  }
  u32 digits = exponent <= 9 ? 9 - exponent : exponent - 9;
  for (u32 i = 0; i < digits && i < 19; i++) power *= 10;
  if (exponent <= 9) interface->multiply = power;
  else interface->divide = digits > 19 ? 0 : power;
}

static int64_t seconds_to_ns(int64_t seconds) {
  const int64_t most = INT64_MAX / 1000000000;
  if (seconds > most) return INT64_MAX;
  return seconds < -most ? -INT64_MAX : seconds * 1000000000;
}

/* Options of an interface, from p up to end; malformed ones end the list. */
static void read_options(const struct file_reader *reader, struct file_interface *interface, const u8 *p,
                         const u8 *end) {
  while (end - p >= 4) {
    u32 code = file_u16(reader, p), length = file_u16(reader, p + 2);
    p += 4;
    if (code == OPTION_END || (u32)(end - p) < length) return;
    if (code == OPTION_RESOLUTION && length >= 1) set_resolution(interface, p[0]);
    if (code == OPTION_OFFSET && length >= 8) {
      u64 low = file_u32(reader, p), high = file_u32(reader, p + 4);
      u64 seconds = reader->is_swapped ? low << 32 | high : high << 32 | low;
      interface->offset_ns = seconds_to_ns((int64_t)seconds);
    }
    u32 padded = (length + 3) & ~3u;
    if ((u32)(end - p) < padded) return;
    p += padded;
  }
}

/* `here`: bytes of the block that are at hand, at least the fixed part. */
static enum step add_interface(struct file_reader *reader, const u8 *p, u32 total, u32 here) {
  if (total < INTERFACE_BYTES_MIN) return file_damage(reader, SW_DAMAGE_BAD_BLOCK_LENGTH);
  if (reader->interface_count == INTERFACES_MAX) return file_damage(reader, SW_DAMAGE_BAD_INTERFACE);
  struct file_interface *interface = &reader->interfaces[reader->interface_count++];
  *interface = (struct file_interface){.link_type = file_u16(reader, p + 8), .snaplen = file_u32(reader, p + 12)};
  set_resolution(interface, 6);
  read_options(reader, interface, p + 16, p + min32(total - 4, here));
  int is_plain = interface->shift == 0 && interface->divide == 1 && interface->offset_ns == 0;
  interface->plain_units_max = is_plain ? TIME_MAX / interface->multiply : 0;
  return STEP_ROOM;
}

/* A section begins: its byte order is already known. */
static enum step begin_section(struct file_reader *reader, struct file_clock *clock, const u8 *p, u32 total) {
  if (total < SECTION_BYTES_MIN) return file_damage(reader, SW_DAMAGE_BAD_BLOCK_LENGTH);
  if (file_u16(reader, p + 12) != 1) return file_damage(reader, SW_DAMAGE_UNSUPPORTED_VERSION);
  reader->interface_count = 0;
  file_park(reader, clock);
  return STEP_ROOM;
}

static enum step simple_frame(struct file_reader *reader, const u8 *p, u32 total, struct ng_frame *frame) {
  if (total < SIMPLE_BYTES_MIN) return file_damage(reader, SW_DAMAGE_BAD_BLOCK_LENGTH);
  if (reader->interface_count == 0) return file_damage(reader, SW_DAMAGE_BAD_INTERFACE);
  const struct file_interface *interface = &reader->interfaces[0];
  u32 wire = file_u32(reader, p + 8);
  u32 captured = interface->snaplen != 0 ? min32(wire, interface->snaplen) : wire;
  *frame = (struct ng_frame){interface->link_type, captured, wire, 12, reader->clock_ns};
  return STEP_ROOM;
}

/* Enhanced and old packet blocks differ in how they name the interface. */
static enum step timed_frame(struct file_reader *reader, const u8 *p, u32 total, u32 type, struct ng_frame *frame) {
  if (total < PACKET_BYTES_MIN) return file_damage(reader, SW_DAMAGE_BAD_BLOCK_LENGTH);
  u32 number = type == BLOCK_PACKET ? file_u32(reader, p + 8) : file_u16(reader, p + 8);
  if (number >= reader->interface_count) return file_damage(reader, SW_DAMAGE_BAD_INTERFACE);
  const struct file_interface *interface = &reader->interfaces[number];
  u64 units = (u64)file_u32(reader, p + 12) << 32 | file_u32(reader, p + 16);
  *frame = (struct ng_frame){interface->link_type, file_u32(reader, p + 20), file_u32(reader, p + 24), 28,
                             time_of(interface, units)};
  return STEP_ROOM;
}

/* The frame of a packet block whose fixed part is at hand. */
static enum step frame_of(struct file_reader *reader, const u8 *p, u32 total, u32 type, struct ng_frame *frame) {
  enum step step = type == BLOCK_SIMPLE_PACKET ? simple_frame(reader, p, total, frame)
                                               : timed_frame(reader, p, total, type, frame);
  if (step != STEP_ROOM) return step;
  if (frame->captured > CAPTURED_BYTES_MAX || frame->captured > total - frame->header - 4) {
    return file_damage(reader, SW_DAMAGE_BAD_RECORD_LENGTH);
  }
  return STEP_ROOM;
}

static int is_packet(u32 type) {
  return type == BLOCK_PACKET || type == BLOCK_SIMPLE_PACKET || type == BLOCK_OLD_PACKET;
}

/* A block that is longer than the buffer: its beginning is at hand. `total` as in the block, `whole` padded. */
static enum step begin_skip(struct file_reader *reader, struct file_view *view, struct file_clock *clock, u32 type,
                            u32 total, u64 whole) {
  const u8 *p = view->base + view->at;
  struct ng_frame frame = {0};
  enum step step = type == BLOCK_SECTION     ? begin_section(reader, clock, p, total)
                   : type == BLOCK_INTERFACE ? add_interface(reader, p, total, view->end - view->at)
                   : is_packet(type)         ? frame_of(reader, p, total, type, &frame)
                                             : STEP_ROOM;
  int is_frame = is_packet(type) && step == STEP_ROOM;
  if (is_frame) reader->clock_ns = frame.time_ns;
  reader->skip = (struct file_skip){.trailer = total, .damage = reader->damage, .is_frame = is_frame,
                                    .link_type = frame.link_type, .captured = frame.captured, .wire = frame.wire,
                                    .time_ns = frame.time_ns};
  /* Whether a block is whole comes first: a cut one is cut, whatever else it is. */
  reader->damage = SW_DAMAGE_NONE;
  file_begin_skip(reader, view, whole - 4, frame.header);
  return STEP_ROOM;
}

/* A block that is wholly at hand. */
static enum step whole_block(struct file_reader *reader, const u8 *p, u32 type, u32 total, struct file_clock *clock) {
  struct ng_frame frame;
  if (type == BLOCK_SECTION) return begin_section(reader, clock, p, total);
  if (type == BLOCK_INTERFACE) return add_interface(reader, p, total, total);
  if (!is_packet(type)) return STEP_ROOM;
  enum step step = frame_of(reader, p, total, type, &frame);
  if (step != STEP_ROOM) return step;
  if (!file_admit(reader, clock, frame.time_ns)) return STEP_WINDOW;
  reader->clock_ns = frame.time_ns;
  sw_frame(frame.link_type, p + frame.header, frame.captured, frame.wire);
  if (sw_held_on) held_file(p + frame.header, frame.captured, frame.wire, frame.link_type, frame.time_ns);
  reader->records++;
  return STEP_ROOM;
}

/* The byte order of the section that begins at p: 12 bytes are at hand. */
static int set_byte_order(struct file_reader *reader, const u8 *p) {
  u32 magic = load32(p + 8);
  reader->is_swapped = magic == __builtin_bswap32(BYTE_ORDER_MAGIC);
  return reader->is_swapped || magic == BYTE_ORDER_MAGIC;
}

static enum step next_block(struct file_reader *reader, struct file_view *view, struct file_clock *clock) {
  const u8 *p = view->base + view->at;
  u32 here = view->end - view->at;
  if (here == 0) return STEP_MORE;
  if (here < BLOCK_BYTES_MIN) return file_starve(reader, view);
  u32 type = file_u32(reader, p);
  if (type == BLOCK_SECTION && !set_byte_order(reader, p)) return file_damage(reader, SW_DAMAGE_NOT_A_CAPTURE);
  u32 total = file_u32(reader, p + 4);
  /* Some writers leave the padding out of the total length, yet pad. */
  u64 whole = ((u64)total + 3) & ~3ull;
  if (total < BLOCK_BYTES_MIN) return file_damage(reader, SW_DAMAGE_BAD_BLOCK_LENGTH);
  if (whole > here) {
    if (whole <= sw_control()->file_buffer_bytes) return file_starve(reader, view);
    if (here < BUFFER_BYTES_MIN) return file_starve(reader, view);
    return begin_skip(reader, view, clock, type, total, whole);
  }
  if (file_u32(reader, p + whole - 4) != total) return file_damage(reader, SW_DAMAGE_BAD_BLOCK_LENGTH);
  enum step step = whole_block(reader, p, type, total, clock);
  if (step == STEP_ROOM) view->at += (u32)whole;
  return step;
}

SW_INLINE u32 field(const u8 *p, int is_swapped) {
  u32 value = load32(p);
  return is_swapped ? __builtin_bswap32(value) : value;
}

/*
 * The run of enhanced packet blocks at the view that have nothing special about them, which is nearly all there is:
 * whole, sound, in the open window, with a time that is units * multiply. Stops, without a word, at the first block
 * that is not so: next_block() says what it is.
 */
SW_INLINE void plain_packets(struct file_reader *reader, struct file_view *view, struct file_clock *given, u32 room,
                             int is_swapped) {
  struct file_clock clock = *given;
  const u8 *base = view->base;
  const u32 end = view->end, interface_count = reader->interface_count, is_held = sw_held_on;
  u64 time_ns = reader->clock_ns;
  u32 at = view->at, frames = 0;
  for (; frames < room && end - at >= PACKET_BYTES_MIN; frames++) {
    const u8 *p = base + at;
    u32 total = field(p + 4, is_swapped), number = field(p + 8, is_swapped), captured = field(p + 20, is_swapped);
    if (field(p, is_swapped) != BLOCK_PACKET || total < PACKET_BYTES_MIN || total > end - at || total % 4 != 0) break;
    if (number >= interface_count || captured > total - PACKET_BYTES_MIN || captured > CAPTURED_BYTES_MAX) break;
    if (field(p + total - 4, is_swapped) != total) break;
    const struct file_interface *interface = &reader->interfaces[number];
    u64 units = (u64)field(p + 12, is_swapped) << 32 | field(p + 16, is_swapped);
    if (units >= interface->plain_units_max || units * interface->multiply >= clock.end_ns) break;
    time_ns = units * interface->multiply;
    clock.late += time_ns < clock.start_ns;
    clock.first_ns = time_ns < clock.first_ns ? time_ns : clock.first_ns;
    clock.last_ns = time_ns > clock.last_ns ? time_ns : clock.last_ns;
    u32 wire = field(p + 24, is_swapped);
    sw_frame(interface->link_type, p + 28, captured, wire);
    if (__builtin_expect(is_held, 0)) held_file(p + 28, captured, wire, interface->link_type, time_ns);
    at += total;
  }
  view->at = at;
  reader->records += frames;
  reader->clock_ns = time_ns;
  *given = clock;
}

enum step file_walk_pcapng(struct file_reader *reader, struct file_view *view, struct file_clock *clock) {
  const u64 last = reader->records + sw_room();
  while (reader->records != last) {
    u32 room = (u32)(last - reader->records);
    if (reader->is_swapped) plain_packets(reader, view, clock, room, 1);
    else plain_packets(reader, view, clock, room, 0);
    if (reader->records == last) break;
    enum step step = next_block(reader, view, clock);
    if (step != STEP_ROOM || reader->skip.trailer != 0) return step;
  }
  return STEP_ROOM;
}
