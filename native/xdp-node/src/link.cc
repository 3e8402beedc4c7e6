#include "link.h"

#include <bpf/bpf.h>
#include <bpf/libbpf.h>
#include <linux/if_link.h>
#include <unistd.h>

#include <cerrno>

#include "error.h"

namespace xdp {

Napi::Function Link::Define(Napi::Env env) {
  return DefineClass(
      env, "Link",
      {InstanceAccessor<&Link::GetProgramId>("programId"),
       InstanceAccessor<&Link::GetIfindex>("ifindex"), InstanceMethod<&Link::CloseCall>("close")});
}

Link::Link(const Napi::CallbackInfo& info) : Napi::ObjectWrap<Link>(info), addon_(Addon::Of(info.Env())) {
  Napi::Env env = info.Env();
  int program_fd = static_cast<int>(IntegerArgument(info, 0, "program", 0, INT32_MAX));
  int ifindex = static_cast<int>(IntegerArgument(info, 1, "ifindex", 1, INT32_MAX));
  bool generic = info[2].ToBoolean();

  struct bpf_prog_info program = {};
  uint32_t length = sizeof program;
  if (bpf_obj_get_info_by_fd(program_fd, &program, &length) != 0) Fail(env, "attach", "bpf", errno);
  program_id_ = program.id;

  uint32_t mode = generic ? XDP_FLAGS_SKB_MODE : XDP_FLAGS_DRV_MODE;
  LIBBPF_OPTS(bpf_link_create_opts, opts, .flags = mode);
  int fd = bpf_link_create(program_fd, ifindex, BPF_XDP, &opts);
  if (fd < 0) Fail(env, "attach", "bpf", -fd);
  fd_ = fd;
  addon_->open.insert({CloseRank::kLink, this});
}

Link::~Link() { Close(); }

void Link::Close() {
  if (fd_ < 0) return;
  addon_->open.erase({CloseRank::kLink, this});
  // Detach at once, even if the descriptor was passed on to somebody. It fails only if the interface is gone.
  bpf_link_detach(fd_);
  close(fd_);
  fd_ = -1;
}

Napi::Value Link::GetProgramId(const Napi::CallbackInfo& info) {
  return Napi::Number::New(info.Env(), program_id_);
}

// Of the interface it is attached to now, wherever that is; 0 when it was deleted.
Napi::Value Link::GetIfindex(const Napi::CallbackInfo& info) {
  struct bpf_link_info about = {};
  uint32_t length = sizeof about;
  if (fd_ < 0 || bpf_obj_get_info_by_fd(fd_, &about, &length) != 0) return Napi::Number::New(info.Env(), 0);
  return Napi::Number::New(info.Env(), about.xdp.ifindex);
}

void Link::CloseCall(const Napi::CallbackInfo&) { Close(); }

// xdpAttached(ifindex): {native, generic, offload}: the ids of the programs attached now, 0 for none.
static Napi::Value XdpAttached(const Napi::CallbackInfo& info) {
  int ifindex = static_cast<int>(IntegerArgument(info, 0, "ifindex", 1, INT32_MAX));
  LIBBPF_OPTS(bpf_xdp_query_opts, query);
  int result = bpf_xdp_query(ifindex, 0, &query);
  if (result != 0) Fail(info.Env(), "query", "netlink", -result);
  Napi::Object ids = Napi::Object::New(info.Env());
  // With one program attached the kernel may name it only once, beside its mode.
  ids.Set("native", query.attach_mode == XDP_ATTACHED_DRV ? query.prog_id : query.drv_prog_id);
  ids.Set("generic", query.attach_mode == XDP_ATTACHED_SKB ? query.prog_id : query.skb_prog_id);
  ids.Set("offload", query.attach_mode == XDP_ATTACHED_HW ? query.prog_id : query.hw_prog_id);
  return ids;
}

void InitLink(Napi::Env env, Napi::Object exports) {
  exports.Set("Link", Link::Define(env));
  exports.Set("xdpAttached", Napi::Function::New(env, XdpAttached, "xdpAttached"));
}

}  // namespace xdp
