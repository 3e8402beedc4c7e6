// One AF_XDP socket: file descriptor, mapped rings, and a reference that keeps the lent memory alive.
#pragma once
#include <napi.h>

#include "addon.h"
#include "memory.h"

namespace xdp {

class Socket : public Napi::ObjectWrap<Socket>, public Closable {
 public:
  static Napi::Function Define(Napi::Env env);

  // new Socket(bytes, {ifindex, queue, rxSize, txSize, fillSize, completionSize, ringsOffset, ringsSize,
  //   umem: {offset, size, chunkSize, headroom}, sharedFd, bindFlags, busyPollUsecs, busyPollBudget,
  //   busyRetryMs}, owner); sharedFd is -1, or a bound socket that registered the same UMEM; the bytes and
  // their owner are kept alive until Close().
  explicit Socket(const Napi::CallbackInfo& info);
  ~Socket() override;
  void Close() override;
  const Range& mapped() const { return mapped_; }

 private:
  void Open(Napi::Env env, Napi::Value view, Napi::Object options);
  void SetSending(uint32_t entries);
  void Bind(Napi::Env env, Napi::Object options, int shared_fd);
  int OpenFd(Napi::Env env) const;
  int PendingError(int fd);

  Napi::Value GetFd(const Napi::CallbackInfo& info);
  Napi::Value GetRings(const Napi::CallbackInfo& info);
  Napi::Value Options(const Napi::CallbackInfo& info);
  Napi::Value Statistics(const Napi::CallbackInfo& info);
  void WakeRx(const Napi::CallbackInfo& info);
  void WakeTx(const Napi::CallbackInfo& info);
  Napi::Value Poll(const Napi::CallbackInfo& info);
  void CloseCall(const Napi::CallbackInfo& info);

  Addon* addon_;
  int fd_ = -1;
  int gone_ = 0;
  Range mapped_;
  Napi::ObjectReference bytes_;
  Napi::ObjectReference owner_;
  Napi::ObjectReference rings_;
};

}  // namespace xdp
