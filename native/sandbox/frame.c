/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The frame cursor. Each function reads one kind of header at the cursor and says what comes next; nothing is read
 * before it is known to have been captured. A stack of tags is bounded by the frame: each step consumes bytes.
 */
#include "frame.h"

enum {
  TYPE_IPV4 = 0x0800,
  TYPE_ARP = 0x0806,
  TYPE_RARP = 0x8035,
  TYPE_VLAN = 0x8100,
  TYPE_IPV6 = 0x86dd,
  TYPE_MPLS = 0x8847,
  TYPE_MPLS_UPSTREAM = 0x8848,
  TYPE_PPPOE_DISCOVERY = 0x8863,
  TYPE_PPPOE_SESSION = 0x8864,
  TYPE_QINQ = 0x88a8,
  TYPE_QINQ_OLD = 0x9100,
  TYPE_QINQ_OLDER = 0x9200,
  LENGTH_MAX = 1500, /* up to here an EtherType field is an 802.3 length */
};

struct cursor {
  const u8 *p, *end;
};

static u32 left(const struct cursor *cursor) { return (u32)(cursor->end - cursor->p); }

static struct verdict is(u32 reason) { return (struct verdict){.reason = reason}; }

static struct verdict parse_type(struct cursor cursor, u32 type);

/* A total length of 0 is what segmentation offload leaves; any other that is shorter than the header is a lie. */
static struct verdict parse_ipv4(struct cursor cursor) {
  if (left(&cursor) >= 1 && cursor.p[0] >> 4 != 4) return is(SW_REASON_MALFORMED_IP);
  if (left(&cursor) >= 1 && (cursor.p[0] & 15) < 5) return is(SW_REASON_MALFORMED_IP);
  if (left(&cursor) < 20) return is(SW_REASON_TRUNCATED);
  u32 header = (cursor.p[0] & 15u) * 4, total = load16be(cursor.p + 2);
  if (total != 0 && total < header) return is(SW_REASON_MALFORMED_IP);
  return (struct verdict){.reason = SW_REASON_IPV4, .ip = cursor.p};
}

static struct verdict parse_ipv6(struct cursor cursor) {
  if (left(&cursor) >= 1 && cursor.p[0] >> 4 != 6) return is(SW_REASON_MALFORMED_IP);
  if (left(&cursor) < 40) return is(SW_REASON_TRUNCATED);
  return (struct verdict){.reason = SW_REASON_IPV6, .ip = cursor.p};
}

/* IPv4 or IPv6, as the version nibble says. */
static struct verdict parse_raw(struct cursor cursor, u32 otherwise) {
  if (left(&cursor) < 1) return is(SW_REASON_TRUNCATED);
  u32 version = cursor.p[0] >> 4;
  if (version == 4) return parse_ipv4(cursor);
  if (version == 6) return parse_ipv6(cursor);
  return is(otherwise);
}

/* Labels of 4 bytes up to the one with the bottom-of-stack bit; what follows says itself what it is (RFC 4928). */
static struct verdict parse_mpls(struct cursor cursor) {
  for (;;) {
    if (left(&cursor) < 4) return is(SW_REASON_TRUNCATED);
    u32 is_bottom = cursor.p[2] & 1;
    cursor.p += 4;
    if (is_bottom) return parse_raw(cursor, SW_REASON_MPLS_OTHER);
  }
}

/* Forgets what lies beyond the next n bytes: padding after a payload whose length is given. */
static void limit(struct cursor *cursor, u32 n) {
  if (n < left(cursor)) cursor->end = cursor->p + n;
}

/*
 * RFC 2516: version and type, code, session, length; then a PPP protocol of two bytes, or of one if it is odd. An IP
 * header says its length itself: a PPPoE length that contradicts it hides no packet.
 */
static struct verdict parse_pppoe(struct cursor cursor) {
  if (left(&cursor) < 6) return is(SW_REASON_TRUNCATED);
  cursor.p += 6;
  if (left(&cursor) < 1) return is(SW_REASON_TRUNCATED);
  u32 protocol = cursor.p[0];
  if (protocol & 1) {
    cursor.p += 1;
  } else {
    if (left(&cursor) < 2) return is(SW_REASON_TRUNCATED);
    protocol = load16be(cursor.p);
    cursor.p += 2;
  }
  if (protocol == 0x21) return parse_ipv4(cursor);
  if (protocol == 0x57) return parse_ipv6(cursor);
  return is(SW_REASON_PPPOE_OTHER);
}

