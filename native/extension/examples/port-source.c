/* SPDX-License-Identifier: Apache-2.0 */
/* Who asks for which service: packets by destination port (TCP and UDP) and source address. */
#include "../sparsewire_extension.h"

SW_EXTENSION("sparsewire/1 row=port:port/(tcp|udp) column=source:address value=packets")

enum { TCP = 6, UDP = 17 };

SW_BATCH(frames, count) {
  for (uint32_t i = 0; i < count; i++) {
    struct sw_packet packet = sw_parse(&frames[i]);
    uint32_t is_udp = packet.protocol == UDP;
    if (packet.version == 0 || packet.is_fragment || packet.payload_bytes < 4) continue;
    if (packet.protocol != TCP && !is_udp) continue;
    uint32_t port = sw_load16(packet.payload + 2);
    sw_row(port << 4 | is_udp, sw_address_key(&packet, packet.source), 1);
  }
}
