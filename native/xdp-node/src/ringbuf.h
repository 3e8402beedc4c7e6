// A BPF ring buffer, mapped into memory that JavaScript lent us.
#pragma once
#include <napi.h>

#include "addon.h"
#include "memory.h"

namespace xdp {

class RingBuffer : public Napi::ObjectWrap<RingBuffer>, public Closable {
 public:
  static Napi::Function Define(Napi::Env env);

  // new RingBuffer(bytes, offset, size, owner): `size` bytes of records, a power of two; the mapping takes two pages
  // (consumer position, writable; producer position) and 2 * size bytes from offset on.
  explicit RingBuffer(const Napi::CallbackInfo& info);
  ~RingBuffer() override;
  void Close() override;

 private:
  void Map(Napi::Env env, size_t size);
  Napi::Value GetFd(const Napi::CallbackInfo& info);
  void CloseCall(const Napi::CallbackInfo& info);

  Addon* addon_;
  int fd_ = -1;
  Range mapped_;
  Napi::ObjectReference owner_;
};

}  // namespace xdp
