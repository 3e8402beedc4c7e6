/* SPDX-License-Identifier: Apache-2.0 */
/*
 * sparsewire_extension.h: extensions of Sparsewire in C, ABI version 1.
 *
 * An extension is a WebAssembly module that imports its memory (env.memory) and exports describe, start, batch and,
 * if it likes, seal. It sees every frame that a sensor captures, where the network card or the kernel has put it: a
 * frame's offset is a pointer. Whatever it writes there nobody else sees. It keeps state in its own memory, which has a
 * fixed size, and gives rows of a matrix of its own, labels for hashed keys, events, and (mode inline) verdicts.
 *
 *   SW_EXTENSION("sparsewire/1 row=source:ipv4 column=port:port")
 *   SW_BATCH(frames, count) {
 *     for (uint32_t i = 0; i < count; i++) ...sw_row(source, port, 1);
 *   }
 *
 * Build: clang --target=wasm32 -O2 -nostdlib -ffreestanding -mbulk-memory -Wl,--no-entry -Wl,--import-memory \
 *          -o mine.wasm mine.c            and look: sparsewire extension check mine.wasm
 *
 * Include it in one source file of an extension.
 */
#ifndef SPARSEWIRE_EXTENSION_H
#define SPARSEWIRE_EXTENSION_H

#include <stdint.h>

#define SW_ABI 1

/* A captured frame. */
struct sw_frame {
  uint32_t offset;   /* of its first byte */
  uint32_t captured; /* bytes that can be read: of a long frame perhaps only the first */
  uint32_t wire;     /* bytes as it was sent */
  uint32_t info;     /* see below */
  uint64_t time_ns;  /* since 1970 UTC: of a file the packet's own time, else when it was taken from its ring */
};

/* info: its link type (as in capture files: 1 is Ethernet) in the low 16 bits. */
#define SW_LINK_TYPE(frame) ((frame)->info & 0xffffu)
#define SW_LINK_ETHERNET 1u
/* RX queue, 0 to 15, of the thread that captured it; 0xff of a file, 0xfe in mode host. */
#define SW_QUEUE(frame) ((frame)->info >> 16 & 0xffu)
/* Mode host: it was sent, not received. */
#define SW_IS_SENT(frame) ((frame)->info >> 24 & 1u)
/* A frame of several buffers: the next descriptor of this queue has more of it; this one continues the one before. */
#define SW_HAS_MORE(frame) ((frame)->info >> 26 & 1u)
#define SW_IS_CONTINUED(frame) ((frame)->info >> 27 & 1u)

/* Where an extension and its host meet. The host fills the first part in; it reads and resets the second after each
 * call of batch() or seal(). */
struct sw_io {
  uint32_t abi;
  uint32_t mode; /* 0 pcap, 1 mirror, 2 host, 3 inline */
  uint32_t frames_max;
  uint32_t rows_max;
  uint32_t rows, columns, values; /* offsets of uint64_t[rows_max] */
  uint32_t labels, labels_max;
  uint32_t events, events_max;
  uint32_t verdicts; /* uint8_t[frames_max], one for each frame of the batch */

  uint32_t rows_used;
  uint32_t rows_lost;
  uint32_t labels_used;
  uint32_t events_used;
  uint32_t events_lost;
  uint32_t interval; /* seals so far; set by the host */
};

#define SW_EXPORT(name) __attribute__((export_name(#name), used))

static struct sw_io *sw_io;
/* Defined by the extension, if it needs to set something up. */
void sw_start(void) __attribute__((weak));

/* What the matrix of the extension is: names and kinds of its keys, and how values of one entry combine. */
#define SW_EXTENSION(text)                                                          \
  SW_EXPORT(describe) uint32_t sw_describe(void) { return (uint32_t)(uintptr_t)text; } \
  SW_EXPORT(start) void sw_set_io(uint32_t io) {                                    \
    sw_io = (struct sw_io *)(uintptr_t)io;                                          \
    if (sw_start) sw_start();                                                       \
  }

#define SW_BATCH(frames, count)                                                \
  static void sw_batch(const struct sw_frame *frames, uint32_t count);         \
  SW_EXPORT(batch) void sw_on_batch(uint32_t offset, uint32_t count) {         \
    sw_batch((const struct sw_frame *)(uintptr_t)offset, count);               \
  }                                                                            \
  static void sw_batch(const struct sw_frame *frames, uint32_t count)

/* The interval ends: give its last rows. Return 1 to be called again (rows_max rows go out each time), 0 when done. */
#define SW_SEAL() SW_EXPORT(seal) uint32_t sw_on_seal(void)

