// What else hangs on an interface: tc filters, tcx programs, AF_XDP sockets. Asked, never changed.
#include <bpf/bpf.h>
#include <linux/bpf.h>
#include <linux/netlink.h>
#include <linux/pkt_cls.h>
#include <linux/pkt_sched.h>
#include <linux/rtnetlink.h>
#include <linux/sock_diag.h>
#include <linux/xdp_diag.h>
#include <napi.h>
#include <sys/socket.h>
#include <sys/syscall.h>
#include <unistd.h>

#include <algorithm>
#include <cerrno>
#include <cstring>
#include <functional>
#include <string>
#include <vector>

#include "addon.h"
#include "error.h"
#include "kernel.h"

namespace xdp {

namespace {

// Programs at one hook, and messages of one dump: enough for any sane host, and an end for any other.
constexpr uint32_t kProgramsMax = 64;
constexpr int kDumpMessagesMax = 65536;
// Linux 6.6; not in the headers of Debian 12.
constexpr uint32_t kTcxIngress = 46;
constexpr uint32_t kTcxEgress = 47;

using Visit = std::function<void(const nlmsghdr*)>;

// Sends one dump request and visits every message of the answer. 0, or the errno.
int Dump(int protocol, const void* request, size_t size, const Visit& visit) {
  int fd = socket(AF_NETLINK, SOCK_RAW | SOCK_CLOEXEC, protocol);
  if (fd < 0) return errno;
  timeval limit = {2, 0};
  setsockopt(fd, SOL_SOCKET, SO_RCVTIMEO, &limit, sizeof limit);
  int failure = send(fd, request, size, 0) < 0 ? errno : -1;
  std::vector<uint8_t> buffer(64 * 1024);
  for (int messages = 0; failure < 0;) {
    ssize_t received = recv(fd, buffer.data(), buffer.size(), 0);
    if (received < 0) {
      failure = errno;
      break;
    }
    auto left = static_cast<uint32_t>(received);
    for (auto* each = reinterpret_cast<nlmsghdr*>(buffer.data()); NLMSG_OK(each, left) && failure < 0;
         each = NLMSG_NEXT(each, left)) {
      if (++messages > kDumpMessagesMax) failure = EMSGSIZE;
      else if (each->nlmsg_type == NLMSG_DONE) failure = 0;
      else if (each->nlmsg_type == NLMSG_ERROR) {
        failure = each->nlmsg_len < NLMSG_LENGTH(sizeof(nlmsgerr))
                      ? EBADMSG
                      : -static_cast<nlmsgerr*>(NLMSG_DATA(each))->error;
      } else visit(each);
    }
  }
  close(fd);
  return failure;
}

// Visits the attributes that follow a message's fixed part of `fixed` bytes.
void ForAttributes(const nlmsghdr* message, size_t fixed, const std::function<void(const rtattr*)>& visit) {
  if (message->nlmsg_len < NLMSG_LENGTH(fixed)) return;
  int left = static_cast<int>(message->nlmsg_len - NLMSG_LENGTH(fixed));
  auto* each = reinterpret_cast<rtattr*>(static_cast<uint8_t*>(NLMSG_DATA(message)) + NLMSG_ALIGN(fixed));
  for (; RTA_OK(each, left); each = RTA_NEXT(each, left)) visit(each);
}

std::string Text(const rtattr* attribute) {
  auto* text = static_cast<const char*>(RTA_DATA(attribute));
  return std::string(text, strnlen(text, RTA_PAYLOAD(attribute)));
}

uint32_t Word(const rtattr* attribute) {
  uint32_t value = 0;
  std::memcpy(&value, RTA_DATA(attribute), std::min(sizeof value, size_t{RTA_PAYLOAD(attribute)}));
  return value;
}

// The name of a loaded program, "" without the privilege to ask (CAP_SYS_ADMIN).
std::string ProgramName(uint32_t id) {
  int fd = bpf_prog_get_fd_by_id(id);
  if (fd < 0) return "";
  struct bpf_prog_info about = {};
  uint32_t size = sizeof about;
  std::string name;
  if (bpf_obj_get_info_by_fd(fd, &about, &size) == 0) {
    name.assign(about.name, strnlen(about.name, sizeof about.name));
  }
  close(fd);
  return name;
}

// Ids of the tcx programs at a hook. 0, or the errno: EINVAL where the kernel has no tcx.
int QueryTcx(uint32_t ifindex, uint32_t hook, std::vector<uint32_t>& ids) {
  ids.assign(kProgramsMax, 0);
  // The kernel writes members of its own, newer bpf_attr: give it room for them.
  alignas(8) uint8_t room[256] = {};
  auto* query = reinterpret_cast<union bpf_attr*>(room);
  query->query.target_fd = ifindex;
  query->query.attach_type = hook;
  query->query.prog_ids = reinterpret_cast<uint64_t>(ids.data());
  query->query.prog_cnt = kProgramsMax;
  if (syscall(__NR_bpf, BPF_PROG_QUERY, query, sizeof(query->query)) != 0) {
    int failure = errno;
    ids.clear();
    return failure;
  }
  ids.resize(std::min(query->query.prog_cnt, kProgramsMax));
  return 0;
}

void AddProgram(Napi::Array list, const char* direction, const std::string& kind, uint32_t id,
                const std::string& name) {
  Napi::Object each = Napi::Object::New(list.Env());
  each.Set("direction", direction);
  each.Set("kind", kind);
  if (id != 0) each.Set("programId", id);
  if (!name.empty()) each.Set("name", name);
  list.Set(list.Length(), each);
}

// Filters at one parent of the clsact qdisc. Each filter is told in several messages; those with options are it.
int AddFilters(Napi::Array list, int ifindex, uint32_t parent, const char* direction) {
  struct {
    nlmsghdr header;
    tcmsg body;
  } request = {};
  request.header.nlmsg_len = sizeof request;
  request.header.nlmsg_type = RTM_GETTFILTER;
  request.header.nlmsg_flags = NLM_F_REQUEST | NLM_F_DUMP;
  request.body.tcm_family = AF_UNSPEC;
  request.body.tcm_ifindex = ifindex;
  request.body.tcm_parent = parent;
  return Dump(NETLINK_ROUTE, &request, sizeof request, [&](const nlmsghdr* message) {
    if (message->nlmsg_type != RTM_NEWTFILTER) return;
    std::string kind;
    std::string name;
    uint32_t id = 0;
    bool hasOptions = false;
    ForAttributes(message, sizeof(tcmsg), [&](const rtattr* attribute) {
      if (attribute->rta_type == TCA_KIND) kind = Text(attribute);
      if (attribute->rta_type != TCA_OPTIONS) return;
      int left = static_cast<int>(RTA_PAYLOAD(attribute));
      for (auto* inner = static_cast<rtattr*>(RTA_DATA(attribute)); RTA_OK(inner, left);
           inner = RTA_NEXT(inner, left)) {
        hasOptions = true;
        if (kind != "bpf") continue;
        if (inner->rta_type == TCA_BPF_NAME) name = Text(inner);
        if (inner->rta_type == TCA_BPF_ID) id = Word(inner);
      }
    });
    if (hasOptions && list.Length() < 2 * kProgramsMax) AddProgram(list, direction, kind, id, name);
  });
}

// tcPrograms(ifindex): {tcx: errno, filters: errno, programs: [{direction, kind, programId?, name?}]}; kind is "tcx" or
// that of a classifier ("bpf", "flower", "matchall").
Napi::Value TcPrograms(const Napi::CallbackInfo& info) {
  Napi::Env env = info.Env();
  int ifindex = static_cast<int>(IntegerArgument(info, 0, "ifindex", 1, INT32_MAX));
  Napi::Object result = Napi::Object::New(env);
  Napi::Array programs = Napi::Array::New(env);
  int tcx = 0;
  for (auto [hook, direction] : {std::pair{kTcxIngress, "ingress"}, std::pair{kTcxEgress, "egress"}}) {
    std::vector<uint32_t> ids;
    int failure = QueryTcx(static_cast<uint32_t>(ifindex), hook, ids);
    if (failure != 0) tcx = failure;
    for (uint32_t id : ids) AddProgram(programs, direction, "tcx", id, ProgramName(id));
  }
  int filters = 0;
  for (auto [minor, direction] :
       {std::pair{TC_H_MIN_INGRESS, "ingress"}, std::pair{TC_H_MIN_EGRESS, "egress"}}) {
    int failure = AddFilters(programs, ifindex, TC_H_MAKE(TC_H_CLSACT, minor), direction);
    if (failure != 0) filters = failure;
  }
  result.Set("tcx", tcx);
  result.Set("filters", filters);
  result.Set("programs", programs);
  return result;
}

// xdpSockets(): {errno, sockets: [{ifindex, queue, zerocopy, inode}]} of this network namespace that are bound. The kernel
// answers where it has CONFIG_XDP_SOCKETS_DIAG; else errno is ENOENT.
Napi::Value XdpSockets(const Napi::CallbackInfo& info) {
  Napi::Env env = info.Env();
  struct {
    nlmsghdr header;
    xdp_diag_req body;
  } request = {};
  request.header.nlmsg_len = sizeof request;
  request.header.nlmsg_type = SOCK_DIAG_BY_FAMILY;
  request.header.nlmsg_flags = NLM_F_REQUEST | NLM_F_DUMP;
  request.body.sdiag_family = AF_XDP;
  request.body.xdiag_show = XDP_SHOW_INFO | XDP_SHOW_UMEM;
  Napi::Object result = Napi::Object::New(env);
  Napi::Array sockets = Napi::Array::New(env);
  int failure = Dump(NETLINK_SOCK_DIAG, &request, sizeof request, [&](const nlmsghdr* message) {
    if (message->nlmsg_type != SOCK_DIAG_BY_FAMILY) return;
    if (message->nlmsg_len < NLMSG_LENGTH(sizeof(xdp_diag_msg))) return;
    auto* about = static_cast<const xdp_diag_msg*>(NLMSG_DATA(message));
    xdp_diag_info place = {};
    xdp_diag_umem umem = {};
    ForAttributes(message, sizeof(xdp_diag_msg), [&](const rtattr* attribute) {
      size_t length = RTA_PAYLOAD(attribute);
      if (attribute->rta_type == XDP_DIAG_INFO)
        std::memcpy(&place, RTA_DATA(attribute), std::min(sizeof place, length));
      if (attribute->rta_type == XDP_DIAG_UMEM)
        std::memcpy(&umem, RTA_DATA(attribute), std::min(sizeof umem, length));
    });
    if (place.ifindex == 0) return;
    Napi::Object each = Napi::Object::New(env);
    each.Set("ifindex", place.ifindex);
    each.Set("queue", place.queue_id);
    each.Set("zerocopy", Napi::Boolean::New(env, (umem.flags & XDP_DU_F_ZEROCOPY) != 0));
    each.Set("inode", about->xdiag_ino);
    sockets.Set(sockets.Length(), each);
  });
  result.Set("errno", failure);
  result.Set("sockets", sockets);
  return result;
}

// programName(id): "" when it may not be asked, or there is none.
Napi::Value AskProgramName(const Napi::CallbackInfo& info) {
  auto id = static_cast<uint32_t>(IntegerArgument(info, 0, "id", 1, UINT32_MAX));
  return Napi::String::New(info.Env(), ProgramName(id));
}

// tcxErrno(): 0 when the kernel has tcx and answers this process; EINVAL when it has not.
Napi::Value TcxErrno(const Napi::CallbackInfo& info) {
  std::vector<uint32_t> ids;
  // Interface 1 is the loopback of every namespace.
  return Napi::Number::New(info.Env(), QueryTcx(1, kTcxIngress, ids));
}

}  // namespace

void InitNeighbours(Napi::Env env, Napi::Object exports) {
  exports.Set("tcPrograms", Napi::Function::New(env, TcPrograms, "tcPrograms"));
  exports.Set("xdpSockets", Napi::Function::New(env, XdpSockets, "xdpSockets"));
  exports.Set("programName", Napi::Function::New(env, AskProgramName, "programName"));
  exports.Set("tcxErrno", Napi::Function::New(env, TcxErrno, "tcxErrno"));
}

}  // namespace xdp
