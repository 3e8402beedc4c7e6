// The four rings of an AF_XDP socket, mapped into memory that JavaScript lent us.
#pragma once
#include <napi.h>

#include "memory.h"

namespace xdp {

struct RingSizes {
  uint32_t rx, tx, fill, completion;  // entries, powers of two; tx may be 0: no TX ring
};

// Asks the kernel for the rings of an unbound socket. Throws.
void CreateRings(Napi::Env env, int fd, const RingSizes& sizes);

// Maps the rings one after the other from area.start on, each on a page boundary, and describes them with
// byte offsets from memory_base: {rx, tx?, fill, completion}, each {producer, consumer, flags, descriptors,
// size}. *mapped is the part of the area that holds them, right also when it throws.
Napi::Object MapRings(Napi::Env env, int fd, const RingSizes& sizes, const Range& area,
                      const uint8_t* memory_base, Range* mapped);

}  // namespace xdp
