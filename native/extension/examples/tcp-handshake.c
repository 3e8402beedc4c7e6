/* SPDX-License-Identifier: Apache-2.0 */
/*
 * What becomes of TCP handshakes, by client and server: how many were begun (a SYN; sent again is not begun again),
 * answered (SYN+ACK), established (the client's ACK of it), refused or broken off (RST before it was established).
 *
 * A handshake is followed in a table of its four addresses and ports, 8 places for each hash; when all are taken the
 * oldest goes. Handshakes live on over the end of an interval: each event counts in the interval in which it is seen.
 * IPv4 and IPv6; a SYN+ACK or RST of a handshake whose SYN was not seen is not counted.
 */
#include "../sparsewire_extension.h"

SW_EXTENSION("sparsewire/1 row=client:address column=server:address/(syn|synack|established|reset) value=handshakes")

enum { TCP = 6, TCP_BYTES = 20, FIN = 1, SYN = 2, RST = 4, ACK = 16 };
enum outcome { BEGUN, ANSWERED, ESTABLISHED, RESET };
enum { FREE, AWAITS_SYNACK, AWAITS_ACK };
enum { SETS = 1 << 13, WAYS = 8 };

struct handshake {
  uint64_t client, server; /* keys */
  uint32_t ports;          /* client << 16 | server */
  uint32_t client_sequence, server_sequence;
  uint32_t state;
  uint64_t time_ns;
};
static struct handshake table[SETS][WAYS];

static struct handshake *set_of(uint64_t client, uint64_t server, uint32_t ports) {
  uint64_t hash = (client * 0x9e3779b97f4a7c15u ^ server) * 0xff51afd7ed558ccdu ^ ports;
  hash = (hash ^ hash >> 32) * 0xc4ceb9fe1a85ec53u;
  return table[hash >> 51];
}

static struct handshake *find(uint64_t client, uint64_t server, uint32_t ports) {
  struct handshake *set = set_of(client, server, ports);
  for (uint32_t i = 0; i < WAYS; i++)
    if (set[i].state != FREE && set[i].client == client && set[i].server == server && set[i].ports == ports) return &set[i];
  return 0;
}

static struct handshake *make_room(uint64_t client, uint64_t server, uint32_t ports) {
  struct handshake *set = set_of(client, server, ports), *oldest = set;
  for (uint32_t i = 0; i < WAYS; i++) {
    if (set[i].state == FREE) return &set[i];
    if (set[i].time_ns < oldest->time_ns) oldest = &set[i];
  }
  return oldest;
}

static void count(uint64_t client, uint64_t server, enum outcome outcome) { sw_row(client, server << 4 | outcome, 1); }

static void segment(const struct sw_packet *packet, uint64_t time_ns) {
  const uint8_t *tcp = packet->payload;
  uint32_t from = sw_load16(tcp), to = sw_load16(tcp + 2), flags = tcp[13] & (FIN | SYN | RST | ACK);
  uint32_t sequence = sw_load32(tcp + 4), acknowledged = sw_load32(tcp + 8);
  uint64_t sender = sw_address_key(packet, packet->source), receiver = sw_address_key(packet, packet->destination);
  if (flags == SYN) {
    struct handshake *open = find(sender, receiver, from << 16 | to);
    if (open != 0 && open->client_sequence == sequence) return;
    if (open == 0) open = make_room(sender, receiver, from << 16 | to);
    *open = (struct handshake){sender, receiver, from << 16 | to, sequence, 0, AWAITS_SYNACK, time_ns};
    count(sender, receiver, BEGUN);
    return;
  }
  if (flags == (SYN | ACK)) {
    struct handshake *open = find(receiver, sender, to << 16 | from);
    if (open == 0 || open->state != AWAITS_SYNACK || acknowledged != open->client_sequence + 1) return;
    open->server_sequence = sequence;
    open->state = AWAITS_ACK;
    count(receiver, sender, ANSWERED);
    return;
  }
  if (flags & RST) {
    struct handshake *open = find(sender, receiver, from << 16 | to);
    int is_client = open != 0;
    if (!is_client) open = find(receiver, sender, to << 16 | from);
    if (open == 0) return;
    open->state = FREE;
    if (is_client) count(sender, receiver, RESET);
    else count(receiver, sender, RESET);
    return;
  }
  if ((flags & (SYN | ACK)) != ACK) return;
  struct handshake *open = find(sender, receiver, from << 16 | to);
  if (open == 0 || open->state != AWAITS_ACK || acknowledged != open->server_sequence + 1) return;
  open->state = FREE;
  count(sender, receiver, ESTABLISHED);
}

SW_BATCH(frames, n) {
  for (uint32_t i = 0; i < n; i++) {
    struct sw_packet packet = sw_parse(&frames[i]);
    if (packet.version == 0 || packet.is_fragment || packet.protocol != TCP || packet.payload_bytes < TCP_BYTES) continue;
    segment(&packet, frames[i].time_ns);
  }
}
