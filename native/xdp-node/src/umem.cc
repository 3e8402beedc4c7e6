#include "umem.h"

#include <cerrno>
#include <cstring>

#include "error.h"
#include "kernel.h"

namespace xdp {

// Bytes the kernel keeps for itself in front of each frame (XDP_PACKET_HEADROOM).
constexpr int64_t kKernelHeadroom = 256;

Umem Umem::From(Napi::Env env, Napi::Value view, Napi::Object options) {
  int64_t chunk = IntegerOf(options, "chunkSize", 2048, static_cast<int64_t>(PageSize()));
  if ((chunk & (chunk - 1)) != 0) FailArgument(env, "chunkSize must be a power of two");
  int64_t headroom = IntegerOf(options, "headroom", 0, chunk - kKernelHeadroom);
  int64_t size = IntegerOf(options, "size", chunk, int64_t{1} << 40);
  if (size % chunk != 0) FailArgument(env, "the UMEM size must be a multiple of chunkSize");
  int64_t offset = IntegerOf(options, "offset", 0, int64_t{1} << 40);
  return {CheckedRange(env, view, offset, size, PageSize(), "UMEM"), static_cast<uint32_t>(chunk),
          static_cast<uint32_t>(headroom)};
}

void Umem::Register(Napi::Env env, int fd) const {
  // What is padding in the headers before Linux 6.8 is a member after: all of it must be zero.
  struct xdp_umem_reg reg;
  std::memset(&reg, 0, sizeof reg);
  reg.addr = reinterpret_cast<uint64_t>(frames.start);
  reg.len = frames.size;
  reg.chunk_size = chunk_size;
  reg.headroom = headroom;
  if (setsockopt(fd, SOL_XDP, XDP_UMEM_REG, &reg, sizeof reg) != 0) Fail(env, "umem", "setsockopt", errno);
}

}  // namespace xdp