/* 802.2 LLC: IP is carried by SNAP with an Ethernet type inside, or (old) by a service access point of its own. */
static struct verdict parse_llc(struct cursor cursor) {
  if (left(&cursor) < 3) return is(SW_REASON_LLC);
  if (cursor.p[0] == 6 && cursor.p[2] == 3) {
    cursor.p += 3;
    return parse_ipv4(cursor);
  }
  if (cursor.p[0] != 0xaa || cursor.p[1] != 0xaa || cursor.p[2] != 3) return is(SW_REASON_LLC);
  if (left(&cursor) < 8) return is(SW_REASON_TRUNCATED);
  u32 organisation = (u32)cursor.p[3] << 16 | (u32)cursor.p[4] << 8 | cursor.p[5];
  if (organisation != 0 && organisation != 0xf8) return is(SW_REASON_LLC);
  u32 type = load16be(cursor.p + 6);
  cursor.p += 8;
  return parse_type(cursor, type);
}

/* An EtherType field, or an 802.3 length, at the place where one stands. */
static struct verdict parse_type_or_length(struct cursor cursor, u32 type) {
  if (type > LENGTH_MAX) return parse_type(cursor, type);
  limit(&cursor, type);
  return parse_llc(cursor);
}

static struct verdict parse_type(struct cursor cursor, u32 type) {
  while (type == TYPE_VLAN || type == TYPE_QINQ || type == TYPE_QINQ_OLD || type == TYPE_QINQ_OLDER) {
    if (left(&cursor) < 4) return is(SW_REASON_TRUNCATED);
    type = load16be(cursor.p + 2);
    cursor.p += 4;
    if (type <= LENGTH_MAX) return parse_type_or_length(cursor, type);
  }
  switch (type) {
    case TYPE_IPV4: return parse_ipv4(cursor);
    case TYPE_IPV6: return parse_ipv6(cursor);
    case TYPE_ARP:
    case TYPE_RARP: return is(SW_REASON_ARP);
    case TYPE_MPLS:
    case TYPE_MPLS_UPSTREAM: return parse_mpls(cursor);
    case TYPE_PPPOE_SESSION: return parse_pppoe(cursor);
    case TYPE_PPPOE_DISCOVERY: return is(SW_REASON_PPPOE_OTHER);
    default: return is(SW_REASON_OTHER_ETHERTYPE);
  }
}

static struct verdict parse_ethernet(struct cursor cursor) {
  if (left(&cursor) < 14) return is(SW_REASON_TRUNCATED);
  u32 type = load16be(cursor.p + 12);
  cursor.p += 14;
  return parse_type_or_length(cursor, type);
}

/*
 * BSD loopback: an address family in the byte order of the writer (NULL) or of the network (LOOP). Some write an
 * EtherType in the last two bytes, which is larger than any family, and leave anything in the first two.
 */
static struct verdict parse_null(struct cursor cursor) {
  if (left(&cursor) < 4) return is(SW_REASON_TRUNCATED);
  u32 family = load32(cursor.p);
  if (family > 0xffff) family = load32be(cursor.p);
  cursor.p += 4;
  switch (family) {
    case 2: return parse_ipv4(cursor);
    case 24: /* NetBSD, OpenBSD, BSD/OS */
    case 28: /* FreeBSD */
    case 30: /* Darwin */ return parse_ipv6(cursor);
    default: return family > LENGTH_MAX ? parse_type(cursor, family & 0xffff) : is(SW_REASON_OTHER_ETHERTYPE);
  }
}

/* Linux cooked capture: protocol at `at`, header of `length` bytes. */
static struct verdict parse_cooked(struct cursor cursor, u32 protocol_at, u32 length) {
  if (left(&cursor) < length) return is(SW_REASON_TRUNCATED);
  u32 protocol = load16be(cursor.p + protocol_at);
  cursor.p += length;
  if (protocol == 4) return parse_llc(cursor);
  if (protocol <= LENGTH_MAX) return is(SW_REASON_OTHER_ETHERTYPE);
  return parse_type(cursor, protocol);
}

struct verdict sw_parse(u32 link_type, const u8 *p, u32 captured) {
  struct cursor cursor = {.p = p, .end = p + captured};
  switch (link_type) {
    case LINK_ETHERNET: return parse_ethernet(cursor);
    case LINK_RAW:
    case LINK_RAW_BSD:
    case LINK_RAW_OPENBSD: return parse_raw(cursor, SW_REASON_MALFORMED_IP);
    case LINK_IPV4: return parse_ipv4(cursor);
    case LINK_IPV6: return parse_ipv6(cursor);
    case LINK_NULL:
    case LINK_LOOP: return parse_null(cursor);
    case LINK_SLL: return parse_cooked(cursor, 14, 16);
    case LINK_SLL2: return parse_cooked(cursor, 0, 20);
    default: return is(SW_REASON_OTHER_LINK_TYPE);
  }
}
