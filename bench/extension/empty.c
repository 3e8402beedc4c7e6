/* SPDX-License-Identifier: Apache-2.0 */
/* An extension that does nothing: what is left is what it costs to have one. */
#include "sparsewire_extension.h"

SW_EXTENSION("sparsewire/1")

SW_BATCH(frames, count) {
  (void)frames;
  (void)count;
}
