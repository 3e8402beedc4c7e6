// A loaded BPF object: some of its programs (XDP or tc) and its maps.
#pragma once
#include <bpf/libbpf.h>
#include <napi.h>

#include <string>

#include "addon.h"

namespace xdp {

class Program : public Napi::ObjectWrap<Program>, public Closable {
 public:
  static Napi::Function Define(Napi::Env env);

  // new Program(bytes | path, {programs: [name], frags, maps: [[name, maxEntries]], constants: [[name, bigint]]})
  explicit Program(const Napi::CallbackInfo& info);
  ~Program() override;
  void Close() override;

 private:
  void Open(Napi::Env env, Napi::Value source, Napi::Object options);
  void Select(Napi::Env env, Napi::Object options);
  void SizeMaps(Napi::Env env, Napi::Array maps);
  void SetConstants(Napi::Env env, Napi::Array constants);
  bpf_object* OpenObject(Napi::Env env) const;
  bpf_map* MapOf(const Napi::CallbackInfo& info) const;

  Napi::Value GetFd(const Napi::CallbackInfo& info);
  Napi::Value FdOf(const Napi::CallbackInfo& info);
  Napi::Value MapInfo(const Napi::CallbackInfo& info);
  Napi::Value Lookup(const Napi::CallbackInfo& info);
  void Update(const Napi::CallbackInfo& info);
  Napi::Value Remove(const Napi::CallbackInfo& info);
  void CloseCall(const Napi::CallbackInfo& info);

  Addon* addon_;
  bpf_object* object_ = nullptr;
  bpf_program* program_ = nullptr;  // the first of them
};

}  // namespace xdp