static inline const uint8_t *sw_bytes(const struct sw_frame *frame) {
  return (const uint8_t *)(uintptr_t)frame->offset;
}

/* Adds to one entry of the matrix of this interval; keys below 2^60 as they are, larger ones under a hash. Beyond
 * rows_max (8192) a call a row is lost, and counted so. */
static inline void sw_row(uint64_t row, uint64_t column, uint64_t value) {
  uint32_t at = sw_io->rows_used;
  if (at >= sw_io->rows_max) {
    sw_io->rows_lost++;
    return;
  }
  ((uint64_t *)(uintptr_t)sw_io->rows)[at] = row;
  ((uint64_t *)(uintptr_t)sw_io->columns)[at] = column;
  ((uint64_t *)(uintptr_t)sw_io->values)[at] = value;
  sw_io->rows_used = at + 1;
}

/* Mode inline, inline.verdict = this extension: what becomes of frame i of the batch. A frame without one passes. */
enum { SW_PASS = 1, SW_DROP = 2, SW_DIVERT = 3 };
static inline void sw_verdict(uint32_t i, uint32_t verdict) {
  if (i < sw_io->frames_max) ((uint8_t *)(uintptr_t)sw_io->verdicts)[i] = (uint8_t)verdict;
}

/* Says something in the sensor's log: level 0 info, 1 warning, 2 error; at most 1024 bytes. */
static inline void sw_event(uint32_t level, const char *text, uint32_t length) {
  if (length > 1024) length = 1024;
  uint32_t at = sw_io->events_used;
  if (at > sw_io->events_max || sw_io->events_max - at < 4 + length) {
    sw_io->events_lost++;
    return;
  }
  uint8_t *out = (uint8_t *)(uintptr_t)(sw_io->events + at);
  out[0] = (uint8_t)level;
  out[1] = 0;
  out[2] = (uint8_t)length;
  out[3] = (uint8_t)(length >> 8);
  for (uint32_t i = 0; i < length; i++) out[4 + i] = (uint8_t)text[i];
  sw_io->events_used = at + 4 + length;
}

/* --- Hashed keys: the host is told once an interval what a hash stands for. */

/* 64 bits of any bytes: FNV-1a, then the finaliser of MurmurHash3 so that its low bits are as good as its high ones. */
static inline uint64_t sw_hash(const uint8_t *p, uint32_t length) {
  uint64_t hash = 0xcbf29ce484222325u;
  for (uint32_t i = 0; i < length; i++) hash = (hash ^ p[i]) * 0x100000001b3u;
  hash = (hash ^ hash >> 33) * 0xff51afd7ed558ccdu;
  hash = (hash ^ hash >> 33) * 0xc4ceb9fe1a85ec53u;
  return hash ^ hash >> 33;
}

enum { SW_LABEL_TEXT = 1, SW_LABEL_IPV6 = 2, SW_LABELS_KNOWN = 1 << 14 };

/* Labels given in this interval; one that has been forgotten is given again, which costs a little and harms nothing. */
static inline void sw_label(uint64_t key, uint32_t kind, const uint8_t *p, uint32_t length) {
  static struct {
    uint64_t key;
    uint32_t interval;
  } known[SW_LABELS_KNOWN];
  uint32_t slot = (uint32_t)(key % SW_LABELS_KNOWN);
  if (known[slot].key == key && known[slot].interval == sw_io->interval + 1) return;
  if (length > 255) length = 255;
  uint32_t at = sw_io->labels_used;
  if (at > sw_io->labels_max || sw_io->labels_max - at < 10 + length) return;
  uint8_t *out = (uint8_t *)(uintptr_t)(sw_io->labels + at);
  for (uint32_t i = 0; i < 8; i++) out[i] = (uint8_t)(key >> 8 * i);
  out[8] = (uint8_t)kind;
  out[9] = (uint8_t)length;
  for (uint32_t i = 0; i < length; i++) out[10 + i] = p[i];
  sw_io->labels_used = at + 10 + length;
  known[slot].key = key;
  known[slot].interval = sw_io->interval + 1;
}

/* A key of kind text. */
static inline uint64_t sw_text_key(const uint8_t *p, uint32_t length) {
  uint64_t key = sw_hash(p, length) & (((uint64_t)1 << 56) - 1);
  sw_label(key, SW_LABEL_TEXT, p, length);
  return key;
}

