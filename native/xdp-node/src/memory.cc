#include "memory.h"

#include <sys/mman.h>
#include <unistd.h>

#include <string>

#include "addon.h"
#include "error.h"

namespace xdp {

size_t PageSize() { return static_cast<size_t>(sysconf(_SC_PAGESIZE)); }

size_t RoundUp(size_t size, size_t unit) { return (size + unit - 1) / unit * unit; }

Range BytesOf(Napi::Env env, Napi::Value view, const char* name) {
  if (!view.IsTypedArray() || view.As<Napi::TypedArray>().TypedArrayType() != napi_uint8_array) {
    FailArgument(env, std::string(name) + " must be bytes (Uint8Array)");
  }
  auto bytes = view.As<Napi::Uint8Array>();
  return {bytes.Data(), bytes.ByteLength()};
}

Range CheckedRange(Napi::Env env, Napi::Value view, int64_t offset, int64_t size, size_t alignment,
                   const char* name) {
  Range whole = BytesOf(env, view, "memory");
  std::string what = std::string(name) + " [" + std::to_string(offset) + ", +" + std::to_string(size) + ")";
  if (offset < 0 || size <= 0 || static_cast<uint64_t>(offset) > whole.size ||
      static_cast<uint64_t>(size) > whole.size - static_cast<uint64_t>(offset)) {
    FailArgument(env, what + " is not inside the memory of " + std::to_string(whole.size) + " bytes");
  }
  Range range{whole.start + offset, static_cast<size_t>(size)};
  if (reinterpret_cast<uintptr_t>(range.start) % alignment != 0) {
    FailArgument(env, what + " does not start on a boundary of " + std::to_string(alignment) + " bytes");
  }
  return range;
}

void RestorePlain(const Range& range) {
  mmap(range.start, range.size, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS | MAP_FIXED, -1, 0);
}

// addressOf(bytes): the process address of the first byte, as a BigInt.
static Napi::Value AddressOf(const Napi::CallbackInfo& info) {
  Range bytes = BytesOf(info.Env(), info[0], "view");
  return Napi::BigInt::New(info.Env(), static_cast<uint64_t>(reinterpret_cast<uintptr_t>(bytes.start)));
}

void InitMemory(Napi::Env env, Napi::Object exports) {
  exports.Set("addressOf", Napi::Function::New(env, AddressOf, "addressOf"));
  exports.Set("pageSize", Napi::Number::New(env, static_cast<double>(PageSize())));
}

}  // namespace xdp
