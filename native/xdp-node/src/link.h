// An attachment of an XDP program to an interface, held by a bpf_link: the kernel detaches it when the last
// descriptor goes, however the process dies.
#pragma once
#include <napi.h>

#include "addon.h"

namespace xdp {

class Link : public Napi::ObjectWrap<Link>, public Closable {
 public:
  static Napi::Function Define(Napi::Env env);

  // new Link(programFd, ifindex, generic)
  explicit Link(const Napi::CallbackInfo& info);
  ~Link() override;
  void Close() override;

 private:
  Napi::Value GetProgramId(const Napi::CallbackInfo& info);
  Napi::Value GetIfindex(const Napi::CallbackInfo& info);
  void CloseCall(const Napi::CallbackInfo& info);

  Addon* addon_;
  int fd_ = -1;
  uint32_t program_id_ = 0;
};

}  // namespace xdp