/* A key of kind address: of 16 bytes of IPv6. (An IPv4 address is its own key.) */
static inline uint64_t sw_ipv6_key(const uint8_t *address) {
  uint64_t key = (sw_hash(address, 16) & (((uint64_t)1 << 55) - 1)) | (uint64_t)1 << 55;
  sw_label(key, SW_LABEL_IPV6, address, 16);
  return key;
}

/* --- Headers. */

static inline uint32_t sw_load16(const uint8_t *p) { return (uint32_t)p[0] << 8 | p[1]; }
static inline uint32_t sw_load32(const uint8_t *p) { return sw_load16(p) << 16 | sw_load16(p + 2); }

/* The outermost IP packet of a frame, and what it carries. */
struct sw_packet {
  uint32_t version;  /* 4 or 6; 0: it is none, or damaged */
  uint32_t protocol; /* of the payload: 6 TCP, 17 UDP; of IPv6 behind extension headers */
  uint32_t is_fragment; /* not the first: there is no TCP or UDP header */
  const uint8_t *source, *destination; /* 4 or 16 bytes */
  const uint8_t *payload;
  uint32_t payload_bytes; /* that can be read, and belong to the packet */
};

/* Behind Ethernet, any VLAN tags, Linux cooked capture, loopback or raw IP, as files and interfaces have them. */
static inline const uint8_t *sw_network_layer(const struct sw_frame *frame, uint32_t *left) {
  const uint8_t *p = sw_bytes(frame);
  uint32_t at, type, bytes = frame->captured;
  switch (SW_LINK_TYPE(frame)) {
    case 1: at = 14; break;
    case 113: at = 16; break;                                        /* LINUX_SLL */
    case 276: at = 20; break;                                        /* LINUX_SLL2 */
    case 0: case 108: at = 4; break;                                 /* NULL, LOOP */
    case 12: case 14: case 101: case 228: case 229: at = 0; break;   /* RAW, IPV4, IPV6 */
    default: return 0;
  }
  if (bytes < at) return 0;
  if (at > 4) {
    type = at == 20 ? sw_load16(p) : sw_load16(p + at - 2);
    for (int tags = 0; tags < 8 && (type == 0x8100 || type == 0x88a8 || type == 0x9100); tags++) {
      if (bytes - at < 4) return 0;
      type = sw_load16(p + at + 2);
      at += 4;
    }
    if (type != 0x0800 && type != 0x86dd) return 0;
  }
  *left = bytes - at;
  return p + at;
}

static inline struct sw_packet sw_parse6(const uint8_t *p, uint32_t left) {
  struct sw_packet packet = {0, 0, 0, 0, 0, 0, 0};
  if (left < 40) return packet;
  uint32_t total = 40 + sw_load16(p + 4), next = p[6], at = 40;
  if (total < left) left = total;
  for (int headers = 0; headers < 8; headers++) {
    if (next != 0 && next != 43 && next != 44 && next != 60) break;
    if (left - at < 8) break;
    uint32_t length = next == 44 ? 8 : 8 + 8 * (uint32_t)p[at + 1];
    if (next == 44 && (sw_load16(p + at + 2) & 0xfff8) != 0) packet.is_fragment = 1;
    if (left - at < length) break;
    next = p[at];
    at += length;
  }
  packet.version = 6;
  packet.protocol = next;
  packet.source = p + 8;
  packet.destination = p + 24;
  packet.payload = p + at;
  packet.payload_bytes = left - at;
  return packet;
}

static inline struct sw_packet sw_parse(const struct sw_frame *frame) {
  struct sw_packet packet = {0, 0, 0, 0, 0, 0, 0};
  uint32_t left = 0;
  const uint8_t *p = SW_IS_CONTINUED(frame) ? 0 : sw_network_layer(frame, &left);
  if (p == 0 || left < 20) return packet;
  if (p[0] >> 4 == 6) return sw_parse6(p, left);
  uint32_t header = 4 * (p[0] & 15u), total = sw_load16(p + 2);
  if (p[0] >> 4 != 4 || header < 20 || header > left) return packet;
  if (total >= header && total < left) left = total;
  packet.version = 4;
  packet.protocol = p[9];
  packet.is_fragment = (sw_load16(p + 6) & 0x1fff) != 0;
  packet.source = p + 12;
  packet.destination = p + 16;
  packet.payload = p + header;
  packet.payload_bytes = left - header;
  return packet;
}

/* A key of kind address. */
static inline uint64_t sw_address_key(const struct sw_packet *packet, const uint8_t *address) {
  return packet->version == 4 ? sw_load32(address) : sw_ipv6_key(address);
}

#endif
