#include "rings.h"

#include <sys/mman.h>

#include <cerrno>
#include <string>

#include "error.h"
#include "kernel.h"

namespace xdp {

static void CreateRing(Napi::Env env, int fd, int option, uint32_t entries) {
  if (setsockopt(fd, SOL_XDP, option, &entries, sizeof entries) != 0) {
    Fail(env, "rings", "setsockopt", errno, std::to_string(entries) + " entries");
  }
}

void CreateRings(Napi::Env env, int fd, const RingSizes& sizes) {
  CreateRing(env, fd, XDP_UMEM_FILL_RING, sizes.fill);
  CreateRing(env, fd, XDP_UMEM_COMPLETION_RING, sizes.completion);
  CreateRing(env, fd, XDP_RX_RING, sizes.rx);
  if (sizes.tx != 0) CreateRing(env, fd, XDP_TX_RING, sizes.tx);
}

Napi::Object MapRings(Napi::Env env, int fd, const RingSizes& sizes, const Range& area,
                      const uint8_t* memory_base, Range* mapped) {
  struct xdp_mmap_offsets offsets;
  socklen_t length = sizeof offsets;
  if (getsockopt(fd, SOL_XDP, XDP_MMAP_OFFSETS, &offsets, &length) != 0) {
    Fail(env, "rings", "getsockopt", errno);
  }
  // Kernels before 5.4 answer without the flags words; the rings need-wakeup relies on are then not there.
  if (length != sizeof offsets) Fail(env, "rings", "getsockopt", EOPNOTSUPP, "kernel older than 5.4");

  struct Plan {
    const char* name;
    uint32_t entries;
    size_t entry_bytes;
    const xdp_ring_offset* at;
    uint64_t page_offset;
  };
  const Plan plans[] = {
      {"rx", sizes.rx, sizeof(xdp_desc), &offsets.rx, XDP_PGOFF_RX_RING},
      {"tx", sizes.tx, sizeof(xdp_desc), &offsets.tx, XDP_PGOFF_TX_RING},
      {"fill", sizes.fill, sizeof(uint64_t), &offsets.fr, XDP_UMEM_PGOFF_FILL_RING},
      {"completion", sizes.completion, sizeof(uint64_t), &offsets.cr, XDP_UMEM_PGOFF_COMPLETION_RING},
  };

  Napi::Object rings = Napi::Object::New(env);
  *mapped = {area.start, 0};
  for (const Plan& plan : plans) {
    if (plan.entries == 0) continue;
    size_t bytes = RoundUp(plan.at->desc + plan.entries * plan.entry_bytes, PageSize());
    if (bytes > area.size - mapped->size) FailArgument(env, "the ring area is too small, see ringBytes()");
    uint8_t* start = mapped->end();
    if (mmap(start, bytes, PROT_READ | PROT_WRITE, MAP_SHARED | MAP_FIXED | MAP_POPULATE, fd,
             static_cast<off_t>(plan.page_offset)) == MAP_FAILED) {
      Fail(env, "rings", "mmap", errno, plan.name);
    }
    mapped->size += bytes;
    const double base = static_cast<double>(start - memory_base);
    Napi::Object ring = Napi::Object::New(env);
    ring.Set("producer", base + static_cast<double>(plan.at->producer));
    ring.Set("consumer", base + static_cast<double>(plan.at->consumer));
    ring.Set("flags", base + static_cast<double>(plan.at->flags));
    ring.Set("descriptors", base + static_cast<double>(plan.at->desc));
    ring.Set("size", static_cast<double>(plan.entries));
    rings.Set(plan.name, ring);
  }
  return rings;
}

}  // namespace xdp
