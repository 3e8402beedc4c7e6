// Frame memory that one AF_XDP socket registers and others share.
#pragma once
#include <napi.h>

#include "memory.h"

namespace xdp {

struct Umem {
  Range frames;
  uint32_t chunk_size;
  uint32_t headroom;

  // From {offset, size, chunkSize, headroom} of a view. Throws on a range the kernel would not take.
  static Umem From(Napi::Env env, Napi::Value view, Napi::Object options);

  // XDP_UMEM_REG on a socket: pins the pages. Throws.
  void Register(Napi::Env env, int fd) const;
};

}  // namespace xdp
