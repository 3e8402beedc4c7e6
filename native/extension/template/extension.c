/* SPDX-License-Identifier: Apache-2.0 */
/* A first extension: wire bytes by source address and IP protocol. Change it to what you want to know. */
#include "sparsewire_extension.h"

SW_EXTENSION("sparsewire/1 row=source:address column=protocol:number value=bytes")

SW_BATCH(frames, count) {
  for (uint32_t i = 0; i < count; i++) {
    struct sw_packet packet = sw_parse(&frames[i]);
    if (packet.version == 0) continue;
    sw_row(sw_address_key(&packet, packet.source), packet.protocol, frames[i].wire);
  }
}
