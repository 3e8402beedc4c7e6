#include "ringbuf.h"

#include <bpf/bpf.h>
#include <sys/mman.h>
#include <unistd.h>

#include <cerrno>

#include "error.h"

namespace xdp {

constexpr int64_t kMaxBytes = int64_t{1} << 40;
constexpr int64_t kMaxSize = int64_t{1} << 30;

Napi::Function RingBuffer::Define(Napi::Env env) {
  return DefineClass(env, "RingBuffer",
                     {InstanceAccessor<&RingBuffer::GetFd>("fd"),
                      InstanceMethod<&RingBuffer::CloseCall>("close")});
}

RingBuffer::RingBuffer(const Napi::CallbackInfo& info)
    : Napi::ObjectWrap<RingBuffer>(info), addon_(Addon::Of(info.Env())) {
  Napi::Env env = info.Env();
  int64_t offset = IntegerArgument(info, 1, "offset", 0, kMaxBytes);
  int64_t size = IntegerArgument(info, 2, "size", static_cast<int64_t>(PageSize()), kMaxSize);
  if ((size & (size - 1)) != 0) FailArgument(env, "the size of a ring buffer must be a power of two");
  int64_t whole = 2 * static_cast<int64_t>(PageSize()) + 2 * size;
  Range area = CheckedRange(env, info[0], offset, whole, PageSize(), "ring buffer");
  fd_ = bpf_map_create(BPF_MAP_TYPE_RINGBUF, "host_ring", 0, 0, static_cast<uint32_t>(size), nullptr);
  if (fd_ < 0) Fail(env, "ring-buffer", "bpf", -fd_);
  mapped_ = {area.start, 0};
  try {
    Map(env, static_cast<size_t>(size));
  } catch (...) {
    Close();
    throw;
  }
  if (info[3].IsObject()) owner_ = Napi::Persistent(info[3].As<Napi::Object>());
  addon_->open.insert({CloseRank::kSocket, this});
}

RingBuffer::~RingBuffer() { Close(); }

// The kernel lets nobody write but the consumer's page, and shows the records twice in a row.
void RingBuffer::Map(Napi::Env env, size_t size) {
  size_t page = PageSize();
  uint8_t* start = mapped_.start;
  if (mmap(start, page, PROT_READ | PROT_WRITE, MAP_SHARED | MAP_FIXED, fd_, 0) == MAP_FAILED) {
    Fail(env, "ring-buffer", "mmap", errno);
  }
  mapped_.size = page;
  if (mmap(start + page, page + 2 * size, PROT_READ, MAP_SHARED | MAP_FIXED, fd_,
           static_cast<off_t>(page)) == MAP_FAILED) {
    Fail(env, "ring-buffer", "mmap", errno);
  }
  mapped_.size = 2 * page + 2 * size;
}

void RingBuffer::Close() {
  if (fd_ < 0) return;
  addon_->open.erase({CloseRank::kSocket, this});
  if (mapped_.size != 0) RestorePlain(mapped_);
  mapped_.size = 0;
  close(fd_);
  fd_ = -1;
  owner_.Reset();
}

Napi::Value RingBuffer::GetFd(const Napi::CallbackInfo& info) { return Napi::Number::New(info.Env(), fd_); }

void RingBuffer::CloseCall(const Napi::CallbackInfo&) { Close(); }

void InitRingBuffer(Napi::Env env, Napi::Object exports) {
  exports.Set("RingBuffer", RingBuffer::Define(env));
}

}  // namespace xdp
