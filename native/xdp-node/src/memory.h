// Ranges of memory that JavaScript lent us: a byte view of an ArrayBuffer or of a WebAssembly.Memory.
#pragma once
#include <napi.h>

#include <cstddef>
#include <cstdint>

namespace xdp {

struct Range {
  uint8_t* start = nullptr;
  size_t size = 0;

  uint8_t* end() const { return start + size; }
  bool Overlaps(const Range& other) const { return start < other.end() && other.start < end(); }
};

size_t PageSize();
size_t RoundUp(size_t size, size_t unit);

// The bytes of a Uint8Array. Refuses anything else.
Range BytesOf(Napi::Env env, Napi::Value view, const char* name);

// [offset, offset + size) of a Uint8Array. Refuses a range that is empty, leaves the view, or whose address
// is not a multiple of `alignment`.
Range CheckedRange(Napi::Env env, Napi::Value view, int64_t offset, int64_t size, size_t alignment,
                   const char* name);

// Puts zeroed private memory over a range, so that whoever owns the surrounding memory can go on using it.
void RestorePlain(const Range& range);

}  // namespace xdp
