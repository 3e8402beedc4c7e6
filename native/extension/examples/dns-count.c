/* SPDX-License-Identifier: Apache-2.0 */
/*
 * DNS queries by client and name: UDP to port 53, QR = 0, opcode 0, the first question, in lower case, without the final
 * dot. A name that is damaged, compressed (questions are not) or not all there is counted as "?" of its client.
 */
#include "../sparsewire_extension.h"

SW_EXTENSION("sparsewire/1 row=client:address column=name:text value=queries")

enum { UDP = 17, PORT = 53, UDP_BYTES = 8, DNS_BYTES = 12, NAME_BYTES_MAX = 253 };

/* Writes the name at p as text; its length, or 0 when it is not sound. The root's name is ".". */
static uint32_t read_name(const uint8_t *p, uint32_t left, uint8_t *text) {
  uint32_t n = 0;
  for (uint32_t at = 0; at < left;) {
    uint32_t label = p[at++];
    if (label == 0) {
      if (n == 0) text[n++] = '.';
      return n;
    }
    if (label > 63 || left - at < label || n + label + 1 > NAME_BYTES_MAX) return 0;
    if (n != 0) text[n++] = '.';
    for (uint32_t i = 0; i < label; i++) {
      uint8_t c = p[at + i];
      text[n++] = c >= 'A' && c <= 'Z' ? (uint8_t)(c + 32) : c;
    }
    at += label;
  }
  return 0;
}

SW_BATCH(frames, count) {
  for (uint32_t i = 0; i < count; i++) {
    struct sw_packet packet = sw_parse(&frames[i]);
    const uint8_t *udp = packet.payload;
    if (packet.version == 0 || packet.is_fragment || packet.protocol != UDP) continue;
    if (packet.payload_bytes < UDP_BYTES + DNS_BYTES || sw_load16(udp + 2) != PORT) continue;
    const uint8_t *dns = udp + UDP_BYTES;
    if ((dns[2] & 0xf8) != 0) continue;
    uint8_t text[NAME_BYTES_MAX + 1];
    uint32_t n = 0;
    if (sw_load16(dns + 4) != 0) n = read_name(dns + DNS_BYTES, packet.payload_bytes - UDP_BYTES - DNS_BYTES, text);
    if (n == 0) text[n++] = '?';
    sw_row(sw_address_key(&packet, packet.source), sw_text_key(text, n), 1);
  }
}
